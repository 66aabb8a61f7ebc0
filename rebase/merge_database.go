package rebase

import (
	"context"
	"fmt"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

// mergeDatabase wants the files of the merged database. An image that took the
// database away gets none.
func (m *merger) mergeDatabase(context.Context) error {
	if m.wiped {
		return nil
	}
	for i := range m.packages.Files {
		if err := m.placeDatabase(&m.packages.Files[i]); err != nil {
			return fmt.Errorf("merging package database: %q: %w", m.packages.Files[i].Path, err)
		}
	}
	return nil
}

func (m *merger) placeDatabase(file *pkgdb.MergedFile) error {
	p := m.realPath(file.Path)
	have, there := viewAt(m.bare, p)
	switch {
	case file.Gone:
		if there {
			m.wants[p] = want{why: RepairPackages, gone: true}
		}
		return nil
	case file.From != "":
		return m.wantFrom(RepairPackages, file.From, file.Path, p)
	case !there && (file.Part || len(file.Content) == 0):
		return nil
	}
	if there && have.entry.Type == layers.Regular {
		b, err := m.bare.ReadContent(have.entry.Inode, maxDatabase)
		if err != nil {
			return err
		}
		if string(b) == string(file.Content) || file.Same != nil && file.Same(b) {
			return nil
		}
	}
	m.wants[p] = contentOf(RepairPackages, file.Content, m.like(file.Path))
	return nil
}

// maxDatabase bounds a file of a package database.
const maxDatabase = 64 << 20

// like is the header that a merged file takes: the image's own, else the new
// base's.
func (m *merger) like(p string) layers.Header {
	for _, t := range []*layers.Tree{m.app, m.base} {
		if r, err := t.Resolve(p); err == nil && r.Entry.Type == layers.Regular {
			return r.Entry.Header
		}
	}
	return layers.Header{Type: layers.Regular, Mode: 0o644}
}

// wantFrom wants the file that the image or the new base has at p, unless it
// is there already.
func (m *merger) wantFrom(why string, from pkgdb.Side, p, at string) error {
	t := m.base
	if from == pkgdb.SideApp {
		t = m.app
	}
	r, err := t.Resolve(p)
	if err != nil {
		return nil //nolint:nilerr // not there after all
	}
	v := view{t, r.Entry}
	same, err := m.isThere(v, at)
	if err == nil && !same {
		m.wants[at] = copyOf(why, v, r.Entry.Header)
	}
	return err
}

// isThere says whether bare has at p what v is.
func (m *merger) isThere(v view, p string) (bool, error) {
	have, ok := viewAt(m.bare, p)
	if !ok || !sameMeta(&have.entry.Header, &v.entry.Header) {
		return false, nil
	}
	if v.tree == m.base && have.entry.Layer < m.newSeam {
		return true, nil // of the new base itself
	}
	return sameContent(have, v)
}
