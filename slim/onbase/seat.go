package onbase

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

// Whose file counts where the base has an older version of a package.
const (
	PreferSource = "source"
	PreferBase   = "base"
)

// Options is what a user can ask.
type Options struct {
	// Prefer decides conflicts: PreferSource, PreferBase, or "" for none.
	Prefer string
	// LibraryPath is LD_LIBRARY_PATH of the image, split.
	LibraryPath []string
	// Written says of paths of the source that the output gets another
	// content there, which is not looked at here.
	Written func(path string) bool
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

// Seating is how a keep set stands on a base.
type Seating struct {
	Placed   []Placed // sorted by path in the output; of one path, the base's
	Findings []Finding
}

// pair is an entry of the source and what the base has in its place.
type pair struct {
	source  *layers.Entry
	at      string
	base    node // no Entry where the base has none
	content bool // both have the same content
	whose   side
}

type side int

const (
	ofSource side = iota
	ofBase
)

// seater seats one keep set.
type seater struct {
	Options
	source, base Side
	placer       *placer
	contents     contents
	pairs        []*pair
	verdicts     map[string]*verdict // by package
	view         *view
	findings     []Finding
}

// Seat decides about the kept paths, which are entries of the source. Errors
// are those of reading; what a user has to decide is a finding.
func Seat(ctx context.Context, source, base Side, kept []string, o Options) (*Seating, error) {
	s := &seater{
		Options: o, source: source, base: base, placer: newPlacer(source.Tree, base.Tree), verdicts: map[string]*verdict{},
		contents: contents{source: source.Tree, base: base.Tree, known: map[[2]*layers.Inode]bool{}},
	}
	kept = slices.Clone(kept)
	slices.Sort(kept)
	for _, p := range kept {
		s.pair(p)
	}
	for _, step := range []func(context.Context) error{s.compare, s.judge, s.lay, s.check} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("standing on the base: %w", err)
		}
	}
	return &Seating{Placed: s.placed(), Findings: sortFindings(s.findings)}, nil
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
}

// fits settles what is a directory on one side.
func (s *seater) fits(x *pair) bool {
	ours, theirs := x.source.Type == layers.Directory, x.base.Type == layers.Directory
	switch {
	case ours && theirs:
		x.whose = ofBase
	case ours:
		if _, ok := s.placer.directory(x.source.Path); !ok {
			s.structure(x.source, x.at)
			return false
		}
		x.whose = ofBase // a link to a directory: what is below goes there
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
	for _, x := range s.pairs {
		if x.whose == ofSource {
			s.view.put(x.at, node{x.source, s.source.Tree})
		}
	}
	s.view.seal()
	return nil
}

// placed lists the pairs by their place. Two names of the source may have
// become one.
func (s *seater) placed() []Placed {
	out := make([]Placed, 0, len(s.pairs))
	for _, x := range s.pairs {
		out = append(out, Placed{Path: x.at, Source: x.source, Base: x.whose == ofBase, Over: x.whose == ofSource && x.base.Entry != nil})
	}
	slices.SortStableFunc(out, func(a, b Placed) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(out, func(a, b Placed) bool { return a.Path == b.Path })
}
