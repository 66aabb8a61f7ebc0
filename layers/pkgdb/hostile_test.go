package pkgdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

// A line that goes through a symlink takes the entry's own path when the
// symlink is not kept: dpkg and scanners would find nothing by the old name.
func TestFilterSpellsWhatIsKept(t *testing.T) {
	_, db := open(t, `
-- layer --
symlink lib -> usr/lib
dir usr/lib/d
file usr/lib/d/a "a"
file usr/lib/b "b"
file etc/x.real "diverted"
symlink etc2 -> etc
file var/lib/dpkg/diversions "/etc2/x\n/etc2/x.real\nother\n"
file var/lib/dpkg/status "Package: p\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nConffiles:\n /lib/b 11\n /usr/lib/d/a 22\n"
file var/lib/dpkg/info/p.list "/.\n/lib\n/lib/d\n/lib/d/a\n/lib/b\n/usr\n/usr/lib\n/usr/lib/d\n/etc2/x\n"
file var/lib/dpkg/info/p.md5sums "aa  lib/d/a\nbb  lib/b\n"
`)
	contents := func(drop string) map[string]string {
		out := map[string]string{}
		for _, f := range db.Filter(func(p string) bool { return p != drop && p != "/usr/lib/b" }).Files {
			out[strings.TrimPrefix(f.Path, "/var/lib/dpkg/")] = string(f.Content)
		}
		return out
	}
	with, without := contents(""), contents("/lib")
	for _, c := range []struct{ file, with, without string }{
		{"info/p.list", "/.\n/lib\n/lib/d\n/lib/d/a\n/usr\n/usr/lib\n/usr/lib/d\n/etc2/x\n", "/.\n/usr/lib/d\n/usr/lib/d/a\n/usr\n/usr/lib\n/etc2/x\n"},
		{"info/p.md5sums", "aa  lib/d/a\n", "aa  usr/lib/d/a\n"},
	} {
		if diff := cmp.Diff(c.with, with[c.file]); diff != "" {
			t.Errorf("%s: %s", c.file, diff)
		}
		if diff := cmp.Diff(c.without, without[c.file]); diff != "" {
			t.Errorf("%s without /lib: %s", c.file, diff)
		}
	}
	if strings.Contains(with["status"], "/lib/b") || !strings.Contains(with["status"], "/usr/lib/d/a 22") {
		t.Errorf("status: %s", with["status"])
	}
	// Diverted, and the way to it not kept: no line can say where it is.
	if got := contents("/etc2")["info/p.list"]; strings.Contains(got, "x") {
		t.Errorf("list without /etc2: %q", got)
	}
}

// A path listed under two names is one file.
func TestFileListedTwiceIsOne(t *testing.T) {
	_, db := open(t, `
-- layer --
symlink lib -> usr/lib
file usr/lib/a "a"
file var/lib/dpkg/status "Package: p\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n"
file var/lib/dpkg/info/p.list "/lib/a\n/usr/lib/a\n"
`)
	f := db.Filter(func(string) bool { return true })
	if len(f.Half) != 0 || len(f.Packages) != 1 {
		t.Errorf("packages %s, half %s", ids(f.Packages), ids(f.Half))
	}
}

// Names become parts of file names in the output.
func TestStrangeNamesAreRefused(t *testing.T) {
	for _, s := range []string{
		"Package: ../x\nArchitecture: all\n", "Package: a b\n", "Package: a\n\tb\n", "Package: \x1b[31m\n", "Package: caf\u00e9\n",
		"Package: p\nArchitecture: a/b\n", "Package: p\nArchitecture: a\n\tb\n", "Architecture: all\n",
	} {
		if ps, err := parseStatus([]byte(s)); err == nil {
			t.Errorf("%q: %v", s, ids(ps))
		}
	}
}

