package layers

import (
	"path"
	"strings"
	"time"
)

// epoch is the mtime of directories that no layer lists.
var epoch = time.Unix(0, 0).UTC()

// dirFor returns the directory that entries named below dir go into, making
// what is missing. Where the name passes something that is no directory:
//   - a symlink of this same layer is followed, as an unpacker would that
//     writes the layer to a disk;
//   - a symlink of a lower layer is replaced by a directory, which is what a
//     container on overlayfs sees (the layer is unpacked on its own);
//   - any other file is replaced by a directory.
func (m *merger) dirFor(dir string) (*Entry, error) {
	if m.lastDir != nil && m.lastName == dir {
		return m.lastDir, nil
	}
	cur, hops := m.root, 0
	pending := strings.Split(dir[1:], "/")
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		if m.steps++; m.steps > maxSteps {
			return nil, errSteps()
		}
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			cur = m.at(path.Dir(cur.Path))
			continue
		}
		next, err := m.dirIn(cur, name)
		if err != nil {
			return nil, err
		}
		if next.Type == Directory {
			cur = next
			continue
		}
		if hops++; hops > maxLinks {
			return nil, invalid("its directory is a symlink in a loop")
		}
		if !m.followed[next] {
			m.followed[next] = true
			m.warn("link-followed", next.Path, "entries below this symlink of the same layer go where it points")
		}
		if strings.HasPrefix(next.Linkname, "/") {
			cur = m.root
		}
		pending = append(strings.Split(next.Linkname, "/"), pending...)
	}
	m.lastDir, m.lastName = cur, dir
	return cur, nil
}

// dirIn returns cur's child name as a directory, or as a symlink of this layer.
func (m *merger) dirIn(cur *Entry, name string) (*Entry, error) {
	e := cur.child(name)
	switch {
	case e == nil:
	case e.Type == Directory:
		return e, nil
	case e.Type == Symlink && e.Inode.Layer == m.layer:
		return e, nil
	case e.Type == Symlink:
		m.warn("link-replaced", e.Path, "a symlink of layer %d is replaced by a directory: this layer has entries below it", e.Inode.Layer)
	default:
		m.warn("file-replaced", e.Path, "a file is replaced by a directory: this layer has entries below it")
	}
	made, err := m.place(cur, path.Join(cur.Path, name), m.impliedInode())
	if err != nil {
		return nil, err
	}
	made.Implied = true
	made.Touched = made.Touched[:len(made.Touched)-1]
	return made, nil
}

// dirVersion is a directory's metadata from one layer on; nil when it is gone.
type dirVersion struct {
	layer int
	node  *Inode
}

// noteDir, noteReplaced and noteGone keep the versions of directories that
// had more than one. A directory without history has been as it is since its
// Inode's layer.
func (m *merger) noteDir(e *Entry) {
	if m.whited[e.Path] {
		m.warn("whiteout-and-entries", e.Path, "whited out and listed again in one layer: lower children stay hidden (some runtimes show them)")
		delete(m.whited, e.Path)
	}
	if h, ok := m.history[e.Path]; ok {
		m.history[e.Path] = appendVersion(h, dirVersion{m.layer, e.Inode})
	}
}

func (m *merger) noteReplaced(e *Entry, n *Inode) { m.version(e, dirVersion{m.layer, n}) }
func (m *merger) noteGone(e *Entry)               { m.version(e, dirVersion{m.layer, nil}) }

func (m *merger) version(e *Entry, v dirVersion) {
	h, ok := m.history[e.Path]
	if !ok {
		if e.Inode.Layer == v.layer && v.node != nil {
			return
		}
		h = []dirVersion{{e.Inode.Layer, e.Inode}}
	}
	m.history[e.Path] = appendVersion(h, v)
}

func appendVersion(h []dirVersion, v dirVersion) []dirVersion {
	if h[len(h)-1].layer == v.layer {
		h[len(h)-1] = v
		return h
	}
	return append(h, v)
}

// DirAt returns the metadata of the directory path in the merged view of
// layers 0..layer; false when it is no directory there.
func (t *Tree) DirAt(path string, layer int) (Header, bool) {
	if h, ok := t.history[path]; ok {
		for i := len(h) - 1; i >= 0; i-- {
			if h[i].layer <= layer {
				if h[i].node == nil {
					return Header{}, false
				}
				return h[i].node.Header, true
			}
		}
		return Header{}, false
	}
	e, ok := t.Lookup(path)
	if !ok || e.Type != Directory || e.Inode.Layer > layer {
		return Header{}, false
	}
	return e.Header, true
}
