package rebase

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

// Outcomes of what the new base changed.
const (
	Delivered = "delivered" // the result has the new base's
	Shadowed  = "shadowed"  // an upper layer has its own
	Newer     = "newer"     // the image has a later version, or the same
	Removed   = "removed"   // the image does not have it, by its own choice
)

// PackageChange is a package that the new base has at another version than
// the old one, or one of the two has alone.
type PackageChange struct {
	Name string `json:"name"`
	// Source is the source package.
	Source string `json:"source,omitempty"`
	Old    string `json:"old,omitempty"` // version in the old base
	New    string `json:"new,omitempty"` // in the new base
	// App and Result are the versions in the image as it is, and as it becomes.
	App     string `json:"app,omitempty"`
	Result  string `json:"result,omitempty"`
	Outcome string `json:"outcome"`
	// Layer and Path are of a file that shadows it.
	Layer *int   `json:"layer,omitempty"`
	Path  string `json:"path,omitempty"`
}

// FileChange is a file of the new base that an upper layer hides.
type FileChange struct {
	Path    string `json:"path"` // quoted when not UTF-8
	Package string `json:"package,omitempty"`
	Outcome string `json:"outcome"` // always Shadowed
	Layer   *int   `json:"layer,omitempty"`
}

// report fills in what the plan says, with the findings of the checks.
func (m *move) report(found []Finding) {
	byPackage := m.reportFiles()
	for i := range m.merger.packages.Packages {
		p := &m.merger.packages.Packages[i]
		if c, ok := m.packageChange(p, byPackage); ok {
			m.out.Packages = append(m.out.Packages, c)
		}
	}
	m.reportShadows()
	m.requireFixes()
	all := slices.Concat(m.merger.findings, found)
	m.out.Findings = append(m.out.Findings, sortFindings(all, m.options.Allow)...)
}

// reportFiles lists shadowed files and returns the first of each package.
func (m *move) reportFiles() map[*pkgdb.Package]shadow {
	first := map[*pkgdb.Package]shadow{}
	slices.SortFunc(m.merger.shadows, func(a, b shadow) int { return cmp.Compare(a.path, b.path) })
	for _, s := range m.merger.shadows {
		c := FileChange{Path: utf8Path(s.path), Outcome: Shadowed, Layer: &s.layer}
		if owner, ok := m.merger.baseDB.Owner(s.path); ok {
			c.Package = owner.ID()
			if was, seen := first[owner]; !seen || configuration(was.path) && !configuration(s.path) {
				first[owner] = s
			}
		}
		m.out.Files = append(m.out.Files, c)
	}
	return first
}

// configuration is what images change on purpose.
func configuration(p string) bool { return strings.HasPrefix(p, "/etc/") }

// state is what programs write as they run and as images are built: logs,
// caches, homes.
func state(p string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	return slices.Contains([]string{"dev", "home", "root", "run", "tmp", "var"}, first)
}

// packageChange says what becomes of a package that the new base changed.
func (m *move) packageChange(p *pkgdb.MergedPackage, shadows map[*pkgdb.Package]shadow) (PackageChange, bool) {
	if p.Old == p.Base {
		return PackageChange{}, false
	}
	c := PackageChange{Name: p.ID, Old: p.Old, New: p.Base, App: p.App}
	for _, q := range []*pkgdb.Package{p.Owner, p.Image, p.Gone} {
		if q != nil && c.Source == "" {
			c.Source = q.Source
		}
	}
	if p.Owner != nil {
		c.Result = p.Owner.Version
	}
	hidden, shadowed := m.shadowOf(p, shadows)
	switch {
	case p.From == pkgdb.SideBase && !shadowed:
		c.Outcome = Delivered
	case p.From == pkgdb.SideBase:
		c.Outcome = Shadowed
	case p.From == "" && p.Gone != nil:
		c.Outcome = Removed
	case p.From == "":
		c.Outcome = Delivered // that it is gone
	case p.Owner == nil:
		c.Outcome = Removed // only its configuration is left
	case p.Base == "" || pkgdb.CompareVersions(m.merger.packages.Format, p.App, p.Base) >= 0:
		c.Outcome = Newer
	default:
		c.Outcome = Shadowed
	}
	if c.Outcome == Shadowed && shadowed {
		c.Layer, c.Path = &hidden.layer, utf8Path(hidden.path)
	}
	return c, true
}

