package onbase

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// Lookup is the entry at exactly p of the output, as far as it is seated: of
// the source, which says its path there, or of the base.
func (s *Seating) Lookup(p string) (e *layers.Entry, ofBase, ok bool) {
	n, ok := s.view.lookup(p)
	return n.Entry, n.tree == s.view.base, ok
}

// Resolve follows p in the output and returns where it leads.
func (s *Seating) Resolve(p string) (string, *layers.Entry, error) {
	at, n, err := s.view.resolve(p)
	return at, n.Entry, err
}

// Carry has the source's entry lie at p, whatever the base has there.
func (s *Seating) Carry(p string, e *layers.Entry, tree *layers.Tree) {
	s.view.put(p, node{e, tree})
	s.view.seal()
}

// ELF is the output as package elfdeps wants it.
func (s *Seating) ELF() elfdeps.SymbolTree { return elfView{s.view} }

// view is the tree of an image: the base, and entries of the source above it.
// Nothing above hides a directory of the base.
type view struct {
	base  *layers.Tree
	above map[string]node
	names map[string][]string // by directory: names above, sorted once sealed
	steps int                 // taken by resolving
	err   error               // more than maxSteps
}

// node is an entry and the tree that has its content.
type node struct {
	*layers.Entry
	tree *layers.Tree
}

func newView(base *layers.Tree) *view {
	return &view{base: base, above: map[string]node{}, names: map[string][]string{}}
}

// put lays an entry above the base at p, and directories above it.
func (v *view) put(p string, n node) {
	if _, have := v.above[p]; !have && p != "/" {
		dir := path.Dir(p)
		v.names[dir] = append(v.names[dir], path.Base(p))
	}
	v.above[p] = n
}

// seal makes what was put above readable in order.
func (v *view) seal() {
	for _, names := range v.names {
		slices.Sort(names)
	}
}

func (v *view) lookup(p string) (node, bool) {
	if n, ok := v.above[p]; ok {
		return n, true
	}
	e, ok := v.base.Lookup(p)
	return node{e, v.base}, ok
}

// Bounds of resolving: Linux's of symlinks in one path (path_resolution(7)),
// and of components in all, which only an image full of long links meets.
const (
	maxLinks = 40
	maxSteps = 200_000_000
)

// resolve follows p as the kernel does in a chroot and returns where it leads.
// The error is fs.ErrNotExist, ENOTDIR, ELOOP or a layers.ErrLimit.
func (v *view) resolve(p string) (string, node, error) {
	at, pending, links := "/", strings.Split(p, "/"), 0
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		if v.steps++; v.steps > maxSteps {
			v.err = fmt.Errorf("following symlinks: %w: those of this image on its base take over %d steps", layers.ErrLimit, maxSteps)
			return "", node{}, v.err
		}
		switch name {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		if dir, ok := v.lookup(at); ok && dir.Type != layers.Directory {
			return "", node{}, syscall.ENOTDIR
		}
		next := path.Join(at, name)
		n, ok := v.lookup(next)
		if !ok {
			return "", node{}, fs.ErrNotExist
		}
		if n.Type != layers.Symlink {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", node{}, syscall.ELOOP
		}
		if path.IsAbs(n.Linkname) {
			at = "/"
		}
		pending = append(strings.Split(n.Linkname, "/"), pending...)
	}
	n, ok := v.lookup(at)
	if !ok {
		return "", node{}, fs.ErrNotExist
	}
	return at, n, nil
}

// elfView is the view as package elfdeps wants it.
type elfView struct{ *view }

var _ elfdeps.SymbolTree = elfView{}

// maxConfig bounds a file of the loader's configuration.
const maxConfig = 1 << 20

func (v elfView) ResolveFile(p string) (string, bool) {
	final, n, err := v.resolve(p)
	return final, err == nil && n.Type == layers.Regular
}

func (v elfView) ELF(final string) *elfdeps.Info {
	n, ok := v.lookup(final)
	if !ok || n.Type != layers.Regular {
		return nil
	}
	return n.Sniff().ELF
}

func (v elfView) ReadFile(p string) []byte {
	_, n, err := v.resolve(p)
	if err != nil || n.Type != layers.Regular {
		return nil
	}
	b, err := n.tree.ReadContent(n.Inode, maxConfig)
	if err != nil {
		return nil
	}
	return b
}

func (v elfView) ReadDir(p string) []string {
	at, n, err := v.resolve(p)
	if err != nil || n.Type != layers.Directory {
		return nil
	}
	names := slices.Clone(v.names[at])
	for _, e := range v.base.Children(at) {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (v elfView) Symbols(final string) (*elfdeps.Symbols, error) {
	n, ok := v.lookup(final)
	if !ok || n.Type != layers.Regular {
		return nil, elfdeps.ErrNotELF
	}
	return layers.ELFTree{Tree: n.tree}.Symbols(n.Path)
}
