package onbase

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

// Whose file counts where the base has an older version of a package.
const (
	PreferSource = "source"
	PreferBase   = "base"
)

// Options is what a user can ask, and what is known of the image.
type Options struct {
	// Prefer decides conflicts: PreferSource, PreferBase, or "" for none.
	Prefer string
	// LibraryPath is LD_LIBRARY_PATH of the image, split.
	LibraryPath []string
	// Written says of paths of the source that the output gets another
	// content there, which is not looked at here.
	Written func(path string) bool
	// Names are paths by which programs use the source: what they lead to
	// there they have to lead to in the output.
	Names []string
}

// Side is an image with its packages.
type Side struct {
	Tree     *layers.Tree
	Packages *pkgdb.DB
}

// Placed is one entry of the source in the output.
type Placed struct {
	Path   string        // in the output
	Source *layers.Entry // what lies there; in the base, what lies there stands for it
	// Base says that the base has it.
	Base bool
	// Over says that it lies above a file of the base that differs.
	Over bool
}

// Merged is a file whose content both sides make together.
type Merged struct {
	Path    string // in the output
	Source  *layers.Entry
	Content []byte
}

// Link is a symlink that the output needs where a name of the source would
// lead nowhere: by a link between directories that the base does not have.
type Link struct{ Path, Target string }

// Seating is how a keep set stands on a base.
type Seating struct {
	Placed   []Placed // sorted by path of the source
	Merged   []Merged // sorted by path
	Links    []Link   // likewise
	Gone     []string // of the source, sorted: what is not carried, as the base has it otherwise
	Findings []Finding

	view *view
}

// pair is an entry of the source and what the base has in its place.
type pair struct {
	source  *layers.Entry
	at      string
	base    node // no Entry where the base has none
	content bool // both have the same content
	whose   side
	decided bool // by what is no matter of versions
}

type side int

const (
	ofSource side = iota
	ofBase
	ofNone // what the source has is not wanted, and the base has nothing there
)

// seater seats one keep set.
type seater struct {
	Options
	source, base Side
	placer       *placer
	contents     contents
	pairs        []*pair
	places       map[string]*pair    // by path of the source
	verdicts     map[string]*verdict // by package
	view         *view
	merged       []Merged
	links        []Link
	findings     []Finding
}

// Seat decides about the kept paths, which are entries of the source. Errors
// are those of reading; what a user has to decide is a finding.
func Seat(ctx context.Context, source, base Side, kept []string, o Options) (*Seating, error) {
	s := &seater{
		Options: o, source: source, base: base, placer: newPlacer(source.Tree, base.Tree), verdicts: map[string]*verdict{}, places: map[string]*pair{},
		contents: contents{source: source.Tree, base: base.Tree, known: map[[2]*layers.Inode]bool{}},
	}
	kept = slices.Clone(kept)
	slices.Sort(kept)
	for _, p := range kept {
		s.pair(p)
	}
	for _, step := range []func(context.Context) error{s.compare, s.mergeCertificates, s.judge, s.lay, s.check} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("standing on the base: %w", err)
		}
	}
	out := &Seating{Merged: s.merged, Links: s.links, Findings: joinFindings(s.findings), view: s.view}
	for _, x := range s.pairs {
		if x.whose == ofNone {
			out.Gone = append(out.Gone, x.source.Path)
			continue
		}
		out.Placed = append(out.Placed, Placed{Path: x.at, Source: x.source, Base: x.whose == ofBase, Over: x.whose == ofSource && x.base.Entry != nil})
	}
	return out, nil
}

// pair finds the place of a kept path, and what the base has there.
func (s *seater) pair(p string) {
	e, ok := s.source.Tree.Lookup(p)
	if !ok || p == "/" || s.Written != nil && s.Written(p) {
		return
	}
	at, ok := s.placer.place(p)
	if !ok {
		s.structure(e, path.Dir(p))
		return
	}
	x := &pair{source: e, at: at}
	if b, have := s.base.Tree.Lookup(at); have {
		x.base = node{b, s.base.Tree}
		if !s.fits(x) {
			return
		}
	}
	s.pairs = append(s.pairs, x)
	s.places[p] = x
}

