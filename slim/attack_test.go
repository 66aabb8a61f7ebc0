package slim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

func TestImageWithoutLayers(t *testing.T) {
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: v1.Config{Entrypoint: []string{"/a"}, WorkingDir: "/w"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {Keep: []string{"**"}}} {
		if _, err := Select(t.Context(), openImage(t, img), opened("/a"), o); !errors.Is(err, ErrEmptyProfile) {
			t.Errorf("%v", err)
		}
	}
}

// Images that are odd where pare writes its own files.
func TestOddPlacesForPareFiles(t *testing.T) {
	const status = `"Package: p\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n"`
	for _, c := range []struct {
		name, image string
		want        map[string]string
	}{
		{"no /etc at all", `
file t
`, map[string]string{"/etc": "directory 0755 0:0", "/etc/hosts": `file 0644 0:0 ""`}},
		{"/etc is a link", `
symlink etc -> usr/etc
file usr/etc/passwd 0600 3:4 "root:x:0:0::/:/x\n"
file t
`, map[string]string{"/etc": "symlink 0644 0:0 -> usr/etc", "/etc/passwd": "", "/usr/etc/passwd": `file 0600 3:4 "root:x:0:0::/:/x\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"`, "/usr/etc/hosts": `file 0644 0:0 ""`}},
		{"/etc is a dangling link", `
symlink etc -> nowhere
file t
`, map[string]string{"/etc": "directory 0755 0:0", "/etc/hosts": `file 0644 0:0 ""`}},
		{"/etc is a link in a circle", `
symlink etc -> etc
file t
`, map[string]string{"/etc": "directory 0755 0:0"}},
		{"/etc is a file", `
file etc "x"
file t
`, map[string]string{"/etc": "directory 0755 0:0", "/etc/hosts": `file 0644 0:0 ""`}},
		{"passwd is a link", `
symlink etc/passwd -> ../usr/share/passwd
file usr/share/passwd 0600 3:4 "root:x:0:0::/:/x\n"
file t
`, map[string]string{"/etc/passwd": `file 0600 3:4 "root:x:0:0::/:/x\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"`, "/usr/share/passwd": `file 0600 3:4 "root:x:0:0::/:/x\n"`}},
		{"hosts is a directory", `
dir etc/hosts 0700
file t
`, map[string]string{"/etc/hosts": "directory 0700 0:0"}},
		{"the database is behind a link", `
symlink var/lib -> ../srv
file srv/dpkg/status ` + status + `
file srv/dpkg/info/p.list "/t\n/u\n"
file srv/dpkg/info/gone.list "/u\n"
file t
`, map[string]string{"/srv/dpkg/info/p.list": `file 0644 0:0 "/t\n"`, "/srv/dpkg/info/gone.list": "", "/var/lib": "symlink 0644 0:0 -> ../srv"}},
		{"the database's files are links", `
file srv/status ` + status + `
file srv/list "/t\n/u\n"
symlink var/lib/dpkg/status -> /srv/status
symlink var/lib/dpkg/info/p.list -> /srv/list
file t
file u
`, map[string]string{"/var/lib/dpkg/info/p.list": `file 0644 0:0 "/t\n"`, "/srv/list": "", "/srv/status": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := open(t, "\n-- layer --"+c.image)
			for _, mode := range []string{LayersPreserve, LayersSquash} {
				plan, out := slimmed(t, tree, opened("/t", "/srv/status", "/srv/list", "/srv/dpkg/info/gone.list"), Options{Layers: mode, Granularity: GranularityFile, Keep: []string{"/srv"}})
				got := dumpTree(t, out)
				for p, want := range c.want {
					if got[p] != want {
						t.Errorf("%s, %s is %q, want %q", mode, p, got[p], want)
					}
				}
				checkChains(t, plan)
				checkPartition(t, tree, plan)
			}
		})
	}
}

