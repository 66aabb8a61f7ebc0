package slim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Metadata of packages that is made to take long: each case takes minutes, or
// hours, without its bound.
func TestHostileLanguagePackages(t *testing.T) {
	if testing.Short() {
		t.Skip("large input")
	}
	const site = "usr/lib/python3/dist-packages/"
	for _, c := range []struct {
		name   string
		fill   func(file func(string, int64, []byte), _ func(string, string))
		opened []string
		told   bool // that not all was followed
	}{
		{"a distribution that requires itself with ever other extras", func(file func(string, int64, []byte), _ func(string, string)) {
			var meta strings.Builder
			meta.WriteString("Name: a\n")
			for i := range 4000 {
				fmt.Fprintf(&meta, "Requires-Dist: a[x%d]; %s python_version > '3'\n", i, strings.Repeat("os_name == 'posix' and ", 50))
			}
			file(site+"a.py", 0o644, nil)
			file(site+"a-1.dist-info/METADATA", 0o644, []byte(meta.String()))
			file(site+"a-1.dist-info/RECORD", 0o644, []byte("a.py,,\n"))
		}, []string{"/" + site + "a.py"}, true},
		{"30 distributions that each give a million names to import", func(file func(string, int64, []byte), _ func(string, string)) {
			var names strings.Builder
			for i := range 1_000_000 {
				fmt.Fprintf(&names, "%x\n", i)
			}
			for i := range 30 {
				file(fmt.Sprintf("%sa%d.egg-info/PKG-INFO", site, i), 0o644, fmt.Appendf(nil, "Name: a%d\n", i))
				file(fmt.Sprintf("%sa%d.egg-info/top_level.txt", site, i), 0o644, []byte(names.String()))
			}
			file(site+"1.py", 0o644, nil)
		}, []string{"/" + site + "1.py"}, false},
		{"many imports of a package with many exports", func(file func(string, int64, []byte), _ func(string, string)) {
			var exports, js strings.Builder
			for i := range 5_000 {
				fmt.Fprintf(&exports, `"./%d*":"./x%d",`, i, i)
			}
			for i := range 10_000 {
				fmt.Fprintf(&js, "require('p/y%d')\n", i)
			}
			file("usr/app/node_modules/p/package.json", 0o644, []byte(`{"name":"p","version":"1","exports":{`+exports.String()+`".":"./i.js"}}`))
			file("usr/app/package.json", 0o644, []byte("{}"))
			for i := range 60 {
				file(fmt.Sprintf("usr/app/m%d.js", i), 0o644, []byte(js.String()))
			}
			var main strings.Builder
			for i := range 60 {
				fmt.Fprintf(&main, "require('./m%d')\n", i)
			}
			file("usr/app/main.js", 0o644, []byte(main.String()))
		}, []string{"/usr/app/main.js", "/usr/app/package.json"}, true},
		{"10,000 gems that need each other, in ten homes, and one gemspec of 100 MB", func(file func(string, int64, []byte), _ func(string, string)) {
			for i := range 10_000 {
				var spec strings.Builder
				fmt.Fprintf(&spec, "s.name = \"g%d\"\ns.version = \"1\"\n", i%5000)
				for j := range 50 {
					fmt.Fprintf(&spec, "s.add_dependency \"g%d\"\n", (i*j+j)%5000)
				}
				home := fmt.Sprintf("var/lib/gems/3.%d.0/", i%10)
				file(fmt.Sprintf("%sspecifications/g%d-%d.gemspec", home, i%5000, i), 0o644, []byte(spec.String()))
				file(fmt.Sprintf("%sgems/g%d-%d/lib/\xff%d.rb", home, i%5000, i, i), 0o644, nil)
			}
			file("var/lib/gems/3.0.0/specifications/huge-1.gemspec", 0o644, make([]byte, 100<<20))
		}, []string{"/var/lib/gems/3.0.0/gems/g0-0/lib/\xff0.rb"}, false},
		{"20,000 packages of Composer in one directory, that all provide what all require", func(file func(string, int64, []byte), _ func(string, string)) {
			var list strings.Builder
			for i := range 20_000 {
				fmt.Fprintf(&list, `,{"name":"v/p%d","version":"1","install-path":"../v/one","require":{"v/x":"1"},"provide":{"v/x":"1"}}`, i)
			}
			file("srv/vendor/composer/installed.json", 0o644, []byte(`{"packages":[`+list.String()[1:]+`]}`))
			file("srv/vendor/autoload.php", 0o644, nil)
			for i := range 20_000 {
				file(fmt.Sprintf("srv/vendor/v/one/\xff%d.php", i), 0o644, nil)
			}
			file("srv/vendor/v/two/x.php", 0o644, nil)
		}, []string{"/srv/vendor/autoload.php", "/srv/vendor/v/one/\xff1.php"}, false},
		{"20,000 packages of Composer in one directory, of which none is kept", func(file func(string, int64, []byte), _ func(string, string)) {
			var list strings.Builder
			for i := range 20_000 {
				fmt.Fprintf(&list, `,{"name":"v/p%d","version":"1","install-path":"../v/one"}`, i)
			}
			file("srv/vendor/composer/installed.json", 0o644, []byte(`{"packages":[`+list.String()[1:]+`]}`))
			file("srv/vendor/autoload.php", 0o644, nil)
			for i := range 20_000 {
				file(fmt.Sprintf("srv/vendor/v/one/\xff%d.php", i), 0o644, nil)
			}
		}, []string{"/srv/vendor/autoload.php", "/srv/vendor/composer/installed.json"}, false},
		{"1,000 files of settings of PHP, that each name 10,000 extensions", func(file func(string, int64, []byte), _ func(string, string)) {
			var ini strings.Builder
			for i := range 10_000 {
				fmt.Fprintf(&ini, "extension=e%d\n", i)
			}
			for i := range 1000 {
				file(fmt.Sprintf("etc/php/8.2/fpm/conf.d/%d.ini", i), 0o644, []byte(ini.String()))
				file(fmt.Sprintf("usr/lib/php/%08d/x.so", i), 0o644, nil)
			}
			file("etc/php/8.2/fpm/php.ini", 0o644, nil)
		}, []string{"/etc/php/8.2/fpm/conf.d/1.ini"}, true},
		{"2,000 packlists that each list all, and modules that need each other", func(file func(string, int64, []byte), _ func(string, string)) {
			const root = "usr/local/share/perl/5.36.0/"
			var list, needs strings.Builder
			for i := range 2000 {
				fmt.Fprintf(&list, "/%sM%d.pm\n", root, i)
				fmt.Fprintf(&needs, `,"M%d":"0"`, i)
			}
			for i := range 2000 {
				file(fmt.Sprintf("%sM%d.pm", root, i), 0o644, nil)
				file(fmt.Sprintf("%sauto/M%d/.packlist", root, i), 0o644, []byte(list.String()))
				file(fmt.Sprintf("%s.meta/M%d-1/MYMETA.json", root, i), 0o644, fmt.Appendf(nil, `{"name":"M%d","prereqs":{"runtime":{"requires":{%s}}}}`, i, needs.String()[1:]))
			}
			file("usr/bin/perl", 0o755, nil)
		}, []string{"/usr/local/share/perl/5.36.0/M1.pm", "/usr/bin/perl"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := scaled(t, manyFiles(t, v1.Config{}, c.fill), opened(c.opened...), Options{}, 25*time.Second)
			told := slices.ContainsFunc(plan.Risks, func(r Risk) bool { return r.Name == "packages-not-followed" })
			if told != c.told {
				t.Errorf("told that not all was followed: %t, want %t", told, c.told)
			}
		})
	}
}