// fits settles what is a directory on one side.
func (s *seater) fits(x *pair) bool {
	ours, theirs := x.source.Type == layers.Directory, x.base.Type == layers.Directory
	switch {
	case ours && theirs:
		if !opens(x.base.Entry, x.source) {
			x.whose = ofBase
		}
	case ours: // a link to a directory: what is below goes there
		at, ok := s.placer.directory(x.source.Path)
		if !ok {
			s.structure(x.source, x.at)
			return false
		}
		dir, _ := s.base.Tree.Lookup(at)
		x.at, x.base, x.whose = at, node{dir, s.base.Tree}, ofBase
	case theirs:
		// A link to a directory where the base has one: what it leads to is
		// placed by itself, see alias.
		r, err := s.source.Tree.Resolve(x.source.Path)
		if x.source.Type != layers.Symlink || err != nil || r.Entry.Type != layers.Directory {
			s.structure(x.source, x.at)
			return false
		}
		x.whose = ofBase
	}
	return true
}

// opens says that the base's directory lets others do what the source's does
// not: write, but where each keeps his own (the sticky bit), or look in at all.
func opens(base, source *layers.Entry) bool {
	const write, others, sticky = 0o022, 0o007, 0o1000
	more := base.Mode &^ source.Mode
	return more&write != 0 && base.Mode&sticky == 0 || source.Mode&others == 0 && more&others != 0
}

func (s *seater) structure(e *layers.Entry, at string) {
	have := "nothing"
	if b, ok := s.base.Tree.Lookup(at); ok {
		have = "a " + b.Type.String()
	}
	s.findings = append(s.findings, Finding{
		Name: FindingStructure, Severity: SeverityError, Path: e.Path,
		Text: fmt.Sprintf("a %s of the source, and the base has %s at %q: one would hide the other", e.Type, have, at),
		Next: "choose a base whose directories are laid out as the source's are",
	})
}

// compare notes which pairs have the same content.
func (s *seater) compare(ctx context.Context) error {
	var both []*pair
	for _, x := range s.pairs {
		if x.base.Entry != nil && x.source.Type != layers.Directory && x.base.Type != layers.Directory {
			both = append(both, x)
		}
	}
	if err := s.contents.prepare(ctx, both); err != nil {
		return err
	}
	for _, x := range both {
		var err error
		if x.content, err = s.contents.same(x.source, x.base.Entry); err != nil {
			return err
		}
		if s.leadAlike(x) {
			x.whose = ofBase
		}
	}
	return nil
}

// leadAlike says that both are symlinks to one place, however they are
// written.
func (s *seater) leadAlike(x *pair) bool {
	if x.source.Type != layers.Symlink || x.base.Type != layers.Symlink {
		return false
	}
	ours, err := s.source.Tree.Resolve(x.source.Path)
	if err != nil {
		return false
	}
	theirs, err := s.base.Tree.Resolve(x.at)
	if err != nil {
		return false
	}
	at, ok := s.placer.place(ours.Entry.Path)
	return ok && at == theirs.Entry.Path
}

// lay puts what the source carries above the base.
func (s *seater) lay(context.Context) error {
	s.view = newView(s.base.Tree)
	by := map[string]*pair{}
	for _, x := range s.pairs {
		if x.whose != ofSource {
			continue
		}
		if first, taken := by[x.at]; taken {
			if err := s.both(first, x); err != nil {
				return err
			}
			continue
		}
		by[x.at] = x
		s.view.put(x.at, node{x.source, s.source.Tree})
	}
	s.view.seal()
	return nil
}

// both joins two entries of the source that have become one path: behind
// directories of which the base has one for two.
func (s *seater) both(a, b *pair) error {
	same := sameNode(a.source, b.source)
	if same && a.source.Type == layers.Regular {
		var err error
		if same, err = s.source.Tree.SameContent(a.source.Inode, s.source.Tree, b.source.Inode); err != nil {
			return err
		}
	}
	if !same && (a.source.Type != layers.Directory || b.source.Type != layers.Directory) {
		s.findings = append(s.findings, Finding{
			Name: FindingStructure, Severity: SeverityError, Path: a.at,
			Text: fmt.Sprintf("%q and %q of the source would be one file on this base, whose directories lead to one another", a.source.Path, b.source.Path),
			Next: "choose a base whose directories are laid out as the source's are",
		})
	}
	return nil
}