// Names from an image are bytes, and never act on a terminal.
func TestHostileNames(t *testing.T) {
	hostile := []string{"esc\x1b[2J", "new\nline", "bad\xff\xfe", "quote\"", "back\\slash", "nul\u200b", "tab\t", strings.Repeat("long", 60), ".wh", "...", " "}
	var image strings.Builder
	image.WriteString("\n-- layer --\nfile t\n")
	for _, n := range hostile {
		image.WriteString(fmt.Sprintf("file %q 0600 \"#!/no/\\x1b[31m such\\n\"\nfile %q 0755 \"#!/no/\\x1b[31m such\\n\"\n", "app/"+n, "run/"+n))
	}
	tree := open(t, image.String())
	var names []string
	for _, n := range hostile {
		names = append(names, "/app/"+n, "/run/"+n)
	}
	plan, out := slimmed(t, tree, opened(names...), Options{Drop: []string{"/run/tab?"}, Allow: allowable()})
	for _, n := range names {
		if want := !strings.HasPrefix(n, "/run/tab"); slices.Contains(paths(out), n) != want {
			t.Errorf("%q there: %v", n, !want)
		}
		x, err := plan.Why(n)
		if err != nil {
			t.Errorf("why %q: %v", n, err)
		}
		for _, s := range append([]string{x.Path}, chainText(x)...) {
			checkPrintable(t, s)
		}
	}
	for _, f := range plan.Findings {
		checkPrintable(t, f.Text)
		checkPrintable(t, f.Next)
	}
	for _, r := range plan.Risks {
		checkPrintable(t, r.Text)
	}
	for _, l := range plan.Layers {
		checkPrintable(t, l.CreatedBy)
	}
	if _, err := plan.Why("/no\x1b[0m"); !errors.Is(err, ErrNotInImage) {
		t.Errorf("%v", err)
	} else {
		checkPrintable(t, err.Error())
	}
}

func chainText(x Explanation) []string {
	var out []string
	for _, s := range x.Chain {
		out = append(out, s.Path)
	}
	return out
}

func checkPrintable(t *testing.T, s string) {
	t.Helper()
	if strings.ContainsAny(s, "\x1b\n\t") || strings.Contains(s, "\xff") {
		t.Errorf("raw bytes in text for people: %q", s)
	}
}

// A database may claim what it likes: pare writes to no place outside of it,
// and no package gets a file that is not there.
func TestHostileDatabase(t *testing.T) {
	stanza := func(name string) string {
		return "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"
	}
	for _, c := range []struct{ name, status, list, md5sums string }{
		{"a list that climbs", stanza("p"), "/../../../etc/shadow\n/t\n../t\nt\n\n//t\n/./t\n/t/..\n", "00  ../../../etc/shadow\n11  t\nbroken\n"},
		{"a list of everything", stanza("p"), "/\n/.\n/..\n/etc\n/dev\n/proc/1/environ\n/t\n", ""},
		{"hostile versions", "Package: p\nStatus: install ok installed\nArchitecture: amd64\nVersion: \x1b[2J\xff\n", "/t\n", ""},
		{"conffiles that climb", stanza("p") + "Conffiles:\n /../../x 00\n \x1b 11\n/t 22\n", "/t\n", ""},
		{"the same package many times", strings.Repeat(stanza("p")+"\n", 50), "/t\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := fmt.Sprintf("\n-- layer --\nfile t\nfile etc/shadow 0600\nfile var/lib/dpkg/status %q\nfile var/lib/dpkg/info/p.list %q\nfile var/lib/dpkg/info/p.md5sums %q\n", c.status, c.list, c.md5sums)
			plan, out := slimmed(t, open(t, image), opened("/t"), Options{Granularity: GranularityPackage, Drop: []string{"/etc/shadow"}})
			for _, f := range plan.Generated {
				if !strings.HasPrefix(f.Path, "/etc/") && !strings.HasPrefix(f.Path, "/var/lib/dpkg/") && f.Type != "directory" {
					t.Errorf("pare writes %q", f.Path)
				}
			}
			db, err := pkgdb.Read(out)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range db.Packages() {
				if p.Name != "p" {
					t.Errorf("package %q", p.Name)
				}
			}
		})
	}
	for _, name := range []string{"../../../etc/cron.d/x", "a/b", "", "a\x00b", ".", ".."} {
		image := fmt.Sprintf("\n-- layer --\nfile t\nfile var/lib/dpkg/status %q\n", stanza(name))
		tree := open(t, image)
		k, err := Select(t.Context(), tree, opened("/t"), Options{})
		if err != nil {
			continue // refused
		}
		plan, err := NewPlan(t.Context(), tree, opened("/t"), k, Options{})
		if err != nil {
			continue
		}
		for _, e := range plan.Entries {
			if strings.Contains(e.Path, "cron") || strings.Contains(e.Path, "\x00") {
				t.Errorf("package %q: %q", name, e.Path)
			}
		}
	}
}

