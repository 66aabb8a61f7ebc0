package layers

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
)

// model is the merged view in the most naive way: a map from every path to
// its node, searched from end to end for whatever is below something.
type model struct {
	nodes map[string]*modelNode
	layer int
}

type modelNode struct {
	kind  byte // tar type flag
	mode  int64
	body  string
	link  string
	layer int
}

var errModel = errors.New("the model refuses")

func newModel() *model {
	return &model{nodes: map[string]*modelNode{"/": {kind: tar.TypeDir, mode: 0o755}}}
}

func (m *model) removeBelow(p string) {
	for q := range m.nodes {
		if strings.HasPrefix(q, strings.TrimSuffix(p, "/")+"/") && q != "/" {
			delete(m.nodes, q)
		}
	}
}

// isDirPath says that every ancestor of p is a directory.
func (m *model) isDirPath(p string) bool {
	for d := path.Dir(p); ; d = path.Dir(d) {
		if n := m.nodes[d]; n == nil || n.kind != tar.TypeDir {
			return false
		}
		if d == "/" {
			return true
		}
	}
}

func (m *model) apply(layer int, entries []testimage.Entry) error {
	m.layer = layer
	for _, e := range entries {
		p := path.Clean("/" + e.Name)
		dir, base := path.Split(p)
		if hidden, ok := strings.CutPrefix(base, ".wh."); ok && m.isDirPath(p) {
			if base == ".wh..wh..opq" {
				m.removeBelow(path.Clean(dir))
				continue
			}
			m.removeBelow(dir + hidden)
			delete(m.nodes, dir+hidden)
		}
	}
	for _, e := range entries {
		p := path.Clean("/" + e.Name)
		if strings.HasPrefix(path.Base(p), ".wh.") {
			continue
		}
		if err := m.put(p, e); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) put(p string, e testimage.Entry) error {
	n := &modelNode{kind: e.Typeflag, mode: e.Mode, body: string(e.Body), link: e.Linkname, layer: m.layer}
	if e.Typeflag == tar.TypeLink {
		target, ok := m.walk(path.Clean("/"+e.Linkname), false, 0)
		if !ok || m.nodes[target] == nil || m.nodes[target].kind == tar.TypeDir {
			return errModel
		}
		n = m.nodes[target]
	}
	dir, ok := m.walk(path.Dir(p), true, 0)
	if !ok {
		return errModel
	}
	at := path.Join(dir, path.Base(p))
	if p == "/" {
		at = p
	}
	if old := m.nodes[at]; old != nil && !(old.kind == tar.TypeDir && n.kind == tar.TypeDir) {
		m.removeBelow(at)
	}
	m.nodes[at] = n
	return nil
}

// walk resolves p from the root, one component at a time. create is how
// entries find their directory: only this layer's links are followed, and
// what is no directory becomes one. Else all links but the last are followed.
func (m *model) walk(p string, create bool, depth int) (string, bool) {
	if depth > 60 {
		return "", false
	}
	cur := "/"
	parts := strings.Split(strings.Trim(p, "/"), "/")
	for i, c := range parts {
		if c == "" || c == "." {
			continue
		}
		if c == ".." {
			cur = path.Dir(cur)
			continue
		}
		next := path.Join(cur, c)
		n := m.nodes[next]
		last := i == len(parts)-1
		switch {
		case n != nil && n.kind == tar.TypeDir:
		case n != nil && n.kind == tar.TypeSymlink && create && n.layer == m.layer,
			n != nil && n.kind == tar.TypeSymlink && !create && !last:
			rest := n.link + "/" + strings.Join(parts[i+1:], "/")
			if !strings.HasPrefix(n.link, "/") {
				rest = strings.TrimSuffix(cur, "/") + "/" + rest
			}
			return m.walk(rest, create, depth+1)
		case create:
			m.removeBelow(next)
			m.nodes[next] = &modelNode{kind: tar.TypeDir, mode: 0o755, layer: m.layer}
		case n == nil || !last:
			return "", false
		}
		cur = next
	}
	return cur, true
}

// dump is the tree in the form of the test helper dump.
func (m *model) dump() map[string]string {
	out := map[string]string{}
	first := map[*modelNode]string{}
	for _, p := range slices.Sorted(maps.Keys(m.nodes)) {
		n := m.nodes[p]
		if p == "/" {
			continue
		}
		if other, ok := first[n]; ok {
			out[p] = "link " + other
			continue
		}
		first[n] = p
		switch n.kind {
		case tar.TypeDir:
			out[p] = fmt.Sprintf("dir %04o", n.mode)
		case tar.TypeReg:
			out[p] = fmt.Sprintf("file %04o %q", n.mode, n.body)
		case tar.TypeSymlink:
			out[p] = "symlink " + n.link
		}
	}
	return out
}

// stackFrom makes layers from bytes, three an entry: kind, path, argument.
func stackFrom(data []byte) [][]testimage.Entry {
	layers := [][]testimage.Entry{nil}
	names := []string{"a", "b", "c", "d"}
	pathOf := func(b byte) string {
		parts := []string{names[b&3]}
		if b&0x40 != 0 {
			parts = append(parts, names[b>>2&3])
			if b&0x80 != 0 {
				parts = append(parts, names[b>>4&3])
			}
		}
		return strings.Join(parts, "/")
	}
	for ; len(data) >= 3 && len(layers) < 6; data = data[3:] {
		p, e := pathOf(data[1]), testimage.Entry{}
		e.Mode = int64(data[2])
		switch data[0] % 16 {
		case 0:
			layers = append(layers, nil)
			continue
		case 1, 2, 3:
			e.Typeflag, e.Name = tar.TypeDir, p+"/"
		case 4, 5:
			e.Typeflag, e.Name, e.Linkname = tar.TypeSymlink, p, pathOf(data[2])
		case 6:
			e.Typeflag, e.Name, e.Linkname = tar.TypeSymlink, p, "/"+pathOf(data[2])
		case 7:
			e.Typeflag, e.Name, e.Linkname = tar.TypeSymlink, p, "../"+pathOf(data[2])
		case 8, 9:
			e.Typeflag, e.Name, e.Linkname = tar.TypeLink, p, pathOf(data[2])
		case 10, 11:
			e.Typeflag, e.Name = tar.TypeReg, path.Join(path.Dir(p), ".wh."+path.Base(p))
		case 12:
			e.Typeflag, e.Name = tar.TypeReg, p+"/.wh..wh..opq"
		default:
			e.Typeflag, e.Name, e.Body = tar.TypeReg, p, fmt.Appendf(nil, "%d.%d", len(layers), len(data))
		}
		layers[len(layers)-1] = append(layers[len(layers)-1], e)
	}
	return layers
}

func stackImage(t testing.TB, compression string, layers ...[]testimage.Entry) v1.Image {
	t.Helper()
	var ls []v1.Layer
	for _, entries := range layers {
		l, err := testimage.Layer(entries, compression)
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, l)
	}
	return imageOf(t, ls...)
}

