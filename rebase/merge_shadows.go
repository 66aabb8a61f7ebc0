package rebase

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/accounts"
)

// findShadows looks at every file of an upper layer that the new base has too.
func (m *merger) findShadows(ctx context.Context) error {
	skip := map[string]bool{m.realPath(ldCache): true}
	for _, a := range accounts.Files {
		skip[m.realPath(a.Path)] = true
	}
	for _, p := range slices.Concat(m.appDB.DatabasePaths(), m.baseDB.DatabasePaths()) {
		skip[p] = true
	}
	if err := m.prefetch(ctx, skip); err != nil {
		return err
	}
	for e := range m.bare.All() {
		if e.Layer < m.newSeam || e.Type == layers.Directory || skip[e.Path] || isDatabase(e.Path) {
			continue
		}
		if _, decided := m.wants[e.Path]; decided {
			continue
		}
		if base, ok := viewAt(m.base, e.Path); ok && !base.isDir() {
			if err := m.compare(view{m.bare, e}, base); err != nil {
				return fmt.Errorf("comparing %q: %w", e.Path, err)
			}
		}
	}
	return nil
}

// prefetch has the contents at hand that findShadows will compare, with one
// more read of a layer at most.
func (m *merger) prefetch(ctx context.Context, skip map[string]bool) error {
	nodes := map[*layers.Tree][]*layers.Inode{}
	for e := range m.bare.All() {
		if e.Layer < m.newSeam || e.Type != layers.Regular || skip[e.Path] {
			continue
		}
		base, ok := m.base.Lookup(e.Path)
		if !ok || base.Type != layers.Regular {
			continue
		}
		for _, t := range []*layers.Tree{m.old, m.app, m.bare, m.base} {
			if same, ok := t.Lookup(e.Path); ok && same.Type == layers.Regular && same.Size > 0 && m.alike(e.Path, same) {
				nodes[t] = append(nodes[t], same.Inode)
			}
		}
	}
	for _, t := range []*layers.Tree{m.old, m.app, m.bare, m.base} {
		if err := t.Prefetch(ctx, nodes[t]); err != nil {
			return err
		}
	}
	return nil
}

// alike says whether another tree has a file of e's size at p: only then are
// contents compared.
func (m *merger) alike(p string, e *layers.Entry) bool {
	n := 0
	for _, t := range []*layers.Tree{m.old, m.app, m.bare, m.base} {
		if x, ok := t.Lookup(p); ok && x.Type == layers.Regular && x.Size == e.Size {
			n++
		}
	}
	return n > 1
}

// compare decides about a path that both an upper layer and the new base have.
func (m *merger) compare(have, base view) error {
	p := have.entry.Path
	old, had := viewAt(m.old, p)
	app, is := viewAt(m.app, p)
	if had && is && !old.isDir() && !app.isDir() {
		untouched, err := sameContent(app, old)
		if err != nil {
			return err
		}
		if untouched {
			return m.copyUp(have, old, app, base)
		}
	}
	if had {
		if same, err := sameContent(old, base); err != nil || same {
			return err // the new base changed nothing here
		}
	}
	if same, err := sameContent(have, base); err != nil || same {
		return err
	}
	if m.baseWins(p) {
		m.wants[p] = copyOf(RepairDropShadow, base, base.entry.Header)
		return nil
	}
	m.shadows = append(m.shadows, shadow{p, *m.layerOf(have.entry)})
	return nil
}

// copyUp wants the new base's content with the image's changes of owner and
// mode: the image changed nothing else.
func (m *merger) copyUp(have, old, app, base view) error {
	h := mergeMeta(&old.entry.Header, &app.entry.Header, &base.entry.Header)
	if sameMeta(&have.entry.Header, &h) {
		if same, err := sameContent(have, base); err != nil || same {
			return err
		}
	}
	m.wants[have.entry.Path] = copyOf(RepairCopiedUp, base, h)
	return nil
}

// baseWins says whether the new base's copy takes the place of the image's:
// where that is asked for, of packages whose record is the new base's, and
// never configuration.
func (m *merger) baseWins(p string) bool {
	if !m.options.DropShadow || strings.HasPrefix(p, "/etc/") {
		return false
	}
	owner, ok := m.baseDB.Owner(p)
	return ok && m.stays[owner]
}