// shadowOf is a file of the package, as the new base has it, that is hidden
// by one that an upper layer brings. Configuration alone does not count: to
// change it is what it is for.
func (m *move) shadowOf(p *pkgdb.MergedPackage, shadows map[*pkgdb.Package]shadow) (shadow, bool) {
	if p.From == pkgdb.SideBase {
		s, ok := shadows[p.Owner]
		return s, ok && !configuration(s.path)
	}
	if p.Owner == nil {
		return shadow{}, false
	}
	for _, name := range p.Owner.Paths() {
		if e, ok := m.bare.Lookup(name); ok && e.Type != layers.Directory && e.Layer >= m.scene.newSeam && !configuration(name) {
			return shadow{name, *m.merger.layerOf(e)}, true
		}
	}
	return shadow{}, false
}

// reportShadows makes findings of what does not arrive.
func (m *move) reportShadows() {
	named := map[string]bool{}
	for _, c := range m.out.Packages {
		if c.Outcome != Shadowed {
			continue
		}
		named[c.Name] = true
		text := fmt.Sprintf("%s %s of the new base does not arrive: the image has %s", c.Name, c.New, c.App)
		if c.App == c.Old || c.App == "" {
			text = fmt.Sprintf("%s %s of the new base does not arrive whole: the image has a file of its own", c.Name, c.New)
		}
		m.merger.findings = append(m.merger.findings, Finding{
			Name: FindingShadowed, Severity: SeverityWarning, Path: c.Path, Layer: c.Layer, Text: text,
			Next: "build the image anew on this base, or let the base's win with --drop-shadow",
		})
	}
	for _, c := range m.out.Files {
		if named[c.Package] || c.Package == "" && state(c.Path) || configuration(c.Path) {
			continue
		}
		m.merger.findings = append(m.merger.findings, Finding{
			Name: FindingShadowed, Severity: SeverityWarning, Path: c.Path, Layer: c.Layer,
			Text: "the new base changed this file, and an upper layer has its own",
			Next: "nothing, if the image's own is meant",
		})
	}
}

// requireFixes makes an error of each required package that does not arrive.
func (m *move) requireFixes() {
	for _, name := range m.options.RequireFix {
		if text := m.missing(name); text != "" {
			m.merger.findings = append(m.merger.findings, Finding{
				Name: FindingFixMissing, Severity: SeverityError, Text: text,
				Next: "build the image anew on this base, or try --drop-shadow",
			})
		}
	}
}

// missing says why the fix of a package does not arrive; "" when it does, or
// is there already.
func (m *move) missing(name string) string {
	var late []string
	known := false
	for i := range m.merger.packages.Packages {
		p := &m.merger.packages.Packages[i]
		if p.Base == "" || !m.isCalled(p, name) {
			continue
		}
		known = true
		if p.Owner != nil && pkgdb.CompareVersions(m.merger.packages.Format, p.Owner.Version, p.Base) < 0 {
			late = append(late, fmt.Sprintf("%s %s is shadowed by %s of the image", p.ID, p.Base, p.Owner.Version))
		}
	}
	for _, c := range m.out.Packages {
		if is, _, _ := strings.Cut(c.Name, ":"); c.Outcome == Shadowed && c.Result == c.New && (is == name || c.Source == name) {
			late = append(late, fmt.Sprintf("%s %s is shadowed by %s", c.Name, c.New, c.Path))
		}
	}
	if !known {
		return fmt.Sprintf("the new base has no package %s, so it brings no fix of it", name)
	}
	return strings.Join(late, ", ")
}

// isCalled says whether name is the package's, or its source's.
func (m *move) isCalled(p *pkgdb.MergedPackage, name string) bool {
	if is, _, _ := strings.Cut(p.ID, ":"); is == name {
		return true
	}
	for _, q := range []*pkgdb.Package{p.Owner, p.Image, p.Gone} {
		if q != nil && q.Source == name {
			return true
		}
	}
	return false
}

func isDatabase(p string) bool {
	return pkgdb.IsDatabase(p) || strings.HasPrefix(p, "/var/lib/dpkg/") || strings.HasPrefix(p, "/lib/apk/db/") ||
		p == "/var/lib/apt/extended_states" || p == ldCache
}
