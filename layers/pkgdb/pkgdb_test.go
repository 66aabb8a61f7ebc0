package pkgdb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

const debian = `
-- layer --
dir etc
dir etc/alternatives
symlink lib -> usr/lib
dir usr
dir usr/bin
file usr/bin/dash 0755 "dash"
file usr/bin/dash.real 0755 "diverted"
file usr/bin/vim.tiny 0755 "vim"
symlink usr/bin/vi -> /etc/alternatives/vi
symlink etc/alternatives/vi -> /usr/bin/vim.tiny
dir usr/lib
file usr/lib/libc.so.6 "c"
file usr/lib/libm.so.6 "m"
dir usr/share
dir usr/share/doc
dir usr/share/doc/libc6
file usr/share/doc/libc6/copyright "(c)"
file etc/vim.conf "v"
file etc/gone.conf "g"
dir var/lib/dpkg/info
file var/lib/dpkg/status @status
file var/lib/dpkg/status-old @status
file var/lib/dpkg/diversions "/usr/bin/dash\n/usr/bin/dash.real\nother\n"
file var/lib/dpkg/info/format "1\n"
file var/lib/dpkg/info/libc6:amd64.list "/.\n/lib\n/lib/libc.so.6\n/lib/libm.so.6\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/libc6\n/usr/share/doc/libc6/copyright\n"
file var/lib/dpkg/info/libc6:amd64.md5sums "aa  lib/libc.so.6\nbb  lib/libm.so.6\ncc  usr/share/doc/libc6/copyright\n"
file var/lib/dpkg/info/dash.list "/.\n/usr\n/usr/bin\n/usr/bin/dash\n"
file var/lib/dpkg/info/dash.md5sums "dd  usr/bin/dash\n"
file var/lib/dpkg/info/vim.list "/.\n/etc\n/etc/vim.conf\n/etc/gone.conf\n/usr/bin/vim.tiny\n"
file var/lib/dpkg/info/vim.md5sums "ee  usr/bin/vim.tiny\n"
file var/lib/dpkg/info/vim.postinst "#!/bin/sh\n"
file var/lib/dpkg/info/removed.list "/.\n/etc/gone.conf\n"
-- content status --
Package: libc6
Status: install ok installed
Maintainer: GNU <g@x>
Architecture: amd64
Multi-Arch: same
Source: glibc (1:2)
Version: 2.36-9
Provides: libc-of-all (= 2)

Package: dash
Status: install ok installed
Architecture: amd64
Pre-Depends: libc-of-all
Version: 0.5

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: vim
Status: install ok installed
Architecture: amd64
Version: 2:9.0
Depends: nothere | libc6 (>= 2.3), dash:any
Conffiles:
 /etc/vim.conf 111
 /etc/gone.conf 222
Description: editor
 Long text.
`

func open(t *testing.T, archive string) (*layers.Tree, *DB) {
	t.Helper()
	tree, err := layers.Open(context.Background(), testimage.New(t, archive), layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	db, err := Read(tree)
	if err != nil {
		t.Fatal(err)
	}
	return tree, db
}

func ids(ps []*Package) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.ID())
	}
	return strings.Join(out, " ")
}

func TestOwner(t *testing.T) {
	_, db := open(t, debian)
	if got := ids(db.Packages()); db.Format != "dpkg" || got != "dash libc6:amd64 vim" {
		t.Errorf("%q packages: %s", db.Format, got)
	}
	for path, want := range map[string]string{
		"/usr/lib/libc.so.6":   "libc6:amd64", // listed as /lib/libc.so.6
		"/usr/bin/dash":        "",            // diverted by another package
		"/usr/bin/dash.real":   "dash",
		"/usr/bin/vi":          "vim", // alternatives
		"/etc/alternatives/vi": "vim",
		"/usr/bin":             "",
		"/lib":                 "", // a symlink that libc6 lists as a directory
	} {
		got := ""
		if p, ok := db.Owner(path); ok {
			got = p.ID()
		}
		if got != want {
			t.Errorf("%s is owned by %q, want %q", path, got, want)
		}
	}
}

