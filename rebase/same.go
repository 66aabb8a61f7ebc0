package rebase

import (
	"bytes"
	"io"
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

// sameContent says whether two entries are of one type, and have the same
// content, link text or device number. Who owns them and when they were made
// does not matter.
func sameContent(a, b view) (bool, error) {
	x, y := &a.entry.Header, &b.entry.Header
	switch {
	case x.Type != y.Type || x.Size != y.Size || x.Linkname != y.Linkname || x.Major != y.Major || x.Minor != y.Minor:
		return false, nil
	case x.Type != layers.Regular || x.Size == 0:
		return true, nil
	}
	f, err := a.tree.OpenContent(a.entry.Inode)
	if err != nil {
		return false, err
	}
	defer f.Close()
	g, err := b.tree.OpenContent(b.entry.Inode)
	if err != nil {
		return false, err
	}
	defer g.Close()
	return sameBytes(f, g)
}

func sameBytes(f, g io.Reader) (bool, error) {
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(f, x)
		m, err2 := io.ReadFull(g, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return err2 == io.EOF || err2 == io.ErrUnexpectedEOF, nil
		}
		if err != nil || err2 != nil {
			return false, firstError(err, err2)
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
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
