package slim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/profile"
)

// debian is an image of two layers: a base with libc6, tool and data, and one
// that upgrades tool and adds more of it. The second rewrites the database.
const debian = `
-- content status --
Package: data
Status: install ok installed
Architecture: all
Version: 3
Description: data

Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36)
Version: 2.36-9

Package: purged
Status: deinstall ok config-files
Architecture: amd64
Version: 1
Conffiles:
 /etc/purged.conf 55

Package: tool
Status: install ok installed
Architecture: amd64
Version: 1:2.0-1
Depends: libc6 (>= 2.30), helper | data
Conffiles:
 /etc/tool.conf 11
 /etc/tool.d/more 22
-- layer --
file etc/os-release "ID=debian"
file t
symlink lib -> usr/lib
file usr/lib/libc.so.6 "c"
file usr/lib/libm.so.6 "m"
file usr/share/doc/libc6/copyright "gpl"
file usr/bin/tool 0755 "old"
file usr/share/doc/tool/copyright "mit"
file usr/share/data/x "x"
file usr/share/data/y "y"
symlink usr/share/doc/data -> tool
file var/lib/dpkg/status "old"
file var/lib/dpkg/lock 0640
file var/lib/dpkg/info/libc6:amd64.list "/.\n/lib\n/lib/libc.so.6\n/lib/libm.so.6\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/libc6\n/usr/share/doc/libc6/copyright\n"
file var/lib/dpkg/info/libc6:amd64.md5sums "aa  lib/libc.so.6\nbb  lib/libm.so.6\ncc  usr/share/doc/libc6/copyright\n"
file var/lib/dpkg/info/libc6:amd64.symbols "x"
file var/lib/dpkg/info/data.list "/.\n/usr\n/usr/share\n/usr/share/data\n/usr/share/data/x\n/usr/share/data/y\n/usr/share/doc/data\n"
file var/lib/dpkg/info/data.md5sums "d1  usr/share/data/x\nd2  usr/share/data/y\n"
-- layer --
file etc/tool.conf "conf"
file etc/tool.d/more "more"
file usr/bin/tool 0755 "new"
file usr/bin/tool-extra 0755 "extra"
file var/lib/dpkg/status 0640 1:2 @status mtime=44
file var/lib/dpkg/status-old @status
file var/lib/dpkg/info/tool.list "/.\n/etc\n/etc/tool.conf\n/etc/tool.d\n/etc/tool.d/more\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/bin/tool-extra\n/usr/share/doc/tool/copyright\n"
file var/lib/dpkg/info/tool.md5sums "11  usr/bin/tool\n22  usr/bin/tool-extra\n33  usr/share/doc/tool/copyright\n"
file var/lib/dpkg/info/tool.postinst 0755 "#!/bin/sh"
`

// inLayer is a file's content in one output layer.
func inLayer(t *testing.T, plan *Plan, path string, layer int) string {
	t.Helper()
	for _, f := range plan.Generated {
		if f.Path == path && f.Layer == layer {
			return string(f.Content)
		}
	}
	return ""
}

func TestFilteredDatabase(t *testing.T) {
	tree := open(t, debian)
	plan, out := slimmed(t, tree, opened("/usr/bin/tool", "/lib/libc.so.6", "/etc/tool.conf"), Options{Granularity: GranularityFile})
	var got []string
	for _, p := range plan.Packages {
		got = append(got, fmt.Sprintf("%s %s %s files=%d half=%v", p.Name, p.Arch, p.Version, p.Files, p.Half))
	}
	want := []string{"libc6 amd64 2.36-9 files=2 half=true", "tool amd64 1:2.0-1 files=3 half=true"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("packages (-want +got):\n%s", d)
	}
	db := map[string]string{}
	for e := range out.All() {
		if strings.HasPrefix(e.Path, "/var/lib/dpkg/") && e.Type == layers.Regular {
			db[e.Path[len("/var/lib/dpkg/"):]] = content(t, out, e.Path)
		}
	}
	const stanzas = `Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36)
Version: 2.36-9

Package: tool
Status: install ok installed
Architecture: amd64
Version: 1:2.0-1
Depends: libc6 (>= 2.30), helper | data
Conffiles:
 /etc/tool.conf 11

`
	if d := cmp.Diff(map[string]string{
		"status":                   stanzas,
		"info/libc6:amd64.list":    "/.\n/lib\n/lib/libc.so.6\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/libc6\n/usr/share/doc/libc6/copyright\n",
		"info/libc6:amd64.md5sums": "aa  lib/libc.so.6\ncc  usr/share/doc/libc6/copyright\n",
		"info/tool.list":           "/.\n/etc\n/etc/tool.conf\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/share/doc/tool/copyright\n",
		"info/tool.md5sums":        "11  usr/bin/tool\n33  usr/share/doc/tool/copyright\n",
	}, db); d != "" {
		t.Errorf("database (-want +got):\n%s", d)
	}
	e, _ := out.Lookup("/var/lib/dpkg/status")
	if octal(e.Mode)+" "+owner(e.Header) != "0640 1:2" || e.ModTime.Unix() != 44 {
		t.Errorf("status: %s %s %v", octal(e.Mode), owner(e.Header), e.ModTime)
	}
	checkDatabase(t, tree, out)
}

