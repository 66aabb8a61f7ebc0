package slim

import (
	"context"
	"fmt"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/onbase"
	"github.com/pare-image/pare/slim/profile"
)

// footing is how the kept paths stand on a base. Paths of the source and of
// the output are two things here: the base's directories may be laid out
// otherwise.
type footing struct {
	*onbase.Seating
	theirs *pkgdb.DB
	inBase map[string]*pkgdb.Package // the base's, by name and architecture
	at     map[string]string         // kept path of the source -> path of the output
	by     map[string]*onbase.Placed // path of the output -> what of the source is there
	joined map[int]map[string][]byte // see [planner.joinedIn]
}

// ruleBase is the reason of what a base has.
const ruleBase = "base"

// decideBase says where every kept path lies in the output, and whose copy
// counts where the base has one.
func (pl *planner) decideBase(ctx context.Context) error {
	if pl.base == nil {
		return nil
	}
	kept := pl.keptPaths()
	if err := onbase.Fit(pl.tree, pl.base.Tree, kept); err != nil {
		return err
	}
	f := &footing{theirs: pl.basePackages, inBase: map[string]*pkgdb.Package{}, at: map[string]string{}, by: map[string]*onbase.Placed{}, joined: map[int]map[string][]byte{}}
	for _, p := range f.theirs.Packages() {
		f.inBase[p.Name+" "+p.Arch] = p
	}
	written := pl.toBeWritten()
	var err error
	f.Seating, err = onbase.Seat(ctx, onbase.Side{Tree: pl.tree, Packages: pl.packages}, onbase.Side{Tree: pl.base.Tree, Packages: f.theirs}, kept, onbase.Options{
		Prefer: pl.options.Prefer, LibraryPath: pl.config.libraryPath(), Names: pl.usedNames(),
		Written: func(p string) bool { return written[p] },
	})
	if err != nil {
		return err
	}
	pl.footing = f
	for i := range f.Placed {
		x := &f.Placed[i]
		f.at[x.Source.Path] = x.Path
		if f.by[x.Path] == nil {
			f.by[x.Path] = x
		}
	}
	for _, p := range kept {
		if written[p] {
			f.at[p] = pl.realPath(p)
		}
	}
	for _, p := range f.Gone {
		delete(pl.keep.reasons, p)
		pl.keep.dropped[p] = ruleBase
	}
	for _, x := range f.Findings {
		pl.finding(Finding{Name: x.Name, Severity: Severity(x.Severity), Path: x.Path, Text: x.Text, Next: x.Next})
	}
	pl.generateMerged()
	return pl.decideLdCache()
}

// toBeWritten are the entries of the source in whose place pare writes.
func (pl *planner) toBeWritten() map[string]bool {
	out := map[string]bool{}
	note := func(p string) {
		if r, err := pl.tree.Resolve(p); err == nil {
			out[r.Entry.Path] = true
		}
	}
	for p := range pl.keep.generated {
		note(p)
	}
	if pl.accounts.basePasswd != nil {
		note(passwdFile)
	}
	if pl.accounts.baseGroup != nil {
		note(groupFile)
	}
	return out
}

// usedNames are the paths by which the workload and the config use the image.
func (pl *planner) usedNames() []string {
	var out []string
	for i := range pl.profile.Accesses {
		if a := &pl.profile.Accesses[i]; a.Exists && !profile.Mounted(a.Path) {
			out = append(out, a.Path)
		}
	}
	for _, argv := range [][]string{pl.config.entrypoint, pl.config.cmd, pl.config.shell} {
		if len(argv) > 0 && argv[0] != "" {
			out = append(out, pl.lookPath(argv[0]))
		}
	}
	return out
}

// generateMerged has pare write what both sides make together, and the links
// by which names of the source lead somewhere.
func (pl *planner) generateMerged() {
	for _, m := range pl.Merged {
		pl.generate(Generated{
			Path: m.Path, Header: layers.Header{Type: layers.Regular, Mode: 0o644}, Content: m.Content,
			Reason: Reason{Rule: "merged", From: m.Source.Path}, Like: m.Path,
		})
	}
	for _, l := range pl.Links {
		pl.generate(Generated{
			Path: l.Path, Header: layers.Header{Type: layers.Symlink, Mode: 0o777, Linkname: l.Target},
			Reason: Reason{Rule: "link", From: l.Target},
		})
	}
}

// decideLdCache writes ld.so.cache anew where the base's would send the loader
// wrong, or where the source has one and the base has none.
func (pl *planner) decideLdCache() error {
	_, asked := pl.keep.generated[ldCache]
	delete(pl.keep.generated, ldCache)
	r, err := pl.base.Tree.Resolve(ldCache)
	have := err == nil && r.Entry.Type == layers.Regular
	if !have && !asked {
		return nil
	}
	view := pl.ELF()
	dirs := elfdeps.CacheDirectories(elfdeps.NewResolver(view), pl.programs(), func(dir string) (string, bool) {
		at, _, err := pl.Resolve(dir)
		return at, err == nil
	})
	entries := elfdeps.CacheEntries(view, dirs, nil)
	if have {
		base := layers.ELFTree{Tree: pl.base.Tree}
		cache := base.ReadFile(ldCache)
		entries = append(entries, elfdeps.UnnamedEntries(view, cache, entries)...)
		before := elfdeps.CacheFaults(base, cache, elfdeps.CacheEntries(base, dirs, nil))
		stale := false
		for fault := range elfdeps.CacheFaults(view, cache, entries) {
			stale = stale || !before[fault]
		}
		if !stale {
			return nil
		}
	}
	b, err := elfdeps.WriteCache(entries)
	if err != nil {
		pl.risk("ld-cache", ldCache, err.Error())
		return nil
	}
	pl.generate(generatedText(ldCache, b, Reason{Rule: "ld.so.cache"}))
	return nil
}

