package slim

import (
	"fmt"
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
		}, []string{"/" + site + "a.py"}},
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
		}, []string{"/usr/app/main.js", "/usr/app/package.json"}},
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
		}, []string{"/var/lib/gems/3.0.0/gems/g0-0/lib/\xff0.rb"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			scaled(t, manyFiles(t, v1.Config{}, c.fill), opened(c.opened...), Options{}, 25*time.Second)
		})
	}
}
