package carry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/profile"
)

// ErrUnknownPlatform says that a profile is to be carried to another platform
// and does not say from which.
var ErrUnknownPlatform = errors.New("the profile does not say on which platform it was recorded")

// Target is the image that a profile is carried to.
type Target struct {
	Image    profile.Image
	Tree     *layers.Tree
	Packages *pkgdb.DB // of Tree
}

// carrier is the state of one [Carry].
type carrier struct {
	old   *profile.Profile
	tree  *layers.Tree
	db    *pkgdb.DB
	arch  *architecture // of the new image; nil when it is not known
	words translation

	byStem    map[string][]*pkgdb.Package            // by packageStem
	files     map[*pkgdb.Package]map[string][]string // of [carrier.filesNamed]
	stemsOf   map[*layers.Entry]map[string][]string
	libraries libraries // nil until somebody asks
	dirs      map[string]*layers.Entry

	oldPackages map[string]profile.Package // by ID

	oldIn    map[string][]string        // directory -> paths in it that existed
	oldReal  map[string]string          // directory -> where its files were found to be
	oldNames map[string]map[string]bool // of [carrier.wasThere]

	new    []profile.Access
	to     map[string]string // what was mapped, by its recorded path
	lost   map[string]bool   // the paths of derived.Gone, as bytes
	heirs  map[string]map[*pkgdb.Package]int
	result profile.Derivation

	steps steps
	tried int // names that were tried
	err   error
}

// Carry returns the profile that p's workload would have left on the target,
// as far as that can be told, with one more [profile.Derivation] that says
// what was found under another name and what was not. A path that is gone
// stays in the profile as it was. A profile of the target itself is returned
// as it is.
func Carry(ctx context.Context, p *profile.Profile, to Target) (*profile.Profile, error) {
	if p.Image.Config != "" && p.Image.Config == to.Image.Config {
		return p, nil
	}
	c := newCarrier(p, to)
	for i := range p.Accesses {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if c.carry(&p.Accesses[i]); c.err != nil {
			return nil, fmt.Errorf("carrying the profile over: %w", c.err)
		}
	}
	c.result.From = p.Image
	c.result.Changed = c.changes()
	c.result.Added = c.added()
	return c.profile(to.Image)
}

func newCarrier(p *profile.Profile, to Target) *carrier {
	c := &carrier{
		old: p, tree: to.Tree, db: to.Packages, arch: architectureOf(to.Image.Platform), words: newTranslation(p.Image.Platform, to.Image.Platform),
		byStem: map[string][]*pkgdb.Package{}, files: map[*pkgdb.Package]map[string][]string{}, stemsOf: map[*layers.Entry]map[string][]string{},
		dirs: map[string]*layers.Entry{}, oldPackages: map[string]profile.Package{}, oldIn: map[string][]string{}, oldReal: map[string]string{}, oldNames: map[string]map[string]bool{},
		to: map[string]string{}, lost: map[string]bool{}, heirs: map[string]map[*pkgdb.Package]int{},
	}
	for _, q := range p.Packages {
		if _, ok := c.oldPackages[q.ID()]; !ok {
			c.oldPackages[q.ID()] = q
		}
	}
	for _, q := range to.Packages.Packages() {
		s := packageStem(q.Name)
		c.byStem[s] = append(c.byStem[s], q)
	}
	for i := range p.Accesses {
		a := &p.Accesses[i]
		if !a.Exists {
			continue
		}
		for _, name := range []string{a.Path, a.Resolved} {
			if name != "" {
				c.oldIn[path.Dir(name)] = append(c.oldIn[path.Dir(name)], name)
				c.oldReal[path.Dir(name)] = path.Dir(name)
			}
		}
	}
	for i := range p.Accesses { // a link's own directory may lead elsewhere
		if a := &p.Accesses[i]; a.Exists && a.Resolved != "" && path.Base(a.Resolved) == path.Base(a.Path) {
			c.oldReal[path.Dir(a.Path)] = path.Dir(a.Resolved)
		}
	}
	return c
}