// Nothing that comes from outside, a profile or a link, leads out of the root.
func TestNothingLeavesTheRoot(t *testing.T) {
	tree := open(t, `
-- layer --
file t "in"
symlink up -> ../../../../../../t
symlink abs -> /../../t
symlink loop -> loop/x
symlink long -> `+strings.Repeat("./", 200)+`t
`)
	plan, out := slimmed(t, tree, opened("/up", "/abs", "/loop", "/long", "/../../../t", "/../../../etc/passwd/.."), Options{Granularity: GranularityFile})
	for _, p := range []string{"/t", "/up", "/abs", "/loop", "/long"} {
		if !slices.Contains(paths(out), p) {
			t.Errorf("%s is not there", p)
		}
	}
	checkChains(t, plan)
	if got := content(t, out, "/t"); got != "in" {
		t.Errorf("/t: %q", got)
	}
}

// Links that take long to follow, very many of them, end in an error.
func TestLinksThatTakeLongToFollow(t *testing.T) {
	if testing.Short() {
		t.Skip("large input")
	}
	tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
		file("app/main", 0o755, nil)
		for i := range 38 {
			link(fmt.Sprintf("app/c%d", i), strings.Repeat("./", 250)+fmt.Sprintf("c%d", i+1))
		}
		link("app/c38", "main")
		for i := range 100_000 {
			link(fmt.Sprintf("app/l%d", i), "c0")
		}
	})
	start := time.Now()
	_, err := Select(t.Context(), tree, opened("/app/main"), Options{})
	if took := time.Since(start); !errors.Is(err, layers.ErrLimit) || took > 2*time.Minute {
		t.Errorf("after %v: %v", took, err)
	}
}

// One reason too many must not be what matters.
func TestManyReasons(t *testing.T) {
	var image strings.Builder
	image.WriteString(glibc)
	var names []string
	for i := range 40 {
		image.WriteString(program(fmt.Sprintf("opt/app/p%d", i), "libc.so.6"))
		names = append(names, fmt.Sprintf("/opt/app/p%d", i))
	}
	plan := planned(t, open(t, image.String()), opened(append(names, "/lib/x86_64-linux-gnu/libc.so.6")...), Options{Granularity: GranularityFile, Keep: []string{"libc.so.6"}})
	e, ok := plan.entry("/usr/lib/x86_64-linux-gnu/libc.so.6")
	if !ok || len(e.Reasons) > maxPlanReason {
		t.Fatalf("%+v", e)
	}
	rules := map[string]int{}
	for _, r := range e.Reasons {
		rules[r.Rule]++
	}
	if rules["keep"] != 1 || rules["access"] != 1 || rules["elf"] != maxPlanReason-2 {
		t.Errorf("reasons: %v", rules)
	}
	if d := cmp.Diff([]string(nil), findingLines(plan)); d != "" {
		t.Error(d)
	}
}

// Content that cannot be read any more is an error, not an empty file.
func TestBuildOfAClosedTree(t *testing.T) {
	tree := open(t, "\n-- layer --\nfile t \"x\"\n")
	plan := planned(t, tree, opened("/t"), Options{})
	tree.Close()
	if _, err := Build(t.Context(), tree, plan, t.TempDir()); !errors.Is(err, layers.ErrClosed) {
		t.Errorf("%v", err)
	}
}
