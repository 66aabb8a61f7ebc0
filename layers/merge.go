package layers

import (
	"path"
	"slices"
	"strings"
)

// merger builds the merged tree, layer by layer. Each layer is applied in two
// steps: its whiteouts and opaque markers to what the lower layers left, then
// its entries. That is what layer.md says ("whiteout files MUST only apply to
// resources in lower/parent layers") and the only reading in which the order
// of a layer's entries does not matter.
type merger struct {
	limits   Limits
	root     *Entry
	live     int // entries in the tree
	steps    int // path components walked, against hostile symlinks
	layer    int
	arena    inodes
	entries  []Entry // chunk to hand out from
	touched  []int   // the one-element Touched of this layer
	ghosts   map[string][]int
	history  map[string][]dirVersion
	whited   map[string]bool // directories this layer's whiteouts removed
	warnings *warnings
	followed map[*Entry]bool // symlinks of this layer that entries went through
	lastName string          // what dirFor was last asked, and its answer
	lastDir  *Entry
}

// maxSteps bounds the work of walking paths in all layers.
const maxSteps = 200_000_000

func errSteps() error { return overLimit("the paths of this image take too many steps") }

func newMerger(l Limits) *merger {
	m := &merger{limits: l, ghosts: map[string][]int{}, history: map[string][]dirVersion{}, warnings: &warnings{}}
	m.root = m.newEntry("/", m.impliedInode())
	m.root.Implied = true
	return m
}

// apply merges one more layer on top.
func (m *merger) apply(layer int, idx *layerIndex) error {
	m.layer, m.touched, m.lastDir = layer, []int{layer}, nil
	m.whited, m.followed = map[string]bool{}, map[*Entry]bool{}
	m.warnings = &idx.warnings
	for _, r := range idx.records {
		switch r.kind {
		case recordWhiteout:
			m.whiteout(r.path)
		case recordOpaque:
			m.opaque(r.path)
		}
		if m.steps > maxSteps {
			return &entryError{path: r.path, err: errSteps()}
		}
	}
	for i := range idx.records {
		r := &idx.records[i]
		var err error
		switch r.kind {
		case recordEntry:
			err = m.put(r.path, r.node)
		case recordLink:
			err = m.link(r.path, idx.links[i])
		}
		if err != nil {
			return &entryError{path: r.path, err: err}
		}
		r.node = nil
	}
	return nil
}

// whiteout removes p as the lower layers have it. When a parent is no
// directory, p does not exist, and nothing happens.
func (m *merger) whiteout(p string) {
	parent := m.at(path.Dir(p))
	if parent == nil {
		return
	}
	e := parent.child(path.Base(p))
	if e == nil {
		return
	}
	if e.Type == Directory {
		m.whited[p] = true
	}
	m.remove(parent, e)
}

// opaque removes everything below p as the lower layers have it.
func (m *merger) opaque(p string) {
	if p == "/" {
		m.warn("opaque-root", p, "an opaque marker at the root hides all lower layers (some runtimes ignore it)")
	}
	e := m.at(p)
	if e == nil || e.dir == nil {
		return
	}
	for _, k := range e.dir.kids {
		m.remove(e, k)
	}
}

// put places a node at p; what was there goes, unless both are directories.
func (m *merger) put(p string, n *Inode) error {
	n.Layer = m.layer
	if p == "/" {
		m.replaceDir(m.root, n)
		return nil
	}
	parent, err := m.dirFor(path.Dir(p))
	if err != nil {
		return err
	}
	old := parent.child(path.Base(p))
	if old != nil && old.Type == Directory && n.Type == Directory {
		m.replaceDir(old, n)
		return nil
	}
	m.warnDuplicate(old)
	_, err = m.place(parent, p, n)
	return err
}