// programs are what the ELF files of the output say.
func (pl *planner) programs() []*elfdeps.Info {
	var out []*elfdeps.Info
	note := func(e *layers.Entry) {
		if e.Type == layers.Regular && e.Sniff().ELF != nil {
			out = append(out, e.Sniff().ELF)
		}
	}
	for e := range pl.base.Tree.All() {
		note(e)
	}
	for _, x := range pl.Placed {
		if !x.Base {
			note(x.Source)
		}
	}
	return out
}

// onBase says that the output stands on a base.
func (pl *planner) onBase() bool { return pl.footing != nil }

// outPath is where the output has a path of the source.
func (pl *planner) outPath(p string) string {
	if pl.onBase() {
		if at, ok := pl.at[p]; ok {
			return at
		}
	}
	return p
}

// provided says that the base's entry stands for a kept one of the source.
func (pl *planner) provided(p string) bool {
	if !pl.onBase() {
		return false
	}
	x := pl.by[pl.outPath(p)]
	return x != nil && x.Base
}

// unprovide has the output carry an entry of the source that the base has,
// as pare changes something about it.
func (pl *planner) unprovide(p string) {
	if !pl.provided(p) {
		return
	}
	x := pl.by[pl.outPath(p)]
	x.Base, x.Over = false, true
	pl.Carry(x.Path, x.Source, pl.tree)
}

// inDatabase says that the output's package database has to tell of an entry
// of the source. What the base's tells already it need not: nor of
// configuration and documentation beside another version of their package.
func (pl *planner) inDatabase(p string) bool {
	if !pl.keep.Has(p) || !pl.onBase() {
		return pl.keep.Has(p)
	}
	x := pl.by[pl.outPath(p)]
	switch {
	case x == nil || x.Source.Type == layers.Directory:
		return true
	case x.Base:
		_, known := pl.theirs.Owner(x.Path)
		return !known
	}
	owner, ok := pl.packages.Owner(p)
	if !ok {
		return true
	}
	have := pl.inBase[owner.Name+" "+owner.Arch]
	return have == nil || have.Version == owner.Version || !below(x.Path, "/etc") && !below(x.Path, "/usr/share/doc")
}

// join is the package database of the output, with what in takes of the
// source.
func (pl *planner) join(in func(string) bool) (*pkgdb.Filtered, error) {
	if !pl.onBase() {
		return pl.packages.Filter(in), nil
	}
	return pl.packages.Join(pl.theirs, in, pl.outPath)
}

// joinedIn are the files about single packages as they stand in the output of
// one source layer, by path.
func (pl *planner) joinedIn(layer int) (map[string][]byte, error) {
	if files, done := pl.joined[layer]; done {
		return files, nil
	}
	j, err := pl.join(func(p string) bool { return pl.inDatabase(p) && pl.heldBy(p, layer) })
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, f := range j.Files {
		if f.Package != "" {
			files[pl.realPath(f.Path)] = f.Content
		}
	}
	pl.joined[layer] = files
	return files, nil
}

// headerAt is what the output has at a path of its own; false where it has
// nothing.
func (pl *planner) headerAt(p string) (layers.Header, bool) {
	if g, ok := pl.written[p]; ok {
		return g.Header, true
	}
	if !pl.onBase() {
		e, ok := pl.tree.Lookup(p)
		if !ok {
			return layers.Header{}, false
		}
		return pl.owned(p, e.Header), true
	}
	if x := pl.by[p]; x != nil && !x.Base {
		return pl.owned(x.Source.Path, x.Source.Header), true
	}
	e, ok := pl.base.Tree.Lookup(p)
	if !ok {
		return layers.Header{}, false
	}
	return e.Header, true
}

// translated are reasons with the paths of the output in place of the
// source's.
func (pl *planner) translated(rs []Reason) []Reason {
	if !pl.onBase() {
		return rs
	}
	out := make([]Reason, 0, len(rs))
	for _, r := range rs {
		if strings.HasPrefix(r.From, "/") {
			r.From = pl.outPath(r.From)
		}
		out = append(out, r)
	}
	return out
}

// findForeign tells of package databases that cannot be one.
func (pl *planner) findForeign(err error) {
	pl.finding(Finding{
		Name: FindingPackageDatabase, Severity: SeverityError,
		Text: fmt.Sprintf("%v: scanners would not see them", err),
		Next: "choose a base of the source's distribution, or, if scanners are told by other means, allow it with --allow " + FindingPackageDatabase,
	})
}

// baseHas says that the base has something at a path.
func (pl *planner) baseHas(p string) bool {
	if !pl.onBase() {
		return false
	}
	_, ok := pl.base.Tree.Lookup(p)
	return ok
}

// placeParentsOnBase sees to the directories above what pare writes: the
// base's, those that are carried, the source's, or new ones.
func (pl *planner) placeParentsOnBase(p string) {
	child := p
	for dir := parentOf(p); dir != "/"; dir = parentOf(dir) {
		r := Reason{Rule: "parent", From: child}
		child = dir
		if e, _, ok := pl.footing.Lookup(dir); ok && e.Type == layers.Directory {
			continue
		}
		if e, ok := pl.tree.Lookup(dir); ok && e.Type == layers.Directory {
			pl.keep.Add(dir, r)
			pl.at[dir], pl.by[dir] = dir, &onbase.Placed{Path: dir, Source: e}
			pl.Carry(dir, e, pl.tree)
		} else if _, made := pl.written[dir]; !made {
			pl.written[dir] = Generated{Path: dir, Header: layers.Header{Type: layers.Directory, Mode: 0o755, ModTime: pl.created}, Reason: r}
		}
	}
}
