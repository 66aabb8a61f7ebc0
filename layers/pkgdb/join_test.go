package pkgdb

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// joinSource has a package that its bases lack (app), one that some have
// (tool), and one that is never carried (rest).
const joinSource = `
-- content status --
Package: app
Status: install ok installed
Architecture: amd64
Version: 1
Conffiles:
 /etc/app.conf 11
 /etc/gone.conf 22

Package: rest
Status: install ok installed
Architecture: all
Version: 1

Package: tool
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 2
-- layer --
file etc/app.conf
file etc/gone.conf
file usr/bin/app
file usr/bin/app.real
file usr/bin/tool
file usr/share/tool/table
file usr/share/rest
file var/lib/dpkg/status @status
file var/lib/dpkg/diversions "/usr/bin/app\n/usr/bin/app.real\ntool\n/usr/bin/x\n/usr/bin/x.real\nrest\n"
file var/lib/dpkg/statoverride "root root 4755 /usr/bin/app.real\nroot root 755 /usr/share/rest\n"
file var/lib/dpkg/info/app.list "/.\n/etc\n/etc/app.conf\n/etc/gone.conf\n/usr\n/usr/bin\n/usr/bin/app\n"
file var/lib/dpkg/info/app.md5sums "aa  usr/bin/app\n"
file var/lib/dpkg/info/rest.list "/.\n/usr\n/usr/share\n/usr/share/rest\n"
file var/lib/dpkg/info/tool:amd64.list "/.\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/share\n/usr/share/tool\n/usr/share/tool/table\n"
file var/lib/dpkg/info/tool:amd64.md5sums "bb  usr/bin/tool\ncc  usr/share/tool/table\n"
`

const joinSourceD = `
-- layer --
file usr/bin/app
file usr/bin/tool
file usr/share/tool/table
file var/lib/dpkg/status.d/app "Package: app\nArchitecture: amd64\nVersion: 1\n"
file var/lib/dpkg/status.d/app.md5sums "aa  usr/bin/app\n"
file var/lib/dpkg/status.d/tool "Package: tool\nArchitecture: amd64\nMulti-Arch: same\nVersion: 2\n"
file var/lib/dpkg/status.d/tool.md5sums "bb  usr/bin/tool\ncc  usr/share/tool/table\n"
`

// joinBase is a base as Debian has it, with tool in a version.
func joinBase(version string) string {
	return `
-- layer --
file usr/bin/tool
file usr/lib/libc.so.6
file var/lib/dpkg/status "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 9\n\nPackage: app\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 0\n\nPackage: tool\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: ` + version + `\n"
file var/lib/dpkg/diversions "/usr/bin/y\n/usr/bin/y.real\nz\n"
file var/lib/dpkg/info/libc6.list "/.\n/usr/lib/libc.so.6\n"
file var/lib/dpkg/info/libc6.md5sums "ee  usr/lib/libc.so.6\n"
file var/lib/dpkg/info/tool:amd64.list "/.\n/usr\n/usr/bin\n/usr/bin/tool\n"
file var/lib/dpkg/info/tool:amd64.md5sums "b0  usr/bin/tool\n"
`
}

// joinBaseD is it as distroless images have it.
func joinBaseD(version string) string {
	return `
-- layer --
file usr/bin/tool
file usr/lib/libc.so.6
file var/lib/dpkg/status.d/libc6 "Package: libc6\nArchitecture: amd64\nVersion: 9\n"
file var/lib/dpkg/status.d/libc6.md5sums "ee  usr/lib/libc.so.6\n"
file var/lib/dpkg/status.d/tool "Package: tool\nArchitecture: amd64\nMulti-Arch: same\nVersion: ` + version + `\n"
file var/lib/dpkg/status.d/tool.md5sums "b0  usr/bin/tool\n"
`
}

const apkBase = `
-- layer --
file bin/busybox
file lib/apk/db/installed "P:busybox\nV:1\nA:x86_64\nF:bin\nR:busybox\n"
`

func carriedPaths(paths ...string) func(string) bool {
	return func(p string) bool {
		for _, c := range paths {
			if p == c || strings.HasPrefix(c, p+"/") {
				return true
			}
		}
		return false
	}
}