func read(t *testing.T, img v1.Image) (*DB, error) {
	t.Helper()
	tree, err := layers.Open(context.Background(), img, layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return Read(tree)
}

// One large list under many names costs what so many lists would.
func TestSharedListsAreCounted(t *testing.T) {
	var text, status strings.Builder
	fmt.Fprintf(&text, "-- layer --\nfile big @big\ndir var/lib/dpkg/info\n")
	for i := range 1000 {
		fmt.Fprintf(&status, "Package: p%d\nArchitecture: all\nVersion: 1\n\n", i)
		fmt.Fprintf(&text, "symlink var/lib/dpkg/info/p%d.list -> /big\n", i)
	}
	fmt.Fprintf(&text, "file var/lib/dpkg/status @status\n-- content big --\n%s-- content status --\n%s", strings.Repeat("/a/b/c\n", 60_000), status.String())
	if _, err := read(t, testimage.New(t, text.String())); !errors.Is(err, layers.ErrLimit) {
		t.Errorf("err = %v, want ErrLimit", err)
	}
}

// What is linear in a database's size stays so: each of these took
// much longer, up to hours, when it was not.
func TestHostileDatabasesAreLinear(t *testing.T) {
	long := "Package: p\nArchitecture: all\nDescription: x\n" + strings.Repeat(" y\n", 2_000_000)
	var sharing strings.Builder
	list := "-- layer --\nfile a \"1\"\ndir var/lib/dpkg/info\n"
	var lists strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&sharing, "Package: p%d\nArchitecture: all\nVersion: 1\n\n", i)
		fmt.Fprintf(&lists, "file var/lib/dpkg/info/p%d.list @list\n", i)
	}
	// A chain of links, each of which takes a long way to the next.
	var links strings.Builder
	for i := range 30 {
		fmt.Fprintf(&links, "symlink l%d -> %sl%d\n", i, strings.Repeat("./", 200), i+1)
	}
	for name, archive := range map[string]string{
		"a stanza of two million lines": "-- layer --\nfile var/lib/dpkg/status @status\n-- content status --\n" + long,
		"a path of 20,000 packages": list + lists.String() + "file var/lib/dpkg/status @status\n-- content list --\n" +
			strings.Repeat("/a\n", 50) + "-- content status --\n" + sharing.String(),
		"as many diversions as lines": "-- layer --\nfile a \"1\"\nfile var/lib/dpkg/diversions @div\nfile var/lib/dpkg/info/p.list @list\n" +
			"file var/lib/dpkg/status \"Package: p\\nArchitecture: all\\n\"\n-- content div --\n" + strings.Repeat("/x\n/y\nz\n", 100_000) +
			"-- content list --\n" + strings.Repeat("/x\n", 100_000),
		"lines through long links": "-- layer --\n" + links.String() + "dir l30\nfile l30/f \"1\"\nfile var/lib/dpkg/info/p.list @list\n" +
			"file var/lib/dpkg/status \"Package: p\\nArchitecture: all\\n\"\n-- content list --\n" + strings.Repeat("/l0/f\n", 300_000),
	} {
		t.Run(name, func(t *testing.T) {
			img := testimage.New(t, archive)
			start := time.Now()
			db, err := read(t, img)
			if err != nil {
				t.Fatal(err)
			}
			db.Filter(func(string) bool { return true })
			for _, p := range db.Packages()[:min(3, len(db.Packages()))] {
				db.Depends(p, nil)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

// FuzzFilter: whatever the database's files hold, what Filter writes is read
// again as the same packages, has no line about what is not kept, and is
// filtered to itself.
func FuzzFilter(f *testing.F) {
	f.Add("Package: p\nStatus: install ok installed\nArchitecture: all\nConffiles:\n /a 1\n\nPackage: q\nMulti-Arch: same\nArchitecture: x\n", "/.\n/a\n/lib/b\n/d\n", "11  a\n22  lib/b\n", "/a\n/d/a\np\n")
	f.Add("Package: p\n\n\n", "/lib\n/lib/b\n//lib//b\n/lib/./b", "x  /a\n", "/lib/b\n/a\n:\n")
	tree, err := layers.Open(context.Background(), mustParse(f, "-- layer --\nfile a \"1\"\ndir d\nfile d/a \"2\"\nsymlink lib -> usr/lib\nfile usr/lib/b \"3\"\nsymlink s -> a\n"), layers.Options{Scratch: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	defer tree.Close()
	f.Fuzz(func(t *testing.T, status, list, sums, diversions string) {
		db, ok := dbOf(tree, status, list, diversions)
		if !ok {
			return
		}
		for _, drop := range []string{"", "/a", "/lib", "/usr/lib/b"} {
			kept := func(p string) bool { return p != drop }
			for _, p := range db.order {
				lines := filterList(p.list, db.spelling(p, kept))
				again := filterList(splitLines(lines), db.spelling(p, kept))
				if !bytes.Equal(lines, again) {
					t.Fatalf("without %q: %q is filtered to %q", drop, lines, again)
				}
				for _, l := range splitLines(filterSums(splitLines([]byte(sums)), db.spelling(p, kept))) {
					_, name, _ := strings.Cut(l, "  ")
					if db.spelling(p, kept)(path.Join("/", name)) == "" {
						t.Fatalf("without %q: line %q", drop, l)
					}
				}
			}
			filtered := db.Filter(kept)
			i := slices.IndexFunc(filtered.Files, func(f File) bool { return f.Path == statusFile })
			if (i < 0) != (len(filtered.Packages) == 0) {
				t.Fatalf("%d packages, status file at %d", len(filtered.Packages), i)
			}
			if i < 0 {
				continue
			}
			ps, err := parseStatus(filtered.Files[i].Content)
			if err != nil || len(ps) != len(filtered.Packages) {
				t.Fatalf("status of %d packages is read as %d, %v:\n%s", len(filtered.Packages), len(ps), err, filtered.Files[i].Content)
			}
		}
	})
}

// dbOf is a database whose packages all have the same list.
func dbOf(tree *layers.Tree, status, list, diversions string) (*DB, bool) {
	ps, err := parseStatus([]byte(status))
	if err != nil {
		return nil, false
	}
	db := &DB{tree: tree, Format: "dpkg", owners: map[string][]*Package{}, names: names{tree: tree}, order: ps, packages: ps}
	db.divertBy(splitLines([]byte(diversions)))
	for _, p := range ps {
		p.list = splitLines([]byte(list))
		db.ownList(p)
	}
	return db, true
}

func mustParse(f *testing.F, archive string) v1.Image {
	img, err := testimage.Parse(archive)
	if err != nil {
		f.Fatal(err)
	}
	return img
}