func TestFilter(t *testing.T) {
	_, db := open(t, debian)
	keep := map[string]bool{"/lib": true, "/usr": true, "/usr/lib": true, "/usr/lib/libc.so.6": true, "/etc/vim.conf": true, "/etc": true, "/usr/bin": true}
	f := db.Filter(func(p string) bool { return keep[p] })
	if got := ids(f.Packages) + " half " + ids(f.Half); got != "libc6:amd64 vim half libc6:amd64 vim" {
		t.Error(got)
	}
	got := map[string]string{}
	for _, file := range f.Files {
		got[file.Path] = string(file.Content)
	}
	want := map[string]string{
		"/var/lib/dpkg/info/format":              "1\n",
		"/var/lib/dpkg/info/libc6:amd64.list":    "/.\n/lib\n/lib/libc.so.6\n/usr\n",
		"/var/lib/dpkg/info/libc6:amd64.md5sums": "aa  lib/libc.so.6\n",
		"/var/lib/dpkg/info/vim.list":            "/.\n/etc\n/etc/vim.conf\n",
		"/var/lib/dpkg/info/vim.md5sums":         "",
		"/var/lib/dpkg/status": `Package: libc6
Status: install ok installed
Maintainer: GNU <g@x>
Architecture: amd64
Multi-Arch: same
Source: glibc (1:2)
Version: 2.36-9
Provides: libc-of-all (= 2)

Package: vim
Status: install ok installed
Architecture: amd64
Version: 2:9.0
Depends: nothere | libc6 (>= 2.3), dash:any
Conffiles:
 /etc/vim.conf 111
Description: editor
 Long text.

`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if f := db.Filter(func(string) bool { return false }); len(f.Files)+len(f.Packages) != 0 {
		t.Errorf("nothing kept, but %+v", f)
	}
}

func TestConffilesFieldGoesWithItsLastLine(t *testing.T) {
	raw := []byte("Package: x\nConffiles:\n /a 1\nVersion: 2")
	if got := string(keepConffiles(raw, func(string) bool { return false })); got != "Package: x\nVersion: 2" {
		t.Errorf("%q", got)
	}
	raw = []byte("Package: x\nConffiles:\n /a 1")
	if got := string(keepConffiles(raw, func(string) bool { return false })); got != "Package: x" {
		t.Errorf("at the end: %q", got)
	}
}

func TestDepends(t *testing.T) {
	_, db := open(t, debian)
	for _, p := range db.Packages() {
		if p.Name == "vim" {
			if got := ids(db.Depends(p, nil)); got != "dash libc6:amd64" {
				t.Error(got)
			}
		}
	}
}

// Whoever asks for the packages of a long chain is told each once, from
// whichever end it asks.
func TestDependsTellsEachOnce(t *testing.T) {
	const n = 20_000
	var status strings.Builder
	for i := range n {
		fmt.Fprintf(&status, "Package: p%05d\nArchitecture: all\nDepends: p%05d\n\n", i, i+1)
	}
	_, db := open(t, "-- layer --\nfile var/lib/dpkg/status @status\n-- content status --\n"+status.String())
	last := slices.Clone(db.Packages())
	slices.Reverse(last)
	for name, all := range map[string][]*Package{"from the first": db.Packages(), "from the last": last} {
		done, told := map[*Package]bool{}, 0
		for _, p := range all {
			if done[p] {
				continue
			}
			deps := db.Depends(p, done)
			done[p] = true
			for _, q := range deps {
				done[q] = true
			}
			told += 1 + len(deps)
		}
		if told != n || len(done) != n {
			t.Errorf("%s: told of %d, of %d packages", name, told, len(done))
		}
	}
}

// Of several architectures, the depending package's own counts.
func TestDependsOfArchitectures(t *testing.T) {
	_, db := open(t, `
-- layer --
file var/lib/dpkg/status "Package: a\nArchitecture: i386\nDepends: l\n\nPackage: b\nArchitecture: amd64\nDepends: l\n\nPackage: c\nArchitecture: armhf\nDepends: l, virtual\n\nPackage: l\nMulti-Arch: same\nArchitecture: amd64\n\nPackage: l\nMulti-Arch: same\nArchitecture: i386\n\nPackage: z\nArchitecture: all\nProvides: virtual\n"
`)
	got := map[string]string{}
	for _, p := range db.Packages() {
		got[p.ID()] = ids(db.Depends(p, nil))
	}
	want := map[string]string{"a": "l:i386", "b": "l:amd64", "c": "l:amd64 z", "l:amd64": "", "l:i386": "", "z": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStatusD(t *testing.T) {
	_, db := open(t, `
-- layer --
dir usr
file usr/a "a"
file usr/b "b"
dir var/lib/dpkg/status.d
file var/lib/dpkg/status ""
file var/lib/dpkg/status.d/one "Package: one\nArchitecture: amd64\nVersion: 1\n"
file var/lib/dpkg/status.d/one.md5sums "11  usr/a\n22  usr/b\n"
file var/lib/dpkg/status.d/two "Package: two\nArchitecture: amd64\nVersion: 2\n"
`)
	f := db.Filter(func(p string) bool { return p == "/usr/a" })
	got := map[string]string{}
	for _, file := range f.Files {
		got[file.Path] = string(file.Content)
	}
	want := map[string]string{
		"/var/lib/dpkg/status.d/one":         "Package: one\nArchitecture: amd64\nVersion: 1\n",
		"/var/lib/dpkg/status.d/one.md5sums": "11  usr/a\n",
	}
	if diff := cmp.Diff(want, got); diff != "" || db.Format != "status.d" {
		t.Errorf("%s %s", db.Format, diff)
	}
}

func TestDatabasesThatCannotBeFiltered(t *testing.T) {
	_, db := open(t, `
-- layer --
file usr/lib/opkg/status "Package: x\n"
file var/lib/rpm/Packages "hash"
`)
	if diff := cmp.Diff([]string{"/var/lib/rpm/Packages", "/usr/lib/opkg/status"}, db.Unsupported); diff != "" {
		t.Error(diff)
	}
}

func FuzzStatus(f *testing.F) {
	f.Add([]byte("Package: a\nStatus: install ok installed\nConffiles:\n /x 1\n\n\nPackage: b\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		ps, err := parseStatus(b)
		if err != nil {
			return
		}
		for _, p := range ps {
			keepConffiles(p.stanza, func(string) bool { return false })
			relations(string(p.stanza))
		}
	})
}
