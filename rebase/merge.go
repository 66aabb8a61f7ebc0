package rebase

import (
	"context"
	"fmt"
	"path"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/accounts"
	"github.com/pare-image/pare/layers/pkgdb"
)

// maxMerged bounds a file that is merged by its lines.
const maxMerged = 16 << 20

// merger finds what the result lacks to be true: it compares old base, image
// and new base with bare, which is the image's upper layers on the new base.
type merger struct {
	options        Options
	old, app, base *layers.Tree
	bare           *layers.Tree
	newSeam        int // layers of the new base
	seam, top      int // layers of the old base in app; the first that is no upper layer of its
	packages       *pkgdb.Merged
	baseDB, appDB  *pkgdb.DB
	wiped          bool                    // the image took the whole database away
	kept           map[string]bool         // paths of packages that stay
	stays          map[*pkgdb.Package]bool // of any side
	wants          wants
	findings       []Finding
	shadows        []shadow
}

// shadow is a change of the new base that an upper layer hides.
type shadow struct {
	path  string
	layer int // of app; -1 when it is not known
}

func (m *merger) finding(f Finding) {
	f.Path = utf8Path(f.Path)
	m.findings = append(m.findings, f)
}

// run decides all repairs.
func (m *merger) run(ctx context.Context) error {
	m.wants, m.kept, m.stays = wants{}, map[string]bool{}, map[*pkgdb.Package]bool{}
	for _, step := range []func(context.Context) error{
		m.mergePackages, m.checkUnmet, m.mergeDatabase, m.keepPackageFiles, m.uncoverPackageFiles, m.dropRemoved, m.dropLeft, m.mergeAccounts,
		m.mergeDirectories, m.findShadows,
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// layerOf is the layer of app that brings an entry of bare.
func (m *merger) layerOf(e *layers.Entry) *int {
	n := e.Layer - m.newSeam + m.seam
	return &n
}

// realPath is p in bare with the symlinks of its directory followed.
func (m *merger) realPath(p string) string {
	if r, err := m.bare.Resolve(path.Dir(p)); err == nil && r.Entry.Type == layers.Directory {
		return path.Join(r.Entry.Path, path.Base(p))
	}
	return p
}

// mergeAccounts merges passwd and its like where an upper layer carries them.
func (m *merger) mergeAccounts(context.Context) error {
	for _, file := range accounts.Files {
		at := m.realPath(file.Path)
		have, ok := viewAt(m.bare, at)
		if !ok || have.entry.Type != layers.Regular || have.entry.Layer < m.newSeam {
			continue
		}
		if _, err := m.base.Resolve(file.Path); err != nil {
			continue // nothing to merge with
		}
		var contents [4][]byte
		for i, t := range []*layers.Tree{m.old, m.app, m.base, m.bare} {
			var err error
			if contents[i], err = readMerged(t, file.Path); err != nil {
				return err
			}
		}
		merged, conflicts := file.Merge(contents[0], contents[1], contents[2])
		for _, c := range conflicts {
			m.finding(Finding{
				Name: FindingAccounts, Severity: SeverityError, Path: file.Path, Layer: m.layerOf(have.entry), Text: c,
				Next: "give the image's account another number when it is built, or, if that is meant, allow it with --allow " + FindingAccounts,
			})
		}
		if !sameLines(merged, contents[3]) {
			m.wants[at] = contentOf(RepairAccounts, merged, have.entry.Header)
		}
	}
	return nil
}

// readMerged is the content of a file of lines; nil when there is none.
func readMerged(t *layers.Tree, p string) ([]byte, error) {
	r, err := t.Resolve(p)
	if err != nil || r.Entry.Type != layers.Regular {
		return nil, nil //nolint:nilerr // absent is no error
	}
	b, err := t.ReadContent(r.Entry.Inode, maxMerged)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", p, err)
	}
	return b, nil
}
