package rebase

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

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

// mergePackages merges the package databases.
func (m *merger) mergePackages(context.Context) error {
	var dbs [3]*pkgdb.DB
	for i, t := range []*layers.Tree{m.old, m.app, m.base} {
		var err error
		if dbs[i], err = pkgdb.Read(t); err != nil {
			return err
		}
	}
	if m.wiped = len(dbs[0].Packages()) > 0 && len(dbs[1].Packages()) == 0; m.wiped {
		dbs[1] = dbs[0] // that is no wish to have the packages' files away too
	}
	m.appDB, m.baseDB = dbs[1], dbs[2]
	var err error
	m.packages, err = pkgdb.Merge(dbs[0], dbs[1], dbs[2], pkgdb.MergeOptions{Base: m.options.dropsShadow, App: m.options.holds})
	if err != nil {
		return fmt.Errorf("merging package databases: %w", err)
	}
	for _, p := range m.packages.Stay {
		m.stays[p] = true
		for _, name := range p.Paths() {
			m.kept[name] = true
		}
	}
	m.checkFormats(dbs[1], dbs[2])
	m.checkDistribution()
	m.checkAge()
	m.checkHeld()
	return nil
}

// checkDistribution compares the distributions where packages of both sides
// stay: scanners judge them all by one.
func (m *merger) checkDistribution() {
	own := slices.IndexFunc(m.packages.Packages, func(p pkgdb.MergedPackage) bool { return p.From == pkgdb.SideApp && p.Owner != nil })
	app, base := pkgdb.Distribution(m.app), pkgdb.Distribution(m.base)
	if own < 0 || len(m.baseDB.Packages()) == 0 || app == "" || base == "" || app == base {
		return
	}
	m.finding(Finding{
		Name: FindingDistribution, Severity: SeverityError,
		Text: fmt.Sprintf("the image's own package %s is of %q, and the new base is %q: scanners would look it up in the wrong place", m.packages.Packages[own].ID, app, base),
		Next: "build the image anew on this base, or, if scanners are told by other means, allow it with --allow " + FindingDistribution,
	})
}

// checkAge tells of a base that is older than the one that it replaces: a tag
// that went back, or a mirror that lags.
func (m *merger) checkAge() {
	var first *pkgdb.MergedPackage
	n := 0
	for i := range m.packages.Packages {
		p := &m.packages.Packages[i]
		if p.From != pkgdb.SideBase || p.Old == "" || p.Base == "" || pkgdb.CompareVersions(m.packages.Format, p.Base, p.Old) >= 0 {
			continue
		}
		if n++; n == 1 {
			first = p
		}
	}
	if n == 0 {
		return
	}
	m.finding(Finding{
		Name: FindingDowngrade, Severity: SeverityWarning,
		Text: fmt.Sprintf("of the packages of the new base %d are older than the old base's, %s first: %s becomes %s", n, first.ID, first.Old, first.Base),
		Next: "nothing, if the image is meant to go back",
	})
}

// checkHeld tells of packages that were to be held and that the image does not
// have.
func (m *merger) checkHeld() {
	for _, name := range m.options.Hold {
		if !slices.ContainsFunc(m.appDB.Packages(), func(p *pkgdb.Package) bool { return p.ID() == name || p.Name == name }) {
			m.finding(Finding{
				Name: FindingNotHeld, Severity: SeverityWarning,
				Text: fmt.Sprintf("the image has no package %s, so nothing of it is held", name),
				Next: "name a package as dpkg or apk names it, NAME or NAME:ARCHITECTURE",
			})
		}
	}
}

// checkFormats refuses databases that cannot be merged, where an upper layer
// carries one: it would hide the new base's, and be false.
func (m *merger) checkFormats(app, base *pkgdb.DB) {
	if app.Format != "" && base.Format != "" && app.Format != base.Format {
		m.finding(Finding{
			Name: FindingPackageDatabase, Severity: SeverityError,
			Text: fmt.Sprintf("the image's packages are in a database of %s, the new base's in one of %s: a base of another distribution", app.Format, base.Format),
			Next: "choose a base of the image's distribution, or build the image anew on this one",
		})
	}
	for _, p := range m.unmergeable(app) {
		e, ok := m.bare.Lookup(p)
		if !ok || e.Type != layers.Regular || e.Layer < m.newSeam {
			continue
		}
		m.finding(Finding{
			Name: FindingPackageDatabase, Severity: SeverityError, Path: p, Layer: m.layerOf(e),
			Text: "an upper layer carries this package database, which cannot be merged with the new base's: scanners would be told the old base's versions",
			Next: "build the image anew on this base",
		})
	}
}

// checkUnmet compares the relations of the merged set with those of the image
// as it is: what was not met before is not blamed on the move.
func (m *merger) checkUnmet(context.Context) error {
	before := map[string]bool{}
	key := func(u pkgdb.Unmet) string { return u.Package + " " + u.Kind + " " + u.Want }
	was, err := m.appDB.Unmet()
	if err != nil {
		return err
	}
	for _, u := range was {
		before[key(u)] = true
	}
	is, err := m.packages.Unmet()
	if err != nil {
		return err
	}
	for _, u := range is {
		if before[key(u)] {
			continue
		}
		text := fmt.Sprintf("%s: %s %s, which is not there", u.Package, u.Kind, u.Want)
		if u.Have != "" {
			text = fmt.Sprintf("%s: %s %s, and there is %s", u.Package, u.Kind, u.Want, u.Have)
		}
		m.finding(Finding{
			Name: FindingUnmet, Severity: SeverityError, Text: text,
			Next: "build the image anew on this base; or keep the image's version of what it needs with --hold PACKAGE; or, if it works all the same, allow it with --allow " + FindingUnmet,
		})
	}
	return nil
}

// unmergeable are the database's files of formats that are not merged.
func (m *merger) unmergeable(db *pkgdb.DB) []string {
	out := slices.Clone(db.Unsupported)
	if db.Format == "rpm" {
		out = append(out, db.DatabasePaths()...)
	}
	return out
}

// layerOf is the layer of app that brings an entry of bare.
func (m *merger) layerOf(e *layers.Entry) *int {
	n := e.Layer - m.newSeam + m.seam
	return &n
}

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

// realPath is p in bare with the symlinks of its directory followed.
func (m *merger) realPath(p string) string {
	if r, err := m.bare.Resolve(path.Dir(p)); err == nil && r.Entry.Type == layers.Directory {
		return path.Join(r.Entry.Path, path.Base(p))
	}
	return p
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
