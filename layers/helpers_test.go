package layers

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
)

// open opens img in a scratch directory of its own.
func open(t testing.TB, img v1.Image, o Options) *Tree {
	t.Helper()
	if o.Scratch == "" {
		o.Scratch = t.TempDir()
	}
	tree, err := Open(context.Background(), img, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// dump shows a tree as one line a path, without its root when that is implied:
//
//	"/etc": "dir 0755", "/etc/f": `file 0644 "text"`, "/x": "link /etc/f"
func dump(t testing.TB, tree *Tree) map[string]string {
	t.Helper()
	out := map[string]string{}
	for e := range tree.All() {
		if e.Path == "/" && e.Implied {
			continue
		}
		out[e.Path] = describe(t, tree, e)
	}
	return out
}

func describe(t testing.TB, tree *Tree, e *Entry) string {
	t.Helper()
	h := &e.Header
	if first := e.Paths()[0]; first != e.Path {
		return "link " + first
	}
	s := ""
	switch h.Type {
	case Regular:
		s = fmt.Sprintf("file %04o %q", h.Mode, content(t, tree, e.Inode))
	case Directory:
		s = fmt.Sprintf("dir %04o", h.Mode)
	case Symlink:
		s = "symlink " + h.Linkname
	case CharDevice:
		s = fmt.Sprintf("char %04o %d:%d", h.Mode, h.Major, h.Minor)
	case BlockDevice:
		s = fmt.Sprintf("block %04o %d:%d", h.Mode, h.Major, h.Minor)
	case FIFO:
		s = fmt.Sprintf("fifo %04o", h.Mode)
	}
	if h.UID != 0 || h.GID != 0 {
		s += fmt.Sprintf(" %d:%d", h.UID, h.GID)
	}
	for _, k := range slices.Sorted(maps.Keys(h.Xattrs)) {
		s += fmt.Sprintf(" %s=%q", k, h.Xattrs[k])
	}
	return s
}

func content(t testing.TB, tree *Tree, n *Inode) string {
	t.Helper()
	r, err := tree.OpenContent(n)
	if err != nil {
		t.Fatalf("OpenContent(%q): %v", n.Paths(), err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("reading %q: %v", n.Paths(), err)
	}
	return string(b)
}

// warningNames lists "layer path name" of all warnings.
func warningNames(tree *Tree) []string {
	var out []string
	for _, w := range tree.Warnings() {
		out = append(out, fmt.Sprintf("%d %s %s", w.Layer, w.Path, w.Name))
	}
	return out
}

// want parses "path: description" lines.
func want(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if p, d, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			out[p] = d
		}
	}
	return out
}

// rawImage puts the given tars, each with its compression, under a config.
func rawImage(t testing.TB, compression string, tars ...[]byte) v1.Image {
	t.Helper()
	var ls []v1.Layer
	for _, raw := range tars {
		l, err := testimage.RawLayer(raw, compression)
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, l)
	}
	return imageOf(t, ls...)
}

func imageOf(t testing.TB, ls ...v1.Layer) v1.Image {
	t.Helper()
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, ls...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}
