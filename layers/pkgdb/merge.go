package pkgdb

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// Side is whose record of a package, or whose file, a merged database has.
type Side string

// The sides of a merge.
const (
	SideApp  Side = "app"  // the image as it is
	SideBase Side = "base" // the new base
)

// Merged is the package database of an image that is moved to another base:
// of each package the record that is true of the bytes that will be there.
type Merged struct {
	Format   string
	Packages []MergedPackage // that any of the three has, by ID
	Files    []MergedFile    // by path
	// Stay are the installed packages of the merged set.
	Stay []*Package
}

// MergedPackage is what became of one package.
type MergedPackage struct {
	ID string
	// Old, App and Base are its versions in the old base, the image as it is
	// and the new base; "" where it is not installed.
	Old, App, Base string
	// From is whose record stays; "" when none does.
	From Side
	// Conflict says that image and new base both changed it, each otherwise.
	Conflict bool
	// Owner is the package as it stays, Image as the image has it, and Gone as
	// the new base has it and the image does not; nil when there is none.
	Owner, Image, Gone *Package
}

// MergedFile is one file of the merged database.
type MergedFile struct {
	Path string
	// From is whose file this is, to the letter; "" when Content is.
	From    Side
	Content []byte
	// Same says whether another content tells the same; nil wants the bytes.
	Same func(have []byte) bool
	// Gone says that the file must not be there.
	Gone bool
	// Part says that Content is a part of the database that only matters
	// where the image has it: nothing is to be made without it.
	Part bool
}

// MergeOptions say what a merge may decide.
type MergeOptions struct {
	// Base says, by ID, of which packages the new base's record and files win
	// although the image changed them too, unless they are older; nil of none.
	Base func(id string) bool
	// App says of which packages the image's record and files stay although
	// only the new base changed them; nil of none.
	App func(id string) bool
}

// Merge makes the database of an image app, made on old, that is moved to
// base. Of each package: one that the image left as the old base had it is
// the new base's; one that the image changed or added is the image's; one
// that the image removed stays out.
func Merge(old, app, base *DB, o MergeOptions) (*Merged, error) {
	m := &merge{old: old, app: app, base: base, options: o, out: &Merged{Format: cmp.Or(app.Format, base.Format)}}
	never := func(string) bool { return false }
	if o.Base == nil {
		m.options.Base = never
	}
	if o.App == nil {
		m.options.App = never
	}
	if err := m.readRecords(); err != nil {
		return nil, err
	}
	m.decideAll()
	if m.writeAll(); m.err != nil {
		return nil, m.err
	}
	slices.SortFunc(m.out.Files, func(a, b MergedFile) int { return strings.Compare(a.Path, b.Path) })
	slices.SortStableFunc(m.out.Packages, func(a, b MergedPackage) int { return strings.Compare(a.ID, b.ID) })
	return m.out, nil
}

// Unmet lists the relations of the merged set that are not met.
func (m *Merged) Unmet() ([]Unmet, error) { return unmet(m.Format, m.Stay) }

// merge is one at work.
type merge struct {
	old, app, base *DB
	options        MergeOptions
	out            *Merged
	was, is, comes records   // of the old base, the image, the new base
	all            []merging // by key
	err            error     // of reading a file that is merged
}

// merging is a package with its records; nil where it is not there.
type merging struct {
	MergedPackage
	o, a, n *recorded
}

// recorded is one package as a database has it, installed or not.
type recorded struct {
	p         *Package
	raw       []byte
	installed bool
}

// version is that of an installed package, else "".
func (r *recorded) version() string {
	if r == nil || !r.installed {
		return ""
	}
	return r.p.Version
}

// records are a database's, by name and architecture.
type records map[string]*recorded

