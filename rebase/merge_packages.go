package rebase

import (
	"context"
	"fmt"
	"slices"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

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