// modelOf returns the model's tree of a stack; false when it refuses it.
func modelOf(layers [][]testimage.Entry) (map[string]string, bool) {
	m := newModel()
	for i, entries := range layers {
		if m.apply(i, entries) != nil {
			return nil, false
		}
	}
	return m.dump(), true
}

func checkModel(t *testing.T, layers [][]testimage.Entry) {
	t.Helper()
	want, ok := modelOf(layers)
	tree, err := Open(context.Background(), stackImage(t, "none", layers...), Options{Scratch: t.TempDir()})
	if !ok {
		if !errors.Is(err, ErrInvalid) {
			t.Fatalf("err = %v, the model refuses: %s", err, show(layers))
		}
		return
	}
	if err != nil {
		t.Fatalf("%v, the model accepts: %s", err, show(layers))
	}
	defer tree.Close()
	if diff := cmp.Diff(want, dump(t, tree)); diff != "" {
		t.Fatalf("(-model +tree):\n%s\n%s", diff, show(layers))
	}
}

func show(layers [][]testimage.Entry) string {
	var b strings.Builder
	for i, entries := range layers {
		for _, e := range entries {
			fmt.Fprintf(&b, "%d %c %s %s %o\n", i, e.Typeflag, e.Name, e.Linkname, e.Mode)
		}
	}
	return b.String()
}

func FuzzMerge(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		f.Add(randomBytes(rnd, 60))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkModel(t, stackFrom(data)) })
}

func randomBytes(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

// Many random stacks agree with the model, and most of them are not refused.
func TestMergeAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	accepted := 0
	for range 1500 {
		layers := stackFrom(randomBytes(rnd, 3*(1+rnd.IntN(20))))
		checkModel(t, layers)
		if _, ok := modelOf(layers); ok {
			accepted++
		}
	}
	if accepted < 500 {
		t.Errorf("only %d stacks accepted", accepted)
	}
}

// Changes to a stack that must not change the tree.
func TestMetamorphic(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	tried := 0
	for range 400 {
		layers := stackFrom(randomBytes(rnd, 36))
		want, ok := modelOf(layers)
		if !ok {
			continue
		}
		tried++
		for name, variant := range variants(t, rnd, layers, want) {
			if diff := cmp.Diff(want, dump(t, open(t, variant, Options{}))); diff != "" {
				t.Fatalf("%s (-want +got):\n%s\n%s", name, diff, show(layers))
			}
		}
	}
	if tried < 60 {
		t.Errorf("only %d stacks tried", tried)
	}
}

