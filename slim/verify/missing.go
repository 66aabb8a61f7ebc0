package verify

import (
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
)

// Missing is a path that was asked for in the slim image, that the source
// has and the slim image lacks.
type Missing struct {
	Path     string `json:"path"`               // as it was asked for; as [Text], like the others
	Resolved string `json:"resolved,omitempty"` // where it leads in the source, if elsewhere
	// Lacks are the links on the way, and what the path leads to, that the
	// slim image has not: in order, not empty.
	Lacks []string `json:"lacks"`
	// By are the programs that asked; "(start)" is the engine itself.
	By    []string       `json:"by"`
	Kinds []profile.Kind `json:"kinds"`
	// Restore are the options of pare slim that bring it back.
	Restore []string `json:"restore"`
	// HiddenBy is the tmpfs that hides it, where the slim image has it.
	HiddenBy string `json:"hiddenBy,omitempty"`

	access profile.Access // as the source would have answered it
}

// search looks for what is missing.
type search struct {
	slim, source *layers.Tree
	baseline     *profile.Profile // what the source's recording never found is not missing
	writable     []Writable
	found        map[string]*Missing
}

// byStart is who asks for the first program.
const byStart = "(start)"

// FindMissing compares what a run of the slim image asked for with what the
// source has. spec is how it was started; recorded is what it did, nil when
// nothing was recorded. The list is sorted by path.
func FindMissing(slimmed, source *layers.Tree, baseline, recorded *profile.Profile, spec engine.Spec, conditions *Conditions) []Missing {
	s := &search{slim: slimmed, source: source, baseline: baseline, found: map[string]*Missing{}}
	if conditions != nil {
		s.writable = conditions.Writable
	}
	s.program(spec)
	if recorded != nil {
		for i := range recorded.Accesses {
			a := &recorded.Accesses[i]
			if a.Exists && a.Has(profile.Exec) {
				s.kernel(a.Path)
			}
			if !a.Exists && !s.neverFound(a.Path) {
				s.ask(*a)
			}
		}
	}
	out := []Missing{}
	for _, m := range s.found {
		out = append(out, *m)
	}
	sortMissing(out)
	return out
}

// FindUnseen compares what a run of the source asked for, and found, with
// what the slim image has. What its recording had seen before is left out: a
// slim image that lacks it was meant to.
func FindUnseen(slimmed, source *layers.Tree, baseline, recorded *profile.Profile) []Missing {
	s := &search{slim: slimmed, source: source, baseline: baseline, found: map[string]*Missing{}}
	for _, a := range recorded.Accesses {
		if a.Exists && !s.known(a.Path) {
			s.ask(a)
		}
	}
	out := []Missing{}
	for _, m := range s.found {
		out = append(out, *m)
	}
	sortMissing(out)
	return out
}

func (s *search) known(p string) bool {
	_, ok := s.recorded(p)
	return ok
}

func (s *search) recorded(p string) (profile.Access, bool) {
	i, ok := slices.BinarySearchFunc(s.baseline.Accesses, p, func(a profile.Access, p string) int { return strings.Compare(a.Path, p) })
	if !ok {
		return profile.Access{}, false
	}
	return s.baseline.Accesses[i], true
}

func sortMissing(l []Missing) {
	slices.SortFunc(l, func(a, b Missing) int { return strings.Compare(a.access.Path, b.access.Path) })
}

// join adds who else asked for the same path, and how.
func (m *Missing) join(old Missing) {
	m.By = sortedUnique(append(m.By, old.By...))
	m.Kinds = sortedUnique(append(slices.Clone(m.Kinds), old.Kinds...))
	m.access.By, m.access.Kinds = m.By[:min(len(m.By), profile.MaxBy)], m.Kinds
}

// neverFound says that the source's recording asked for a path in vain.
func (s *search) neverFound(p string) bool {
	a, ok := s.recorded(p)
	return ok && !a.Exists
}

// program asks for what is started, as execvpe(3) looks for it.
func (s *search) program(spec engine.Spec) {
	if len(spec.Argv) == 0 {
		return
	}
	for _, p := range candidates(spec) {
		if res, err := s.source.Resolve(p); err != nil || res.Entry.Type != layers.Regular {
			continue
		}
		s.ask(profile.Access{Path: p, Kinds: []profile.Kind{profile.Exec}, By: []string{byStart}})
		s.kernel(p)
		return
	}
}

// kernel asks for what the kernel itself opens to execute a program, which no
// system call shows: interpreters.
func (s *search) kernel(program string) {
	for _, i := range interpreters(s.source, program) {
		s.ask(profile.Access{Path: i.path, Kinds: []profile.Kind{profile.Exec}, By: []string{Text(i.of)}})
	}
}

// ask notes a path that was not there when it was asked for, if it is missing.
func (s *search) ask(a profile.Access) {
	resolve := (*layers.Tree).Resolve
	if onlyLink(&a) {
		resolve = (*layers.Tree).ResolveLink
	}
	want, err := resolve(s.source, a.Path)
	if err != nil || mounted(a.Path) || mounted(want.Entry.Path) {
		return
	}
	m := Missing{Path: Text(a.Path), By: append([]string{}, a.By...), Kinds: a.Kinds, Lacks: []string{}, Restore: []string{}}
	if want.Entry.Path != a.Path {
		m.Resolved = Text(want.Entry.Path)
	}
	if _, err := resolve(s.slim, a.Path); err != nil {
		s.lacks(&m, a.Path, want)
	} else if m.HiddenBy = s.hiddenBy(want.Entry.Path); m.HiddenBy == "" {
		return // there, though the program did not get it
	}
	m.access = a
	m.access.Path, m.access.Resolved, m.access.Exists = profilePath(a.Path), want.Entry.Path, true
	if old := s.found[m.access.Path]; old != nil {
		m.join(*old)
	}
	s.found[m.access.Path] = &m
}

// lacks fills in what of the way the slim image has not, and what to do.
func (s *search) lacks(m *Missing, asked string, want layers.Resolution) {
	for _, p := range append(slices.Clone(want.Links), want.Entry.Path) {
		if _, ok := s.slim.Lookup(p); ok || slices.Contains(m.Lacks, Text(p)) {
			continue
		}
		m.Lacks = append(m.Lacks, Text(p))
		if g := group(asked, p); g != "" {
			m.Restore = append(m.Restore, "--group "+g)
		} else {
			m.Restore = append(m.Restore, "--keep "+shellWord(pattern(p)))
		}
	}
	m.Restore = sortedUnique(m.Restore)
}

func group(paths ...string) string {
	for _, p := range paths {
		if g := slim.GroupOf(p); g != "" {
			return g
		}
	}
	return ""
}

func (s *search) hiddenBy(p string) string {
	for _, w := range s.writable {
		if w.How == Tmpfs && w.path != p && below(p, w.path) {
			return w.Path
		}
	}
	return ""
}

// onlyLink says that a symlink was looked at and never followed.
func onlyLink(a *profile.Access) bool {
	return !slices.ContainsFunc(a.Kinds, func(k profile.Kind) bool { return k != profile.Readlink && k != profile.Delete })
}

// profilePath is the form that a profile has paths in: no empty or "."
// components.
func profilePath(p string) string {
	var out strings.Builder
	for c := range strings.SplitSeq(p, "/") {
		if c != "" && c != "." {
			out.WriteString("/" + c)
		}
	}
	if out.String() == "" {
		return "/"
	}
	return out.String()
}
