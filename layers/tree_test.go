package layers

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
)

func TestResolve(t *testing.T) {
	tree := open(t, testimage.New(t, `
-- layer --
file usr/bin/dash 0755 "x"
symlink usr/bin/sh -> dash
symlink bin -> usr/bin
symlink abs -> /bin/sh
symlink up -> ../../../../usr/./bin/../bin/dash
symlink self -> self
symlink dead -> no/such
symlink slash -> usr/bin/
symlink fileslash -> usr/bin/dash/
symlink empty -> ""
dir usr/lib
`), Options{})
	for _, c := range []struct {
		path, final, missing string
		links                string
		err                  error
	}{
		{path: "/", final: "/"},
		{path: "/usr/bin/dash", final: "/usr/bin/dash"},
		{path: "/bin/sh", final: "/usr/bin/dash", links: "/bin /usr/bin/sh"},
		{path: "/abs", final: "/usr/bin/dash", links: "/abs /bin /usr/bin/sh"},
		{path: "/up", final: "/usr/bin/dash", links: "/up"},
		{path: "/../../bin/../lib", final: "/usr/lib", links: "/bin"},
		{path: "/slash", final: "/usr/bin", links: "/slash"},
		{path: "/self", links: strings.TrimSpace(strings.Repeat("/self ", 41)), err: syscall.ELOOP},
		{path: "/dead", missing: "/no", links: "/dead", err: fs.ErrNotExist},
		{path: "/bin/nope/x", missing: "/usr/bin/nope", links: "/bin", err: fs.ErrNotExist},
		{path: "/bin/dash/x", missing: "/usr/bin/dash/x", links: "/bin", err: syscall.ENOTDIR},
		{path: "/usr/bin/dash/..", missing: "/usr/bin", err: syscall.ENOTDIR},
	} {
		t.Run(c.path, func(t *testing.T) {
			res, err := tree.Resolve(c.path)
			var pe *fs.PathError
			if !errors.Is(err, c.err) || (err != nil && !errors.As(err, &pe)) {
				t.Errorf("err = %v, want %v", err, c.err)
			}
			final := ""
			if res.Entry != nil {
				final = res.Entry.Path
			}
			if final != c.final || res.Missing != c.missing || strings.Join(res.Links, " ") != c.links {
				t.Errorf("got %q, missing %q, links %q", final, res.Missing, res.Links)
			}
		})
	}
	if res, err := tree.ResolveLink("/bin/sh"); err != nil || res.Entry.Path != "/usr/bin/sh" || res.Links[0] != "/bin" {
		t.Errorf("ResolveLink = %v, %v", res, err)
	}
}

func TestLookupAndChildren(t *testing.T) {
	tree := open(t, testimage.New(t, "-- layer --\nfile a/b \"1\"\nfile a-b \"2\"\nfile a/a/c \"3\"\nsymlink l -> a\n"), Options{})
	for _, p := range []string{"", "a", "/a/", "/l/b", "/x", "/a/b/c", "//a"} {
		if e, ok := tree.Lookup(p); ok {
			t.Errorf("Lookup(%q) = %q", p, e.Path)
		}
	}
	var all, kids []string
	for e := range tree.All() {
		all = append(all, e.Path)
	}
	if !slices.IsSorted(all) || strings.Join(all, " ") != "/ /a /a-b /a/a /a/a/c /a/b /l" {
		t.Errorf("All: %q", all)
	}
	for _, e := range tree.Children("/a") {
		kids = append(kids, e.Path)
	}
	if strings.Join(kids, " ") != "/a/a /a/b" || tree.Children("/a-b") != nil || tree.Children("/no") != nil {
		t.Errorf("Children: %q", kids)
	}
}

