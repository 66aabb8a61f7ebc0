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
	} {
		t.Run(c.name, func(t *testing.T) {
			scaled(t, manyFiles(t, v1.Config{}, c.fill), opened(c.opened...), Options{}, 25*time.Second)
		})
	}
}
