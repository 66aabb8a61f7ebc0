//go:build linux

package oracle

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
)

// stack is a random image such as docker and its like write them: what a
// container would see is not a matter of opinion. The forms on which runtimes
// differ are never generated; they are tests of package layers:
//   - entries or whiteouts below a symlink of a lower layer, or below a file;
//   - an unlisted directory where a whiteout or marker hides the lower one, or
//     in a setgid one (the kernel then hands down group and bit);
//   - hard links to files of lower layers, and before what they name;
//   - a path twice in a layer, an opaque root, character devices 0:0;
//   - empty xattr values (umoci drops them).
type stack struct {
	layers []layer
	// dirTimes says that umoci restores the times of all directories: not
	// where it makes unlisted ones or removes below listed ones.
	dirTimes bool
}

// layer is one layer's entries in the order of the tar.
type layer struct {
	entries     []testimage.Entry
	compression string
	markers     int // of the entries, how many are whiteouts and opaque markers
	via         int // how many, at the end, are named through a symlink of the layer
}

// abilities are what the generator may use of this machine.
type abilities struct {
	root  bool // owners, devices, unreadable directories, trusted.* and security.*
	xattr bool // user.*
}

func generate(seed uint64, can abilities) stack {
	g := &generator{rnd: rand.New(rand.NewPCG(seed, 0)), can: can, view: map[string]node{"/": {kind: tar.TypeDir}}}
	g.shuffled, g.sparse = g.chance(0.4), g.chance(0.3)
	s := stack{dirTimes: !g.shuffled && !g.sparse}
	for range 2 + g.rnd.IntN(5) {
		s.layers = append(s.layers, g.layer())
	}
	return s
}

// image puts the stack under a config.
func (s stack) image(t testing.TB) v1.Image {
	t.Helper()
	var ls []v1.Layer
	for _, l := range s.layers {
		made, err := testimage.Layer(l.entries, l.compression)
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, made)
	}
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, ls...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// forms counts what the stack is made of.
func (s stack) forms() map[string]int {
	n := map[string]int{}
	seen := map[string]byte{}
	for _, l := range s.layers {
		n["named through a symlink"] += l.via
		for _, e := range l.entries {
			base := path.Base(e.Name)
			switch {
			case base == ".wh..wh..opq":
				n["opaque marker"]++
				continue
			case strings.HasPrefix(base, ".wh."):
				n["whiteout"]++
				continue
			}
			n[kindNames[e.Typeflag]]++
			p := path.Clean("/" + e.Name)
			if old, ok := seen[p]; ok {
				n[fmt.Sprintf("%s over %s", kindNames[e.Typeflag], kindNames[old])]++
			}
			seen[p] = e.Typeflag
		}
	}
	return n
}

var kindNames = map[byte]string{
	tar.TypeReg: "file", tar.TypeDir: "directory", tar.TypeSymlink: "symlink", tar.TypeLink: "hard link",
	tar.TypeChar: "character device", tar.TypeBlock: "block device", tar.TypeFifo: "fifo",
}