func TestTouchedAndPaths(t *testing.T) {
	tree := open(t, testimage.New(t, `
-- layer --
file f "1"
file gone/f "1"
link g => f
-- layer --
file .wh.f
file .wh.gone
-- layer --
file f "2"
file gone/f "2"
-- layer --
file other "3"
dir gone 0700
`), Options{})
	got := map[string][]int{}
	for e := range tree.All() {
		got[e.Path] = e.Touched
	}
	want := map[string][]int{"/": nil, "/f": {0, 2}, "/g": {0}, "/gone": {3}, "/gone/f": {0, 2}, "/other": {3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	g, _ := tree.Lookup("/g")
	if diff := cmp.Diff([]string{"/g"}, g.Paths()); diff != "" {
		t.Error(diff)
	}
}

func TestDirAt(t *testing.T) {
	tree := open(t, testimage.New(t, `
-- layer --
file d/f "1"
dir e 0700
-- layer --
dir d 0711
-- layer --
file .wh.d
file e "now a file"
-- layer --
dir d 0750
dir n 0755
`), Options{})
	for _, c := range []struct {
		path  string
		modes string // by layer, "-" when no directory
	}{
		{"/", "755 755 755 755"},
		{"/d", "755 711 - 750"},
		{"/e", "700 700 - -"},
		{"/n", "- - - 755"},
		{"/d/f", "- - - -"},
	} {
		var got []string
		for layer := range 4 {
			h, ok := tree.DirAt(c.path, layer)
			if !ok {
				got = append(got, "-")
				continue
			}
			got = append(got, strings.TrimPrefix(fs.FileMode(h.Mode).Perm().String(), "-"))
		}
		want := strings.NewReplacer("755", "rwxr-xr-x", "711", "rwx--x--x", "700", "rwx------", "750", "rwxr-x---").Replace(c.modes)
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", c.path, s, want)
		}
	}
}

func TestMatchHistory(t *testing.T) {
	lines := []v1.History{{CreatedBy: "one"}, {CreatedBy: "env", EmptyLayer: true}, {CreatedBy: "two"}}
	got := matchHistory(lines, 2)
	if got[0].CreatedBy != "one" || got[1].CreatedBy != "two" {
		t.Errorf("got %v", got)
	}
	for _, n := range []int{1, 3} {
		for i, h := range matchHistory(lines, n) {
			if h != nil {
				t.Errorf("%d layers: layer %d got %v", n, i, h)
			}
		}
	}
}

// The io/fs view keeps to the rules of fstest.TestFS.
func TestFS(t *testing.T) {
	img := testimage.New(t, `
-- layer --
file etc/passwd "root:x:0:0\n"
file empty ""
file usr/bin/dash 04755 "x"
symlink usr/bin/sh -> dash
symlink bin -> usr/bin
symlink dead -> no/such
symlink self -> self
link etc/other => etc/passwd
dir tmp 01777
file "latin1-\xe9" "x"
file "with space\n" "x"
file "back\\slash" "x"
char dev/null 0666 0:0 1:3
-- layer --
file tmp/f "1"
`)
	tree := open(t, img, Options{})
	if err := fstest.TestFS(tree, "etc/passwd", "etc/other", "empty", "usr/bin/dash", "usr/bin/sh", "bin", "tmp/f", "dev/null"); err != nil {
		t.Error(err)
	}
	b, err := fs.ReadFile(tree, "bin/sh")
	if err != nil || string(b) != "x" {
		t.Errorf("ReadFile through links = %q, %v", b, err)
	}
	if info, err := tree.Stat("usr/bin/sh"); err != nil || info.Mode() != fs.ModeSetuid|0o755 {
		t.Errorf("Stat = %v, %v", info, err)
	}
	if s, err := tree.ReadLink("bin"); err != nil || s != "usr/bin" {
		t.Errorf("ReadLink = %q, %v", s, err)
	}
	if s, err := tree.ReadLink("dead"); err != nil || s != "no/such" {
		t.Errorf("ReadLink of a dangling link = %q, %v", s, err)
	}
	if _, err := tree.Open("dead"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of a dangling link: %v", err)
	}
	if _, err := tree.ReadLink("etc"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("ReadLink of a directory: %v", err)
	}
}
