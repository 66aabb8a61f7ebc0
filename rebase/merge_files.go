package rebase

import (
	"context"
	"fmt"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

// keepPackageFiles wants the files of packages that stay as the image has
// them and that only the old base's layers, or an earlier repair, carried.
func (m *merger) keepPackageFiles(context.Context) error {
	for i := range m.packages.Packages {
		p := &m.packages.Packages[i]
		if p.From != pkgdb.SideApp || p.Owner == nil {
			continue
		}
		for _, name := range p.Owner.Paths() {
			v, ok := viewAt(m.app, name)
			if !ok || v.isDir() || v.entry.Layer >= m.seam && v.entry.Layer < m.top {
				continue
			}
			same, err := m.isThere(v, name)
			if err != nil {
				return err
			}
			if !same {
				m.wants[name] = copyOf(RepairPackageFiles, v, v.entry.Header)
			}
		}
	}
	return nil
}

// uncoverPackageFiles wants the new base's files of its packages where a marker
// hides them that was not meant for the base: that of a directory, or of a
// file, that the old base did not have. Docker marks every directory opaque that
// a layer makes.
func (m *merger) uncoverPackageFiles(context.Context) error {
	hides := hidersOf(m.app, m.seam)
	for i := range m.packages.Packages {
		p := &m.packages.Packages[i]
		if p.From != pkgdb.SideBase || p.Owner == nil {
			continue
		}
		for _, name := range p.Owner.Paths() {
			base, ok := viewAt(m.base, name)
			if !ok || base.isDir() {
				continue
			}
			if _, there := m.bare.Lookup(name); there {
				continue
			}
			marker, ok := hides(name)
			if !ok {
				continue
			}
			if _, meant := m.old.Lookup(marker.Path); !meant {
				m.wants[name] = copyOf(RepairPackageFiles, base, base.entry.Header)
			}
		}
	}
	return nil
}

// dropRemoved takes away what the new base brings of packages that the image
// had removed, and what is left of the image's of those that are the base's
// by choice.
func (m *merger) dropRemoved(context.Context) error {
	for i := range m.packages.Packages {
		p := &m.packages.Packages[i]
		if p.Gone != nil {
			m.dropFiles(p.Gone.Paths(), RepairRemovedPackage, func(name string) bool { _, has := m.app.Lookup(name); return has })
		}
		if m.options.holds(p.ID) && p.From == pkgdb.SideApp {
			m.dropHeld(p)
		}
		if p.Conflict && p.From == pkgdb.SideBase && p.Image != nil {
			m.dropFiles(p.Image.Paths(), RepairDropShadow, func(name string) bool { _, has := m.base.Lookup(name); return has })
		}
	}
	return nil
}

// dropHeld takes away what the new base has of a package that is held.
func (m *merger) dropHeld(p *pkgdb.MergedPackage) {
	for _, q := range m.baseDB.Packages() {
		if q.ID() == p.ID {
			m.dropFiles(q.Paths(), RepairPackageFiles, func(name string) bool { _, has := m.app.Lookup(name); return has })
		}
	}
}

func (m *merger) dropFiles(names []string, why string, stays func(string) bool) {
	for _, name := range names {
		if v, ok := viewAt(m.bare, name); ok && !v.isDir() && !m.kept[name] && !stays(name) {
			m.wants[name] = want{why: why, gone: true}
		}
	}
}

// dropLeft takes away the image's copies of what the new base's packages do not
// have any more, where the image changed owner or mode alone: bytes of which no
// database would tell. What is configuration stays, as dpkg leaves it.
func (m *merger) dropLeft(context.Context) error {
	for _, p := range m.appDB.Packages() {
		for _, name := range p.Paths() {
			left, err := m.isLeft(name)
			if err != nil {
				return fmt.Errorf("comparing %q: %w", name, err)
			}
			if left {
				m.wants[name] = want{why: RepairCopiedUp, gone: true}
			}
		}
	}
	return nil
}

// isLeft says whether an upper layer has a copy of the old base's file at
// name, and the merged packages do not have it.
func (m *merger) isLeft(name string) (bool, error) {
	have, ok := viewAt(m.bare, name)
	if !ok || have.isDir() || have.entry.Layer < m.newSeam || m.kept[name] || configuration(name) {
		return false, nil
	}
	if _, err := m.base.ResolveLink(name); err == nil {
		return false, nil
	}
	old, had := viewAt(m.old, name)
	app, is := viewAt(m.app, name)
	if !had || !is || old.isDir() || app.isDir() {
		return false, nil
	}
	return sameContent(app, old)
}

// mergeDirectories wants the new base's owner and mode of directories that an
// upper layer lists as they were: layers list every directory above a file.
func (m *merger) mergeDirectories(context.Context) error {
	for e := range m.bare.All() {
		if e.Layer < m.newSeam || e.Type != layers.Directory || e.Implied {
			continue
		}
		old, had := viewAt(m.old, e.Path)
		app, is := viewAt(m.app, e.Path)
		base, comes := viewAt(m.base, e.Path)
		if !had || !is || !comes || !old.isDir() || !app.isDir() || !base.isDir() {
			continue
		}
		if h := mergeMeta(&old.entry.Header, &app.entry.Header, &base.entry.Header); !sameMeta(&e.Header, &h) {
			m.wants[e.Path] = want{why: RepairCopiedUp, header: h}
		}
	}
	return nil
}
