package pkgdb

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

// TestMergeDpkg merges packages "name version" of an old base, an image and a
// new base; what stays is "name version side".
func TestMergeDpkg(t *testing.T) {
	for _, c := range []struct{ name, old, app, base, stays, gone string }{
		{"the base's is patched", "a 1", "a 1", "a 2", "a 2 base", ""},
		{"the image added one", "a 1", "a 1,b 1", "a 2", "a 2 base,b 1 app", ""},
		{"the new base added one", "a 1", "a 1", "a 1,c 1", "a 1 base,c 1 base", ""},
		{"the new base dropped one", "a 1,c 1", "a 1,c 1", "a 1", "a 1 base", "c"},
		{"the image removed one", "a 1,c 1", "a 1", "a 1,c 2", "a 1 base", "c"},
		{"both changed it", "a 1", "a 1.5", "a 2", "a 1.5 app conflict", ""},
		{"both have the same new one", "a 1", "a 2", "a 2", "a 2 app", ""},
		{"both added it", "", "a 1", "a 2", "a 1 app conflict", ""},
		{"only configuration is left of it", "a 1", "a 1 rc", "a 2", "a 1 app rc", ""},
		{"it was held", "a 1", "a 1 hold", "a 2", "a 2 base hold", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Merge(packagesDB(t, c.old), packagesDB(t, c.app), packagesDB(t, c.base), MergeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.stays, staying(m)); diff != "" {
				t.Errorf("what stays (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.gone, goneInfo(m)); diff != "" {
				t.Errorf("lists that go (-want +got):\n%s", diff)
			}
		})
	}
}