// A scanner matches lists and files within one layer: each list is beside the
// files it names, and says no more than the layers up to there hold.
func TestListsAreBesideTheirFiles(t *testing.T) {
	tree := open(t, debian)
	plan := planned(t, tree, opened("/usr/bin/tool", "/lib/libc.so.6"), Options{Granularity: GranularityFile})
	if n := len(plan.Layers); n != 3 {
		t.Fatalf("%d layers: %+v", n, plan.Layers)
	}
	const list, sums = "/var/lib/dpkg/info/tool.list", "/var/lib/dpkg/info/tool.md5sums"
	if got := inLayer(t, plan, sums, 0); got != "33  usr/share/doc/tool/copyright\n" {
		t.Errorf("sums in layer 0: %q", got)
	}
	if got := inLayer(t, plan, sums, 1); got != "11  usr/bin/tool\n33  usr/share/doc/tool/copyright\n" {
		t.Errorf("sums in layer 1: %q", got)
	}
	if got := inLayer(t, plan, "/var/lib/dpkg/info/libc6:amd64.list", 0); !strings.Contains(got, "/lib/libc.so.6\n") {
		t.Errorf("libc6's list in layer 0: %q", got)
	}
	for _, p := range []string{list, sums, "/var/lib/dpkg/info/libc6:amd64.list"} {
		if got := inLayer(t, plan, p, 2); got != "" {
			t.Errorf("%s is in pare's own layer: %q", p, got)
		}
	}
	if got := inLayer(t, plan, "/var/lib/dpkg/status", 2); got == "" {
		t.Error("status is not in pare's own layer")
	}
	squash := planned(t, tree, opened("/usr/bin/tool", "/lib/libc.so.6"), Options{Granularity: GranularityFile, Layers: LayersSquash})
	n := 0
	for _, f := range squash.Generated {
		if f.Path == sums {
			n++
		}
	}
	if n != 1 || inLayer(t, squash, sums, 0) != "11  usr/bin/tool\n33  usr/share/doc/tool/copyright\n" {
		t.Errorf("squashed: %d copies, %q", n, inLayer(t, squash, sums, 0))
	}
}

// A lower layer's list does not change with what is kept of a higher one, be
// it a file or a directory that the package shares.
func TestListOfALowerLayerStays(t *testing.T) {
	tree := open(t, strings.Replace(debian, "file etc/tool.d/more", "file etc/tool.d/own\nfile etc/tool.d/more", 1))
	lists := func(opened *profile.Profile) string {
		plan := planned(t, tree, opened, Options{Granularity: GranularityFile})
		return inLayer(t, plan, "/var/lib/dpkg/info/tool.md5sums", 0) + inLayer(t, plan, "/var/lib/dpkg/info/tool.list", 0) + inLayer(t, plan, "/var/lib/dpkg/info/data.list", 0)
	}
	few := lists(opened("/usr/share/doc/tool/copyright", "/usr/bin"))
	if !strings.Contains(few, "tool/copyright") {
		t.Fatalf("lists: %q", few)
	}
	for _, more := range []string{"/usr/bin/tool", "/etc/tool.conf", "/etc/tool.d/own"} {
		if d := cmp.Diff(few, lists(opened("/usr/share/doc/tool/copyright", "/usr/bin", more))); d != "" {
			t.Errorf("with %s (-before +after):\n%s", more, d)
		}
	}
}

