package pkgdb

import (
	"path"
	"sync"

	"github.com/pare-image/pare/layers"
)

// names finds what the lists of packages name. Each directory is looked up
// once: lists name many files of few, and a hostile image can make the way to
// one long.
type names struct {
	tree *layers.Tree
	mu   sync.Mutex
	dirs map[string]place
}

// place is a directory and the symlinks on the way to it; nil for none.
type place struct {
	dir   *layers.Entry
	links []string
}

// find returns the entry that name means, which may be a symlink itself, and
// the symlinks passed on the way; nil when there is none.
func (n *names) find(name string) (*layers.Entry, []string) {
	dir, base := path.Split(path.Clean(name))
	at := n.place(dir)
	if at.dir == nil {
		return nil, nil
	}
	e, ok := n.tree.Lookup(path.Join(at.dir.Path, base))
	if !ok {
		return nil, nil
	}
	return e, at.links
}

func (n *names) place(dir string) place {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at, ok := n.dirs[dir]; ok {
		return at
	}
	var at place
	if r, err := n.tree.Resolve(dir); err == nil && r.Entry.Type == layers.Directory {
		at = place{r.Entry, r.Links}
	}
	if n.dirs == nil {
		n.dirs = map[string]place{}
	}
	n.dirs[dir] = at
	return at
}