func (s stack) String() string {
	var b strings.Builder
	for i, l := range s.layers {
		fmt.Fprintf(&b, "layer %d (%s)\n", i, l.compression)
		for _, e := range l.entries {
			fmt.Fprintf(&b, "  %c %q", e.Typeflag, e.Name)
			if e.Linkname != "" {
				fmt.Fprintf(&b, " -> %q", e.Linkname)
			}
			fmt.Fprintf(&b, " %04o %d:%d", e.Mode, e.Uid, e.Gid)
			for _, k := range slices.Sorted(maps.Keys(e.PAXRecords)) {
				fmt.Fprintf(&b, " %s=%q", k, e.PAXRecords[k])
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// generator knows what each layer's container sees, by type alone: enough to
// write only forms that mean something.
type generator struct {
	rnd *rand.Rand
	can abilities
	// shuffled layers are not sorted; sparse ones do not list every directory.
	shuffled, sparse bool

	view  map[string]node // as merged up to here, this layer included
	lower map[string]node // as it was before this layer

	items   map[string]*item // this layer's entries by their true path
	gone    map[string]bool  // whiteouts by what they hide
	opaque  map[string]bool
	absent  []string // whiteouts of nothing, by name
	groups  int
	counter int
}

type node struct {
	kind byte
	dir  string // the true path of the directory that a symlink leads to, "" else
}

// item is one entry that makes a node.
type item struct {
	path  string // where it truly is
	name  string // as it is written, when that goes through a symlink
	group int    // hard links of each other share one; 0 is none
	entry testimage.Entry
}

func (g *generator) chance(p float64) bool { return g.rnd.Float64() < p }

func pick[T any](g *generator, from []T) T { return from[g.rnd.IntN(len(from))] }

// where lists the paths of the view that match, sorted.
func (g *generator) where(match func(p string, n node) bool) []string {
	var out []string
	for p, n := range g.view {
		if match(p, n) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

func (g *generator) layer() layer {
	g.lower = maps.Clone(g.view)
	g.items, g.gone, g.opaque, g.absent = map[string]*item{}, map[string]bool{}, map[string]bool{}, nil
	for range g.rnd.IntN(25) {
		g.step()
	}
	if g.sparse {
		g.dropParents()
	}
	return g.emit()
}

func (g *generator) step() {
	switch n := g.rnd.IntN(100); {
	case n < 30:
		g.put(g.newPath(), tar.TypeReg)
	case n < 45:
		g.put(g.newPath(), tar.TypeDir)
	case n < 55:
		g.put(g.newPath(), tar.TypeSymlink)
	case n < 63:
		g.hardLink(g.newPath(), "")
	case n < 67:
		g.put(g.newPath(), pick(g, []byte{tar.TypeChar, tar.TypeBlock, tar.TypeFifo}))
	case n < 77:
		g.remove()
	case n < 83:
		g.makeOpaque()
	case n < 90:
		g.throughLink()
	case n < 92:
		g.absent = append(g.absent, g.absentName())
	case n < 97:
		g.put(pick(g, g.where(func(string, node) bool { return true })), tar.TypeDir)
	default:
		g.put(pick(g, g.where(func(string, node) bool { return true })), tar.TypeReg)
	}
}

// names are few, so that layers meet, and odd, so that their bytes matter.
var names = []string{
	"a", "b", "c", "d", "etc", "lib", "bin", "usr", "..foo", "...", ".wh", ".whx", "x.wh.y", "a b", "new\nline", "\x1b[31m",
	"caf\u00e9", "cafe\u0301", "latin-\xe9", "\xff\xfe", "-", "\\", strings.Repeat("n", 255), strings.Repeat("\u00e9", 127),
}

func (g *generator) newPath() string {
	dirs := g.where(func(p string, n node) bool { return n.kind == tar.TypeDir && strings.Count(p, "/") < 5 })
	return path.Join(pick(g, dirs), g.name())
}

func (g *generator) name() string {
	if g.chance(0.7) {
		return pick(g, names[:8])
	}
	return pick(g, names)
}

// absentName is a whiteout of something that no layer has.
func (g *generator) absentName() string {
	g.counter++
	name := fmt.Sprintf(".wh.absent-%d", g.counter)
	if g.chance(0.5) {
		return fmt.Sprintf("absent-%d/%s", g.counter, name)
	}
	return name
}

// below says that this layer says something of p's inside.
func (g *generator) below(p string) bool {
	for _, m := range []map[string]bool{g.gone, g.opaque} {
		for q := range m {
			if isBelow(q, p) {
				return true
			}
		}
	}
	for q, it := range g.items {
		if isBelow(q, p) || it.entry.Typeflag == tar.TypeSymlink && (g.view[q].dir == p || isBelow(g.view[q].dir, p)) {
			return true
		}
	}
	return g.opaque[p]
}

func isBelow(p, dir string) bool { return strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/") }

// canPut says that this layer may hold an entry of that kind at p.
func (g *generator) canPut(p string, kind byte) bool {
	if p == "/" || g.items[p] != nil || len(p) > 1500 || g.view[path.Dir(p)].kind != tar.TypeDir {
		return false
	}
	if !g.can.root && (kind == tar.TypeChar || kind == tar.TypeBlock) {
		return false
	}
	return kind == tar.TypeDir && g.view[p].kind == tar.TypeDir || !g.below(p)
}

func (g *generator) put(p string, kind byte) *item {
	if !g.canPut(p, kind) {
		return nil
	}
	if kind != tar.TypeDir || g.view[p].kind != tar.TypeDir {
		g.hide(p)
	}
	it := &item{path: p, entry: g.entry(kind)}
	n := node{kind: kind}
	if kind == tar.TypeSymlink {
		it.entry.Linkname, n.dir = g.linkText(p)
	}
	g.view[p], g.items[p] = n, it
	g.listParents(p)
	return it
}

// hide takes p and all below it out of the view.
func (g *generator) hide(p string) {
	for q := range g.view {
		if q == p || isBelow(q, p) {
			delete(g.view, q)
		}
	}
}

// listParents lists p's directories, as the layers of overlayfs do.
func (g *generator) listParents(p string) {
	for d := path.Dir(p); d != "/"; d = path.Dir(d) {
		if g.items[d] == nil {
			g.items[d] = &item{path: d, entry: g.entry(tar.TypeDir)}
		}
	}
}

// linkText is what a symlink at p says, and where that leads if to a
// directory that is reached without further links.
func (g *generator) linkText(p string) (text, dir string) {
	if g.chance(0.4) {
		return pick(g, []string{"nowhere", "../../../../../../x", "/abs//./x", ".", path.Base(p), "\xff", "./no/../such/", strings.Repeat("l", 200)}), ""
	}
	dir = pick(g, g.where(func(_ string, n node) bool { return n.kind == tar.TypeDir }))
	if g.chance(0.5) {
		return dir, dir
	}
	up := strings.Repeat("../", strings.Count(path.Dir(p), "/"))
	if path.Dir(p) == "/" {
		up = ""
	}
	return path.Clean(up + strings.TrimPrefix(dir, "/")), dir
}

// hardLink adds a name to something of this layer; written through a symlink
// when name says so.
func (g *generator) hardLink(p, name string) {
	var to []string
	for q, it := range g.items {
		if it.name == "" && it.entry.Typeflag != tar.TypeDir {
			to = append(to, q)
		}
	}
	if len(to) == 0 {
		return
	}
	slices.Sort(to)
	target := g.items[pick(g, to)]
	if target.path == p || isBelow(target.path, p) || !g.canPut(p, target.entry.Typeflag) {
		return
	}
	if target.group == 0 {
		g.groups++
		target.group = g.groups
	}
	g.hide(p)
	g.items[p] = &item{path: p, name: name, group: target.group, entry: target.entry}
	// A symlink leads elsewhere from another directory, so nobody goes
	// through its further names.
	g.view[p] = node{kind: target.entry.Typeflag}
	if name == "" {
		g.listParents(p)
	}
}

// remove whites something out, and sometimes puts something in its place.
func (g *generator) remove() {
	old := g.where(func(p string, _ node) bool {
		_, below := g.lower[p]
		return below && p != "/" && g.items[p] == nil && !g.gone[p] && !g.below(p)
	})
	if len(old) == 0 {
		return
	}
	p := pick(g, old)
	g.hide(p)
	g.gone[p] = true
	g.listParents(p)
	if g.chance(0.3) {
		g.put(p, pick(g, []byte{tar.TypeReg, tar.TypeDir, tar.TypeSymlink}))
	}
}

func (g *generator) makeOpaque() {
	dirs := g.where(func(p string, n node) bool {
		return n.kind == tar.TypeDir && p != "/" && g.lower[p].kind == tar.TypeDir && !g.gone[p] && !g.below(p)
	})
	if len(dirs) == 0 {
		return
	}
	d := pick(g, dirs)
	if g.items[d] == nil {
		g.items[d] = &item{path: d, entry: g.entry(tar.TypeDir)}
	}
	g.listParents(d)
	g.opaque[d] = true
	for q := range g.view {
		if isBelow(q, d) {
			delete(g.view, q)
		}
	}
}

// throughLink writes an entry whose name goes through a symlink of this layer.
func (g *generator) throughLink() {
	links := g.where(func(p string, n node) bool {
		return n.kind == tar.TypeSymlink && n.dir != "" && g.items[p] != nil && g.view[n.dir].kind == tar.TypeDir
	})
	if len(links) == 0 {
		return
	}
	link := pick(g, links)
	base := g.name()
	p := path.Join(g.view[link].dir, base)
	if g.gone[p] || p == link || isBelow(link, p) {
		return
	}
	written := path.Join(link, base)
	if g.chance(0.3) {
		g.hardLink(p, written)
		return
	}
	if !g.canPut(p, tar.TypeReg) {
		return
	}
	g.hide(p)
	g.view[p] = node{kind: tar.TypeReg}
	g.items[p] = &item{path: p, name: written, entry: g.entry(tar.TypeReg)}
}

// dropParents unlists directories that exist all the same: those of lower
// layers that nothing hides, and new ones with something in them.
func (g *generator) dropParents() {
	for _, d := range slices.Sorted(maps.Keys(g.items)) {
		if g.items[d].entry.Typeflag == tar.TypeDir && g.chance(0.5) && (g.stillThere(d) || g.impliedBy(d)) {
			delete(g.items, d)
		}
	}
}

func (g *generator) stillThere(d string) bool {
	if g.lower[d].kind != tar.TypeDir || g.gone[d] {
		return false
	}
	for p := path.Dir(d); p != "/"; p = path.Dir(p) {
		if g.gone[p] || g.opaque[p] || g.lower[p].kind != tar.TypeDir {
			return false
		}
	}
	return true
}

func (g *generator) impliedBy(d string) bool {
	if _, ok := g.lower[d]; ok {
		return false
	}
	for p, it := range g.items {
		if isBelow(p, d) && it.name == "" && it.entry.Typeflag != tar.TypeDir {
			return true
		}
	}
	return false
}

// entry has everything but a name.
func (g *generator) entry(kind byte) testimage.Entry {
	e := testimage.Entry{Header: tar.Header{Typeflag: kind, Format: tar.FormatPAX, ModTime: g.time()}}
	if g.can.root {
		e.Uid, e.Gid = pick(g, owners), pick(g, owners)
	}
	e.Mode = pick(g, []int64{0o644, 0o600, 0o755, 0o4755, 0o2755, 0o6711, 0, 0o444, 0o1666, 0o7777})
	switch kind {
	case tar.TypeDir:
		e.Mode = pick(g, []int64{0o755, 0o700, 0o1777, 0o2775, 0o555, 0o711, 0})
		if !g.can.root {
			e.Mode |= 0o700
		}
		if g.sparse {
			e.Mode &^= 0o2000
		}
	case tar.TypeReg:
		e.Body = g.body()
		if !g.can.root {
			e.Mode |= 0o600 // else its xattrs cannot be set either
		}
	case tar.TypeChar, tar.TypeBlock:
		e.Devmajor, e.Devminor = 1+g.rnd.Int64N(300), g.rnd.Int64N(70_000)
	}
	g.xattrs(&e)
	return e
}

// owners are ids of few bits and of many; 2^32-1 is chown's "leave as is".
var owners = []int{0, 0, 1, 1000, 65534, 2_097_152, 3_000_000, 1<<31 + 5, 1<<32 - 2}

// time is within what ext4 can store, with and without nanoseconds.
func (g *generator) time() time.Time {
	sec := g.rnd.Int64N(7_000_000_000) - 1_000_000_000
	if g.chance(0.2) {
		sec = pick(g, []int64{0, 1, -1, 1<<31 - 1, 1 << 31, 1 << 32})
	}
	if g.chance(0.5) {
		return time.Unix(sec, 0)
	}
	return time.Unix(sec, g.rnd.Int64N(1e9))
}

func (g *generator) body() []byte {
	size := g.rnd.IntN(2000)
	switch {
	case g.chance(0.15):
		size = 0
	case g.chance(0.03):
		size = 200_000
	}
	return bytes.Repeat(fmt.Appendf(nil, "%08x ", g.rnd.Uint32()), size/9+1)[:size]
}

func (g *generator) xattrs(e *testimage.Entry) {
	set := func(k, v string) {
		if e.PAXRecords == nil {
			e.PAXRecords = map[string]string{}
		}
		e.PAXRecords["SCHILY.xattr."+k] = v
	}
	// user.* is for files and directories only (xattr(7)).
	holds := e.Typeflag == tar.TypeReg || e.Typeflag == tar.TypeDir
	if g.can.xattr && holds && g.chance(0.2) {
		set("user."+pick(g, []string{"a", "b", "caf\u00e9"}), pick(g, []string{"text", "\x00\xff\n=\x00", strings.Repeat("v", 500)}))
	}
	if !g.can.root || !g.can.xattr {
		return
	}
	if e.Typeflag == tar.TypeReg && g.chance(0.1) {
		set("security.capability", capability(g.rnd.Uint32()))
	}
	if g.chance(0.05) {
		set("trusted.t", "x")
	}
}

// capability is a struct vfs_cap_data of revision 2 (linux/capability.h):
// effective, some permitted capabilities, none inheritable.
func capability(permitted uint32) string {
	b := make([]byte, 20)
	b[0], b[3] = 1, 2
	for i := range 4 {
		b[4+i] = byte(permitted >> (8 * i))
	}
	return string(b)
}