func (m *merge) readRecords() (err error) {
	for _, r := range []struct {
		to   *records
		from *DB
	}{{&m.was, m.old}, {&m.is, m.app}, {&m.comes, m.base}} {
		if *r.to, err = r.from.records(); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) records() (records, error) {
	out := records{}
	native := d.native()
	add := func(p *Package, raw []byte, installed bool) {
		arch := p.Arch
		switch {
		case p.apk != nil:
			arch = "" // apk has one
		case arch == "all":
			arch = native // a package may become one of the other kind
		}
		out[p.Name+":"+arch] = &recorded{p, raw, installed}
	}
	for _, p := range d.order {
		if p.apk != nil || p.file != "" {
			add(p, p.stanza, true)
		}
	}
	b, err := d.read(statusFile, maxStatus)
	if err != nil {
		return nil, err
	}
	for _, raw := range stanzas(b) {
		p, installed, err := parseStanza(raw)
		if err != nil {
			return nil, err
		}
		add(p, raw, installed)
	}
	return out, nil
}

// native is the architecture of dpkg itself, to which "all" belongs.
func (d *DB) native() string {
	for _, name := range []string{"dpkg", "libc6", "base-files"} {
		if ps := d.byName[name]; len(ps) > 0 && ps[0].Arch != "all" {
			return ps[0].Arch
		}
	}
	return "all"
}

func (m *merge) decideAll() {
	keys := map[string]bool{}
	for _, r := range []records{m.was, m.is, m.comes} {
		for k := range r {
			keys[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		p := merging{o: m.was[k], a: m.is[k], n: m.comes[k]}
		m.decide(&p)
		m.all = append(m.all, p)
		m.out.Packages = append(m.out.Packages, p.MergedPackage)
	}
}

// decide is the merge of one package.
func (m *merge) decide(p *merging) {
	o, a, n := p.o, p.a, p.n
	p.MergedPackage = MergedPackage{ID: idOf(a, n, o), Old: o.version(), App: a.version(), Base: n.version()}
	untouched := a != nil && o != nil && a.p.Version == o.p.Version && a.installed == o.installed
	switch {
	case a != nil && a.installed && m.options.App(p.ID):
		p.From = SideApp
	case a == nil && o == nil, untouched && n != nil:
		p.From = SideBase
	case untouched: // and gone from the new base
	case a == nil:
		if n != nil && n.installed {
			p.Gone = m.base.byID(n.p.ID())
		}
	case n != nil && n.installed && a.installed:
		p.Conflict = n.p.Version != a.p.Version
		p.From = SideApp
		if m.options.Base(p.ID) && CompareVersions(m.out.Format, n.p.Version, a.p.Version) >= 0 {
			p.From = SideBase
		}
	default:
		p.From = SideApp
	}
	m.keep(p)
}

// keep notes the package as it stays installed.
func (m *merge) keep(p *merging) {
	if p.a != nil && p.a.installed {
		p.Image = m.app.byID(p.a.p.ID())
	}
	switch {
	case p.From == SideApp:
		p.Owner = p.Image
	case p.From == SideBase && p.n.installed:
		p.Owner = m.base.byID(p.n.p.ID())
	}
	if p.Owner != nil {
		m.out.Stay = append(m.out.Stay, p.Owner)
	}
}

func idOf(rs ...*recorded) string {
	for _, r := range rs {
		if r != nil {
			return r.p.ID()
		}
	}
	return ""
}

// byID finds a package; nil when it is not installed.
func (d *DB) byID(id string) *Package {
	i, ok := slices.BinarySearchFunc(d.packages, id, func(p *Package, id string) int { return strings.Compare(p.ID(), id) })
	if !ok {
		return nil
	}
	return d.packages[i]
}

func (m *merge) writeAll() {
	m.writeDpkg()
	m.writeApk()
}

// add adds a file of merged content, unless there is nothing to say.
func (m *merge) add(f MergedFile) { m.out.Files = append(m.out.Files, f) }

// three are the contents of one file in the old base, the image and the new
// base; nil where it is not there.
func (m *merge) three(p string) (o, a, n []byte) {
	contents := make([][]byte, 3)
	for i, d := range []*DB{m.old, m.app, m.base} {
		var err error
		contents[i], err = d.read(p, maxList)
		m.err = cmp.Or(m.err, err)
	}
	return contents[0], contents[1], contents[2]
}

// names are what the three trees have in a directory of the database, sorted.
func (m *merge) names(dir string) []string {
	found := map[string]bool{}
	for _, d := range []*DB{m.old, m.app, m.base} {
		for _, e := range d.list(dir) {
			if e.Type == layers.Regular {
				found[path.Join(dir, e.Name())] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