// profile is the result.
func (c *carrier) profile(image profile.Image) (*profile.Profile, error) {
	for i := range c.new {
		for j, by := range c.new[i].By {
			if to, ok := c.to[by]; ok {
				c.new[i].By = slices.Clone(c.new[i].By)
				c.new[i].By[j] = to
			}
		}
	}
	if c.words.from == nil {
		image.CPULevel = c.old.Image.CPULevel
	}
	out := *c.old
	out.Sessions = c.sessions()
	out.Image, out.Accesses, out.Derived = image, c.new, []profile.Derivation{c.result}
	for _, d := range c.old.Derived {
		out.Derived = append(out.Derived, profile.Derivation{From: d.From}) // how it came here matters no more
	}
	u, err := profile.Union(&out)
	if err != nil {
		return nil, err
	}
	if u, err = Remember(u, c.tree, c.db); err != nil {
		return nil, err
	}
	for i := range u.Accesses {
		if a := &u.Accesses[i]; c.lost[a.Path] {
			a.Origin = "" // the workload did not make it
		}
	}
	return u, nil
}

// sessions are the recordings with the new names of programs: they are started
// again when the image is verified.
func (c *carrier) sessions() []profile.Session {
	renamed := func(argv []string) []string {
		argv = slices.Clone(argv)
		for i, arg := range argv {
			if to, ok := c.to[arg]; ok {
				argv[i] = to
			}
		}
		return argv
	}
	out := slices.Clone(c.old.Sessions)
	for i := range out {
		s := &out[i]
		s.Argv, s.Probes = renamed(s.Argv), slices.Clone(s.Probes)
		for j := range s.Probes {
			s.Probes[j].Argv = renamed(s.Probes[j].Argv)
		}
	}
	return out
}

// carry takes one access over.
func (c *carrier) carry(a *profile.Access) {
	switch {
	case profile.Mounted(a.Path):
		c.carryMounted(a)
	case !a.Exists:
		c.carryMissing(a)
	case c.same(a):
	default:
		c.carryGone(a)
	}
}

// carryMounted takes a path of the kernel's; what it led to may be the
// image's: /proc/self/exe.
func (c *carrier) carryMounted(a *profile.Access) {
	b := *a
	if a.Exists && a.Resolved != "" && !profile.Mounted(a.Resolved) && c.lookup(a.Resolved) == nil {
		if f, _ := c.find(a, a.Resolved); f != nil {
			b.Resolved = f.entry.Path
		}
	}
	c.new = append(c.new, b)
}

// carryMissing takes a path that did not exist. One that does now would be
// found.
func (c *carrier) carryMissing(a *profile.Access) {
	c.new = append(c.new, *a)
	names := []string{a.Path}
	if c.words.from != nil {
		names = append(names, c.translated(a.Path))
	}
	for _, p := range names {
		e := c.entry(a, p)
		if p == "" || e == nil || e.Path == "/" || profile.Mounted(e.Path) {
			continue
		}
		b := *a
		b.Path, b.Resolved, b.Exists = p, resolvedTo(p, e), true
		c.new = append(c.new, b)
		c.result.Appeared = append(c.result.Appeared, text(p))
	}
}

// translated is a path in the other architecture's names, of directories and
// file as they exist; "" when none does.
func (c *carrier) translated(p string) string {
	for _, f := range c.walk(&profile.Access{Path: p}, p) {
		if f.how == howPlatform {
			return f.path
		}
	}
	return ""
}

// same takes a path that exists as it was, by whatever links.
func (c *carrier) same(a *profile.Access) bool {
	e := c.entry(a, a.Path)
	if e == nil {
		return false
	}
	b := *a
	if a.Resolved != "" {
		b.Resolved = c.nowResolved(a, e)
	}
	c.new = append(c.new, b)
	c.inherited(a, e)
	if b.Resolved != a.Resolved {
		c.mapped(a, a.Resolved, found{path: b.Resolved, entry: e, how: howLink})
	}
	return true
}