// With the base's preferred, it wins where it is not the older one.
func TestMergePreferBase(t *testing.T) {
	o := MergeOptions{Base: func(id string) bool { return id == "a" }}
	m, err := Merge(packagesDB(t, ""), packagesDB(t, "a 1,b 1"), packagesDB(t, "a 2,b 2"), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("a 2 base conflict,b 1 app conflict", staying(m)); diff != "" {
		t.Errorf("what stays (-want +got):\n%s", diff)
	}
	if m, err = Merge(packagesDB(t, ""), packagesDB(t, "a 3"), packagesDB(t, "a 2"), o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("a 3 app conflict", staying(m)); diff != "" {
		t.Errorf("what stays (-want +got):\n%s", diff)
	}
}

// What is to stay as the image has it stays, though only the base changed it.
func TestMergeHold(t *testing.T) {
	o := MergeOptions{App: func(id string) bool { return id == "a" }}
	m, err := Merge(packagesDB(t, "a 1,b 1"), packagesDB(t, "a 1,b 1"), packagesDB(t, "a 2,b 2"), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("a 1 app,b 2 base", staying(m)); diff != "" {
		t.Errorf("what stays (-want +got):\n%s", diff)
	}
}

// What a merged database says is unmet is of the packages that stay.
func TestMergedUnmet(t *testing.T) {
	app := packagesDB(t, "perl 1 Depends:_perl-base_(=_1),perl-base 1")
	if u, err := app.Unmet(); u != nil || err != nil {
		t.Fatalf("unmet before: %v (%v)", u, err)
	}
	m, err := Merge(packagesDB(t, "perl-base 1"), app, packagesDB(t, "perl-base 2"), MergeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Unmet()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Unmet{{"perl", "Depends", "perl-base (= 1)", "2"}}, got); diff != "" {
		t.Errorf("unmet (-want +got):\n%s", diff)
	}
}

// The files beside the status file are merged by record.
func TestMergeBesides(t *testing.T) {
	db := func(files string) *DB {
		return readImage(t, "-- layer --\nfile var/lib/dpkg/status 0644 0:0 \"Package: a\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: all\\n\\n\"\n"+files)
	}
	old := db(`file var/lib/dpkg/statoverride "root root 755 /old\nroot root 755 /kept\n"
file var/lib/dpkg/diversions "/x\n/x.d\na\n"
file var/lib/apt/extended_states "Package: a\nArchitecture: all\nAuto-Installed: 1\n\n"
`)
	app := db(`file var/lib/dpkg/statoverride "root root 755 /kept\nroot root 755 /app\n"
file var/lib/dpkg/diversions "/x\n/x.d\na\n/y\n/y.d\nb\n"
file var/lib/apt/extended_states "Package: a\nArchitecture: all\nAuto-Installed: 1\n\nPackage: b\nArchitecture: all\nAuto-Installed: 1\n\n"
`)
	base := db(`file var/lib/dpkg/statoverride "root root 755 /old\nroot root 755 /kept\nroot root 755 /base\n"
file var/lib/dpkg/diversions "/z\n/z.d\nc\n"
file var/lib/apt/extended_states "Package: c\nArchitecture: all\nAuto-Installed: 1\n\n"
`)
	m, err := Merge(old, app, base, MergeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range m.Files {
		if f.Part {
			got[f.Path] = string(f.Content)
		}
		if f.Same != nil && !f.Same(f.Content) {
			t.Errorf("%s is not the same as itself", f.Path)
		}
	}
	if diff := cmp.Diff(map[string]string{
		"/var/lib/dpkg/statoverride":   "root root 755 /kept\nroot root 755 /base\nroot root 755 /app\n",
		"/var/lib/dpkg/diversions":     "/z\n/z.d\nc\n/y\n/y.d\nb\n",
		"/var/lib/apt/extended_states": "Package: b\nArchitecture: all\nAuto-Installed: 1\n\nPackage: c\nArchitecture: all\nAuto-Installed: 1\n\n",
	}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestMergeApk(t *testing.T) {
	db := func(records string) *DB {
		return readImage(t, "-- layer --\nfile lib/apk/db/installed 0644 0:0 "+fmt.Sprintf("%q", records)+"\n")
	}
	old := db("P:a\nV:1-r0\nF:bin\nR:a\n\nP:c\nV:1\n\n")
	app := db("P:a\nV:1-r0\nF:bin\nR:a\n\nP:b\nV:1\nD:a\n\n")
	base := db("P:a\nV:1-r1\nF:bin\nR:a\n\nP:c\nV:2\n\n")
	m, err := Merge(old, app, base, MergeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("a 1-r1 base,b 1 app", staying(m)); diff != "" {
		t.Errorf("what stays (-want +got):\n%s", diff)
	}
	want := "P:a\nV:1-r1\nF:bin\nR:a\n\nP:b\nV:1\nD:a\n\n"
	if f := m.Files[0]; f.Path != "/lib/apk/db/installed" || string(f.Content) != want || f.Same([]byte("P:b\nV:1\n\n")) {
		t.Errorf("database: %q", f.Content)
	}
}

// A file that cannot be read must not pass for one that is not there: its
// records would be gone from the merged database.
func TestMergeUnreadable(t *testing.T) {
	app := readImage(t, fmt.Sprintf("-- layer --\nfile var/lib/dpkg/status 0644 0:0 %q\nfile var/lib/dpkg/triggers/File 0644 0:0 %q\n",
		"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n", strings.Repeat("a", maxList+1)))
	if _, err := Merge(packagesDB(t, ""), app, packagesDB(t, "a 2"), MergeOptions{}); err == nil || !strings.Contains(err.Error(), "/var/lib/dpkg/triggers/File") {
		t.Errorf("error %v, want one that names the file", err)
	}
}

// packagesDB is a database of packages "name version [rc|hold|Field:_value]".
func packagesDB(t *testing.T, packages string) *DB {
	t.Helper()
	var status, files strings.Builder
	for p := range strings.SplitSeq(packages, ",") {
		f := strings.Fields(p)
		if len(f) < 2 {
			continue
		}
		state, more := "install ok installed", ""
		for _, w := range f[2:] {
			switch w {
			case "rc":
				state = "deinstall ok config-files"
			case "hold":
				state = "hold ok installed"
			default:
				more = strings.ReplaceAll(w, "_", " ") + "\n"
			}
		}
		fmt.Fprintf(&status, "Package: %s\nStatus: %s\nVersion: %s\nArchitecture: all\n%s\n", f[0], state, f[1], more)
		fmt.Fprintf(&files, "file var/lib/dpkg/info/%s.list 0644 0:0 \"/.\\n\"\n", f[0])
	}
	return readImage(t, fmt.Sprintf("-- layer --\nfile var/lib/dpkg/status 0644 0:0 %q\n%s", status.String(), files.String()))
}

func readImage(t *testing.T, archive string) *DB {
	t.Helper()
	tree, err := layers.Open(t.Context(), testimage.New(t, archive), layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	db, err := Read(tree)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// staying is what the merged status says.
func staying(m *Merged) string {
	var out []string
	for i := range m.Packages {
		p := &m.Packages[i]
		text := p.ID
		switch {
		case p.From == "":
			continue
		case p.Owner != nil:
			text += " " + p.Owner.Version + " " + string(p.From)
		default:
			text += " 1 " + string(p.From)
		}
		if p.Conflict {
			text += " conflict"
		}
		out = append(out, text+stateOf(m, p.ID))
	}
	return strings.Join(out, ",")
}

// stateOf is what the merged status file has for a state besides installed.
func stateOf(m *Merged, name string) string {
	for _, f := range m.Files {
		if f.Path != statusFile {
			continue
		}
		for _, raw := range stanzas(f.Content) {
			if got := fields(raw); got["package"] == name {
				return map[string]string{"deinstall ok config-files": " rc", "hold ok installed": " hold"}[got["status"]]
			}
		}
	}
	return ""
}

func goneInfo(m *Merged) string {
	gone := map[string]bool{}
	for _, f := range m.Files {
		if f.Gone {
			gone[strings.TrimSuffix(strings.TrimPrefix(f.Path, infoDir+"/"), ".list")] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(gone)), ",")
}
