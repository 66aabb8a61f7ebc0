package rebase

import (
	"maps"

	"github.com/pare-image/pare/layers"
)

// view is an entry of a tree.
type view struct {
	tree  *layers.Tree
	entry *layers.Entry
}

// viewAt is the entry at exactly p; false when there is none.
func viewAt(t *layers.Tree, p string) (view, bool) {
	e, ok := t.Lookup(p)
	return view{t, e}, ok
}

func (v view) isDir() bool { return v.entry.Type == layers.Directory }

// sameContent is [layers.Tree.SameContent].
func sameContent(a, b view) (bool, error) {
	return a.tree.SameContent(a.entry.Inode, b.tree, b.entry.Inode)
}

// sameMeta says whether owner, mode and attributes are the same.
func sameMeta(a, b *layers.Header) bool {
	return a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && maps.Equal(a.Xattrs, b.Xattrs)
}

// mergeMeta is the new base's header with what the image changed of owner,
// mode and attributes.
func mergeMeta(old, app, base *layers.Header) layers.Header {
	h := *base
	if app.Mode != old.Mode {
		h.Mode = app.Mode
	}
	if app.UID != old.UID || app.GID != old.GID {
		h.UID, h.GID = app.UID, app.GID
	}
	if !maps.Equal(app.Xattrs, old.Xattrs) {
		h.Xattrs = app.Xattrs
	}
	return h
}