func TestRulePackage(t *testing.T) {
	runRuleCases(t, []ruleCase{
		{
			name:    "the whole package and what it depends on, of alternatives the installed one",
			image:   debian,
			opened:  "/usr/bin/tool",
			options: Options{Granularity: GranularityPackage},
			want: `
/etc/tool.conf package /usr/bin/tool
/etc/tool.d package /usr/bin/tool
/etc/tool.d/more package /usr/bin/tool
/lib link /usr/lib
/usr/bin/tool access
/usr/bin/tool-extra package /usr/bin/tool
/usr/lib package /usr/bin/tool
/usr/lib/libc.so.6 package /usr/bin/tool
/usr/lib/libm.so.6 package /usr/bin/tool
/usr/share/data package /usr/bin/tool
/usr/share/data/x package /usr/bin/tool
/usr/share/data/y package /usr/bin/tool
/usr/share/doc/data link /usr/share/doc/tool
/usr/share/doc/libc6 package /usr/bin/tool
/usr/share/doc/libc6/copyright package /usr/bin/tool
/usr/share/doc/tool/copyright package /usr/bin/tool
/var/lib/dpkg/info/data.list package-database /usr/share/data/x
/var/lib/dpkg/info/data.md5sums package-database /usr/share/data/x
/var/lib/dpkg/info/libc6:amd64.list package-database /usr/lib/libc.so.6
/var/lib/dpkg/info/libc6:amd64.md5sums package-database /usr/lib/libc.so.6
/var/lib/dpkg/info/tool.list package-database /etc/tool.conf
/var/lib/dpkg/info/tool.md5sums package-database /etc/tool.conf
/var/lib/dpkg/status package-database
`,
		},
		{
			name:    "a package of which the config names a file",
			image:   debian + "-- config --\n" + `{"Entrypoint":["/usr/share/data/x"]}`,
			opened:  "/t",
			options: Options{Granularity: GranularityPackage},
			want: `
/t access
/usr/share/data/x config config:Entrypoint
/usr/share/data/y package /usr/share/data/x
/usr/share/doc/data link /usr/share/doc/tool
/usr/share/doc/tool package /usr/share/data/x
/usr/share/doc/tool/copyright licence /usr/share/data/x
/var/lib/dpkg/info/data.list package-database /usr/share/data/x
/var/lib/dpkg/info/data.md5sums package-database /usr/share/data/x
/var/lib/dpkg/info/tool.list package-database /usr/share/doc/tool/copyright
/var/lib/dpkg/info/tool.md5sums package-database /usr/share/doc/tool/copyright
/var/lib/dpkg/status package-database
`,
		},
	})
}

func TestRuleLicence(t *testing.T) {
	runRuleCases(t, []ruleCase{{
		name:   "of each package that keeps a file, behind another's directory too",
		image:  debian,
		opened: "/usr/share/data/x",
		want: `
/usr/share/data/x access
/usr/share/doc/data link /usr/share/doc/tool/copyright
/usr/share/doc/tool/copyright licence /usr/share/data/x
/var/lib/dpkg/info/data.list package-database /usr/share/data/x
/var/lib/dpkg/info/data.md5sums package-database /usr/share/data/x
/var/lib/dpkg/info/tool.list package-database /usr/share/doc/tool/copyright
/var/lib/dpkg/info/tool.md5sums package-database /usr/share/doc/tool/copyright
/var/lib/dpkg/status package-database
`,
	}})
}