// link adds p as a further name of the node at target. The link's own header
// fields mean nothing: the node has one set of them.
func (m *merger) link(p, target string) error {
	if p == "/" {
		return invalid("it would replace the root")
	}
	clean, _, climbs := cleanName(target)
	if climbs {
		return invalid("hard link to %q, outside of the image", target)
	}
	res, err := resolve(m.root, clean, false, &m.steps)
	switch {
	case err != nil:
		return invalid("hard link to %q, which no earlier entry has", target)
	case res.Entry.Type == Directory:
		return invalid("hard link to the directory %q", target)
	}
	parent, err := m.dirFor(path.Dir(p))
	if err != nil {
		return err
	}
	if old := parent.child(path.Base(p)); old != nil {
		if old.Inode == res.Entry.Inode {
			m.touch(old)
			return nil
		}
		m.warnDuplicate(old)
	}
	n := res.Entry.Inode
	if n.Layer != m.layer {
		m.warn("link-to-lower-layer", p, "a hard link to %q of layer %d", res.Entry.Path, n.Layer)
	}
	_, err = m.place(parent, p, n)
	return err
}

// place puts a node into a directory under the last component of p.
func (m *merger) place(parent *Entry, p string, n *Inode) (*Entry, error) {
	name := path.Base(p)
	if old := parent.child(name); old != nil {
		m.remove(parent, old)
	}
	if m.live++; m.live > m.limits.Entries {
		return nil, overLimit("more than %d entries", m.limits.Entries)
	}
	full := p
	if path.Dir(p) != parent.Path { // a symlink was followed
		full = path.Join(parent.Path, name)
		if err := m.limits.checkPath("path", full); err != nil {
			return nil, err
		}
	}
	e := m.newEntry(full, n)
	e.Touched = m.ghosts[full]
	delete(m.ghosts, full)
	m.touch(e)
	if parent.dir.kids == nil {
		parent.dir.kids = map[string]*Entry{}
	}
	parent.dir.kids[e.Name()] = e
	if n.Type == Directory {
		m.noteDir(e)
	}
	return e, nil
}

// remove takes e and all below it out of the tree. Other names of a removed
// node keep it.
func (m *merger) remove(parent, e *Entry) {
	m.lastDir = nil
	delete(parent.dir.kids, e.Name())
	m.forget(e)
}

func (m *merger) forget(e *Entry) {
	m.live--
	if len(e.Touched) > 0 {
		m.ghosts[e.Path] = e.Touched
	}
	if e.dir == nil {
		return
	}
	m.noteGone(e)
	for _, k := range e.dir.kids {
		m.forget(k)
	}
}

func (m *merger) replaceDir(e *Entry, n *Inode) {
	m.noteReplaced(e, n)
	e.Inode, e.Implied = n, false
	m.touch(e)
}

func (m *merger) touch(e *Entry) {
	switch {
	case len(e.Touched) == 0:
		e.Touched = m.touched
	case e.Touched[len(e.Touched)-1] != m.layer:
		e.Touched = append(slices.Clip(e.Touched), m.layer)
	}
}

// at returns the entry at exactly p, nil when there is none.
func (m *merger) at(p string) *Entry {
	e := m.root
	for name := range strings.SplitSeq(p[1:], "/") {
		if name == "" {
			continue
		}
		m.steps++
		if e = e.child(name); e == nil {
			return nil
		}
	}
	return e
}

func (m *merger) newEntry(p string, n *Inode) *Entry {
	if len(m.entries) == 0 {
		m.entries = make([]Entry, 256)
	}
	e := &m.entries[0]
	m.entries = m.entries[1:]
	e.Path, e.Inode = p, n
	if n.Type == Directory {
		e.dir = &directory{}
	}
	return e
}

func (m *merger) impliedInode() *Inode {
	n := m.arena.new()
	n.Header = Header{Type: Directory, Mode: 0o755, ModTime: epoch}
	n.Layer = m.layer
	return n
}

func (m *merger) warn(name, p, format string, args ...any) {
	m.warnings.add(m.layer, name, p, format, args...)
}

func (m *merger) warnDuplicate(old *Entry) {
	if old != nil && !old.Implied && len(old.Touched) > 0 && old.Touched[len(old.Touched)-1] == m.layer {
		m.warn("duplicate-entry", old.Path, "listed more than once in the layer: the last counts")
	}
}