// nowResolved is where an access leads that exists. Of a link that something
// made while it ran only the recording knows where it led.
func (c *carrier) nowResolved(a *profile.Access, e *layers.Entry) string {
	if !a.InImage() && c.lookup(a.Resolved) != nil {
		return a.Resolved
	}
	return e.Path
}

// carryGone takes a path that existed and is not in the new image.
func (c *carrier) carryGone(a *profile.Access) {
	if a.Origin == profile.OriginRun {
		c.new = append(c.new, c.resolvedElsewhere(a))
		return
	}
	f, why := c.find(a, a.Path)
	if f != nil {
		b := *a
		if b.Path = f.path; a.Resolved != "" {
			b.Resolved = f.entry.Path
		}
		c.new = append(c.new, b)
		c.inherited(a, f.entry)
		c.mapped(a, a.Path, *f)
		return
	}
	c.new = append(c.new, c.resolvedElsewhere(a))
	if c.harmless(a) {
		return
	}
	c.lost[a.Path] = true
	c.result.Gone = append(c.result.Gone, profile.Gone{
		Path: text(a.Path), Package: c.recordedOwner(a), InImage: a.InImage(), Used: isUsed(a), Text: why,
	})
}

// resolvedElsewhere is a path that something made while it ran, with where it
// led, which may be the image's.
func (c *carrier) resolvedElsewhere(a *profile.Access) profile.Access {
	b := *a
	if a.Resolved == "" || a.Resolved == a.Path || a.InImage() || c.lookup(a.Resolved) != nil {
		return b
	}
	if f, _ := c.find(a, a.Resolved); f != nil {
		b.Resolved = f.entry.Path
		c.mapped(a, a.Resolved, *f)
	}
	return b
}

// harmless says that it does not matter that a path is gone: it is made of
// others, it was for processors of another kind, or the workload made it.
func (c *carrier) harmless(a *profile.Access) bool {
	if isRegenerated(a.Path) || strings.Contains(a.Path, hwcaps) {
		return true
	}
	return !a.InImage() && c.made(a)
}

// made says that the recording shows a path, or what it is in, to be made by
// the workload: for a profile that does not know its image.
func (c *carrier) made(a *profile.Access) bool {
	for p := a.Path; p != "/"; p = path.Dir(p) {
		if b := c.accessTo(p); b != nil && b.Has(profile.Create, profile.Rename) {
			return true
		}
	}
	return false
}

func (c *carrier) mapped(a *profile.Access, from string, f found) {
	if c.to[from] == f.path {
		return // by its own name, or by another link
	}
	m := profile.Mapping{Path: text(from), To: text(f.path), How: f.how, Package: c.recordedOwner(a)}
	if q, ok := c.db.Owner(f.entry.Path); ok {
		m.ToPackage = versioned(q.Name, q.Version)
	}
	c.result.Mapped = append(c.result.Mapped, m)
	c.to[from] = f.path
}

func (c *carrier) inherited(a *profile.Access, e *layers.Entry) {
	if old, ok := c.owner(a); ok {
		if q, ok := c.db.Owner(e.Path); ok {
			c.inherit(old, q)
		}
	}
}

// owner is the recorded package that owned a path.
func (c *carrier) owner(a *profile.Access) (profile.Package, bool) {
	old, ok := c.oldPackages[a.Package]
	return old, ok
}

func (c *carrier) recordedOwner(a *profile.Access) string {
	old, _ := c.owner(a)
	return versioned(old.Name, old.Version)
}

// find looks for what takes the place of a path, by the surest means that
// finds anything; nil with the reason when nothing does, or when it cannot be
// told which of several.
func (c *carrier) find(a *profile.Access, p string) (*found, string) {
	names := []string{p}
	if b, ok := baseline(p); ok {
		names = append(names, b)
	}
	var several []found
	for _, look := range []func(*profile.Access, string) []found{c.walk, c.bySoname, c.moved} {
		for _, name := range names {
			all := look(a, name)
			if e := c.entry(a, name); name != p && e != nil {
				all = []found{{path: name, entry: e}}
			}
			best := surest(all)
			if len(best) == 1 {
				if name != p {
					best[0].how = howLevel
				}
				return &best[0], ""
			}
			if several == nil {
				several = best
			}
		}
	}
	return nil, c.whyGone(a, several)
}