// checkDatabase holds that the packages an image lists are exactly those that
// own something in it, and that its lists name nothing that is not there. A
// dangling link may have become a directory in which pare writes.
func checkDatabase(t *testing.T, source, tree *layers.Tree) {
	t.Helper()
	db, err := pkgdb.Read(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range db.Packages() {
		owns := slices.ContainsFunc(p.Paths(), func(name string) bool {
			e, ok := source.Lookup(name)
			return ok && e.Type != layers.Directory && there(tree, name)
		})
		if !owns {
			t.Errorf("package %s is listed and owns nothing", p.ID())
		}
	}
	info, err := tree.Resolve("/var/lib/dpkg/info")
	if err != nil {
		return
	}
	for _, e := range tree.Children(info.Entry.Path) {
		switch {
		case strings.HasSuffix(e.Path, ".list"):
			for l := range strings.Lines(content(t, tree, e.Path)) {
				if _, err := tree.ResolveLink(strings.TrimSuffix(l, "\n")); err != nil {
					t.Errorf("%s: %v", e.Path, err)
				}
			}
		case strings.HasSuffix(e.Path, ".md5sums"):
			for l := range strings.Lines(content(t, tree, e.Path)) {
				if _, name, ok := strings.Cut(strings.TrimSuffix(l, "\n"), "  "); !ok || !there(tree, "/"+name) {
					t.Errorf("%s: %q", e.Path, l)
				}
			}
		}
	}
}

func there(tree *layers.Tree, p string) bool {
	_, err := tree.ResolveLink(p)
	return err == nil
}

// A database in distroless form keeps its form.
func TestStatusD(t *testing.T) {
	tree := open(t, `
-- layer --
file t
file usr/bin/a
file usr/bin/b
file var/lib/dpkg/status.d/a "Package: a\nVersion: 1\nArchitecture: amd64\n"
file var/lib/dpkg/status.d/a.md5sums "00  usr/bin/a\n11  usr/bin/gone\n"
file var/lib/dpkg/status.d/b "Package: b\nVersion: 1\nArchitecture: amd64\n"
file var/lib/dpkg/status.d/b.md5sums "00  usr/bin/b\n"
`)
	_, out := slimmed(t, tree, opened("/usr/bin/a"), Options{Granularity: GranularityFile})
	got := dumpTree(t, out)
	if got["/var/lib/dpkg/status.d/a.md5sums"] != `file 0644 0:0 "00  usr/bin/a\n"` || got["/var/lib/dpkg/status.d/b"] != "" || got["/var/lib/dpkg/status"] != "" {
		t.Errorf("%q", got)
	}
	checkDatabase(t, tree, out)
}

// Image without the database of its packages would look like one without
// packages: it takes a word of the user's.
func TestDatabaseThatCannotBeFiltered(t *testing.T) {
	for _, db := range []string{"/usr/lib/opkg/status", "/var/lib/rpm/Packages", "/usr/lib/sysimage/rpm/Packages.db"} {
		tree := open(t, "\n-- layer --\nfile t\nfile "+db[1:]+" \"db\"\n")
		plan := planned(t, tree, opened("/t", db), Options{})
		if d := cmp.Diff([]string{"error package-database " + db}, findingLines(plan)); d != "" {
			t.Errorf("findings (-want +got):\n%s", d)
		}
		if _, err := Build(t.Context(), tree, plan, t.TempDir()); err == nil {
			t.Errorf("%s: built all the same", db)
		}
		_, out := slimmed(t, tree, opened("/t", db), Options{Allow: []string{FindingPackageDatabase}})
		if slices.Contains(paths(out), db) {
			t.Errorf("%s is there as it was, and names what is gone", db)
		}
	}
}

func TestNoDatabaseNoFinding(t *testing.T) {
	plan := planned(t, open(t, "\n-- layer --\nfile t\n"), opened("/t"), Options{})
	if len(plan.Findings) > 0 || len(plan.Packages) > 0 {
		t.Errorf("%+v %+v", plan.Findings, plan.Packages)
	}
}

// Alpine's database is one file, and goes into pare's own layer.
func TestApkDatabase(t *testing.T) {
	tree := open(t, `
-- layer --
file etc/alpine-release "3.19.0"
file bin/a 0755 "a"
file lib/apk/db/installed "P:a\nV:1-r0\nA:x86_64\nF:bin\nR:a\nZ:Q1=\n"
file lib/apk/db/scripts.tar "scripts"
-- layer --
file bin/b 0755 "b"
file bin/b2 0755 "b"
file bin/c 0755 "c"
file lib/apk/db/installed 0640 "P:a\nV:1-r0\nA:x86_64\nF:bin\nR:a\nZ:Q1=\n\nP:b\nV:2-r0\nA:x86_64\nF:bin\nR:b\nR:b2\n\nP:c\nV:2-r0\nA:x86_64\nF:bin\nR:c\n"
`)
	plan, out := slimmed(t, tree, opened("/bin/a", "/bin/b"), Options{Granularity: GranularityFile})
	got := dumpTree(t, out)
	if want := `file 0640 0:0 "P:a\nV:1-r0\nA:x86_64\nF:bin\nR:a\nZ:Q1=\n\nP:b\nV:2-r0\nA:x86_64\nF:bin\nR:b\n\n"`; got["/lib/apk/db/installed"] != want {
		t.Errorf("got %s", got["/lib/apk/db/installed"])
	}
	if got["/lib/apk/db/scripts.tar"] != "" || got["/etc/alpine-release"] == "" || len(plan.Findings) > 0 || len(plan.Packages) != 2 {
		t.Errorf("%q %v %v", got, plan.Findings, plan.Packages)
	}
}