func TestJoin(t *testing.T) {
	for _, c := range []struct {
		name, source, base string
		carried            []string
		packages           string
		want               map[string]string
	}{
		{
			"dpkg onto dpkg", joinSource, joinBase("2"),
			[]string{"/usr/bin/app.real", "/etc/app.conf", "/usr/share/tool/table"},
			"app 1, libc6 9, tool:amd64 2",
			map[string]string{
				"status": "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 9\n\n" +
					"Package: tool\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 2\n\n" +
					"Package: app\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nConffiles:\n /etc/app.conf 11\n\n",
				"info/app.list":           "/.\n/etc\n/etc/app.conf\n/usr\n/usr/bin\n/usr/bin/app\n",
				"info/app.md5sums":        "aa  usr/bin/app\n",
				"info/tool:amd64.list":    "/.\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/share\n/usr/share/tool\n/usr/share/tool/table\n",
				"info/tool:amd64.md5sums": "b0  usr/bin/tool\ncc  usr/share/tool/table\n",
				"diversions":              "/usr/bin/y\n/usr/bin/y.real\nz\n/usr/bin/app\n/usr/bin/app.real\ntool\n",
				"statoverride":            "root root 4755 /usr/bin/app.real\n",
			},
		},
		{
			"dpkg onto distroless", joinSource, joinBaseD("2"),
			[]string{"/etc/app.conf", "/usr/share/tool/table"},
			"app 1, libc6 9, tool:amd64 2",
			map[string]string{
				"status.d/app":          "Package: app\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nConffiles:\n /etc/app.conf 11\n",
				"status.d/app.md5sums":  "",
				"status.d/tool.md5sums": "b0  usr/bin/tool\ncc  usr/share/tool/table\n",
			},
		},
		{
			"the source's version lies above", joinSource, joinBase("1"),
			[]string{"/usr/bin/tool"},
			"libc6 9, tool:amd64 2",
			map[string]string{
				"status": "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 9\n\n" +
					"Package: app\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 0\n\n" +
					"Package: tool\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 2\n\n",
				"info/tool:amd64.md5sums": "bb  usr/bin/tool\n",
				"diversions":              "/usr/bin/y\n/usr/bin/y.real\nz\n/usr/bin/app\n/usr/bin/app.real\ntool\n",
			},
		},
		{
			"distroless onto dpkg", joinSourceD, joinBase("2"),
			[]string{"/usr/bin/app"},
			"app 1, libc6 9, tool:amd64 2",
			map[string]string{
				"status": "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 9\n\n" +
					"Package: tool\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 2\n\n" +
					"Package: app\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n",
				"info/app.list":    "/.\n/usr/bin/app\n",
				"info/app.md5sums": "aa  usr/bin/app\n",
			},
		},
		{
			"nothing is carried", joinSource, joinBase("2"), nil, "libc6 9, tool:amd64 2", map[string]string{},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, upper := open(t, c.source)
			_, base := open(t, c.base)
			got, err := upper.Join(base, carriedPaths(c.carried...), nil)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			for _, f := range got.Files {
				files[strings.TrimPrefix(f.Path, adminDir+"/")] = string(f.Content)
			}
			if d := cmp.Diff(c.want, files); d != "" {
				t.Errorf("files (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.packages, versions(got.Packages)); d != "" {
				t.Errorf("packages (-want +got):\n%s", d)
			}
			_, again := open(t, c.base+layerOf(c.carried, got.Files))
			if d := cmp.Diff(c.packages, versions(again.Packages())); d != "" || len(again.Unlisted) > 0 {
				t.Errorf("read from an image (-want +got):\n%s%q", d, again.Unlisted)
			}
			for _, p := range c.carried {
				if _, ok := again.Owner(p); !ok && p != "/etc/app.conf" {
					t.Errorf("nothing owns %s in the image", p)
				}
			}
		})
	}
}

func versions(ps []*Package) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.ID()+" "+p.Version)
	}
	return strings.Join(out, ", ")
}

// layerOf is a layer of carried files and the database's.
func layerOf(carried []string, files []File) string {
	var b strings.Builder
	b.WriteString("-- layer --\n")
	for _, p := range carried {
		fmt.Fprintf(&b, "file %s\n", p[1:])
	}
	for _, f := range files {
		fmt.Fprintf(&b, "file %s %s\n", f.Path[1:], strconv.Quote(string(f.Content)))
	}
	return b.String()
}

func TestJoinForeign(t *testing.T) {
	_, upper := open(t, joinSource)
	_, base := open(t, apkBase)
	if _, err := upper.Join(base, carriedPaths("/usr/bin/tool"), nil); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "tool:amd64") {
		t.Errorf("dpkg onto apk: %v", err)
	}
	if got, err := upper.Join(base, carriedPaths(), nil); err != nil || len(got.Files) > 0 || versions(got.Packages) != "busybox 1" {
		t.Errorf("nothing onto apk: %v %v", got, err)
	}
	_, none := open(t, "-- layer --\nfile etc/passwd\n")
	got, err := upper.Join(none, carriedPaths("/usr/bin/tool"), nil)
	if err != nil || versions(got.Packages) != "tool:amd64 2" {
		t.Errorf("onto a base without packages: %v %v", got, err)
	}
}