// surest are the best of what was found, one for each file.
func surest(all []found) []found {
	slices.SortStableFunc(all, func(a, b found) int {
		if d := better(a, b); d != 0 {
			return d
		}
		return strings.Compare(a.path, b.path)
	})
	var out []found
	for _, f := range all {
		if better(all[0], f) == 0 && !slices.ContainsFunc(out, func(o found) bool { return o.entry.Inode == f.entry.Inode }) {
			out = append(out, f)
		}
	}
	return out
}

func (c *carrier) whyGone(a *profile.Access, several []found) string {
	if len(several) > 0 {
		var names []string
		for _, f := range several[:min(len(several), 3)] {
			names = append(names, quoted(f.path))
		}
		return "which takes its place cannot be told: " + strings.Join(names, ", ")
	}
	old, known := c.owner(a)
	all := c.successors(old)
	switch {
	case !known:
		return "the image has nothing like it"
	case len(all) == 0:
		return "the image has neither its package " + old.Name + " nor a successor of that"
	}
	return "its package " + versioned(all[0].Name, all[0].Version) + " has nothing like it"
}

// accessTo is the access of a path; nil for none.
func (c *carrier) accessTo(p string) *profile.Access {
	i, ok := slices.BinarySearchFunc(c.old.Accesses, p, func(a profile.Access, p string) int { return strings.Compare(a.Path, p) })
	if !ok {
		return nil
	}
	return &c.old.Accesses[i]
}

// entry is what a path reaches in the new image as the access did; nil for
// nothing.
func (c *carrier) entry(a *profile.Access, p string) *layers.Entry {
	if p == "" {
		return nil
	}
	r, err := reached(c.tree, a, p)
	c.follow(r.Links)
	if err != nil {
		return nil
	}
	return r.Entry
}

// lookup is what a path reaches, links followed; nil for nothing. Directories
// are remembered: many paths are in few.
func (c *carrier) lookup(p string) *layers.Entry {
	if e, ok := c.dirs[p]; ok {
		return e
	}
	r, err := c.tree.Resolve(p)
	c.follow(r.Links)
	if err != nil {
		return nil
	}
	if r.Entry.Type == layers.Directory {
		c.dirs[p] = r.Entry
	}
	return r.Entry
}

// maxTried bounds the names that are tried for all paths together: some 30 for
// each that is gone are usual.
const maxTried = 5_000_000

// try counts names that are tried.
func (c *carrier) try(n int) {
	if c.tried += n; c.tried > maxTried && c.err == nil {
		c.err = fmt.Errorf("looking for what took the place of paths: %w: over %d names to try", layers.ErrLimit, maxTried)
	}
}

func (c *carrier) follow(links []string) {
	if err := c.steps.follow(c.tree, links); err != nil && c.err == nil {
		c.err = err
	}
}

// filesNamed are a package's files that have one of these names, sorted.
func (c *carrier) filesNamed(q *pkgdb.Package, names map[string]bool) []string {
	by, ok := c.files[q]
	if !ok {
		by = map[string][]string{}
		for _, p := range q.Paths() {
			by[path.Base(p)] = append(by[path.Base(p)], p)
		}
		c.files[q] = by
	}
	var out []string
	for _, n := range slices.Sorted(maps.Keys(names)) {
		out = append(out, by[n]...)
		c.try(1 + len(by[n]))
	}
	return out
}

func resolvedTo(p string, e *layers.Entry) string {
	if p == e.Path {
		return ""
	}
	return e.Path
}

// text is a path as a derivation says it.
func text(p string) string {
	if utf8.ValidString(p) {
		return p
	}
	return strconv.Quote(p)
}

// quoted is a path within a sentence.
func quoted(p string) string {
	if q := strconv.Quote(p); len(q) != len(p)+2 {
		return q
	}
	return p
}