func variants(t *testing.T, rnd *rand.Rand, layers [][]testimage.Entry, tree map[string]string) map[string]v1.Image {
	prefix := func(pre string) [][]testimage.Entry {
		out := make([][]testimage.Entry, len(layers))
		for i, entries := range layers {
			for _, e := range entries {
				e.Name = pre + e.Name
				out[i] = append(out[i], e)
			}
		}
		return out
	}
	empty := slices.Insert(slices.Clone(layers), rnd.IntN(len(layers)+1), nil)
	whiteoutsLast := make([][]testimage.Entry, len(layers))
	for i, entries := range layers {
		whiteoutsLast[i] = slices.Clone(entries)
		slices.SortStableFunc(whiteoutsLast[i], func(a, b testimage.Entry) int {
			return strings.Count(a.Name, ".wh.") - strings.Count(b.Name, ".wh.")
		})
	}
	return map[string]v1.Image{
		"prefix ./":       stackImage(t, "none", prefix("./")...),
		"prefix /":        stackImage(t, "none", prefix("/")...),
		"gzip":            stackImage(t, "gzip", layers...),
		"zstd":            stackImage(t, "zstd", layers...),
		"empty layer":     stackImage(t, "none", empty...),
		"whiteouts last":  stackImage(t, "none", whiteoutsLast...),
		"one layer of it": flatten(t, tree),
	}
}

// flatten writes a dumped tree as an image of one layer.
func flatten(t *testing.T, tree map[string]string) v1.Image {
	t.Helper()
	var text strings.Builder
	text.WriteString("-- layer --\n")
	paths := slices.Sorted(maps.Keys(tree))
	for _, pass := range []bool{false, true} { // links after what they point at
		for _, p := range paths {
			kind, rest, _ := strings.Cut(tree[p], " ")
			if (kind == "link") != pass {
				continue
			}
			switch kind {
			case "link":
				fmt.Fprintf(&text, "link %s => %s\n", p, rest)
			case "symlink":
				fmt.Fprintf(&text, "symlink %s -> %s\n", p, rest)
			default:
				fmt.Fprintf(&text, "%s %s %s\n", kind, p, rest)
			}
		}
	}
	return testimage.New(t, text.String())
}

// One layer of plain entries split in two at any point is the same tree.
func TestSplitLayer(t *testing.T) {
	entries := parseLayer(t, `-- layer --
dir a 0700
file a/f "1"
dir a/b 0711
file a/b/g "2"
symlink s -> a
file h 0600 "3"
dir c
file c/i "4"
`)
	want := dump(t, open(t, stackImage(t, "none", entries), Options{}))
	for i := range entries {
		got := dump(t, open(t, stackImage(t, "none", entries[:i], entries[i:]), Options{}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("split at %d: %s", i, diff)
		}
	}
}

// The order of a layer's entries does not matter as long as parents come
// before children (and there are no links in it).
func TestEntryOrder(t *testing.T) {
	lower := parseLayer(t, "-- layer --\nfile a/old \"1\"\nfile b/old \"1\"\nfile c \"1\"\n")
	upper := parseLayer(t, "-- layer --\ndir a 0700\nfile a/.wh..wh..opq\nfile a/f \"1\"\ndir b\nfile b/.wh.old\nfile .wh.c\nfile c \"2\"\nfile b/g \"3\"\n")
	want := dump(t, open(t, stackImage(t, "none", lower, upper), Options{}))
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		rnd.Shuffle(len(upper), func(i, j int) { upper[i], upper[j] = upper[j], upper[i] })
		ordered := slices.Clone(upper)
		slices.SortStableFunc(ordered, func(a, b testimage.Entry) int {
			return boolInt(a.Typeflag != tar.TypeDir) - boolInt(b.Typeflag != tar.TypeDir)
		})
		if diff := cmp.Diff(want, dump(t, open(t, stackImage(t, "none", lower, ordered), Options{}))); diff != "" {
			t.Fatalf("%s\n%s", diff, show([][]testimage.Entry{ordered}))
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// parseLayer returns the entries of a test image of one layer.
func parseLayer(t *testing.T, archive string) []testimage.Entry {
	t.Helper()
	ls, err := testimage.New(t, archive).Layers()
	if err != nil {
		t.Fatal(err)
	}
	rc, err := ls[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	var entries []testimage.Entry
	for tr := tar.NewReader(rc); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, testimage.Entry{Header: *h, Body: body})
	}
}
