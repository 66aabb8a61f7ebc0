package slim

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// opensByName are the libraries that a library itself opens by name, by its
// soname, for what may happen in any program: a recording shows them only
// when it happens.
var opensByName = map[string][]string{
	// glibc, misc/unwind-link.c: pthread_cancel, pthread_exit and backtrace
	// unwind with it; a thread that ends without it aborts the program.
	"libc.so.6": {"libgcc_s.so.1"},
}

// ruleDlopen keeps what kept libraries open by name in any program. Other
// names of libraries that stand in kept ELF files as strings are what they may
// open: kept with ReachKeep, else risks.
var ruleDlopen = rule{
	name: "dlopen",
	visit: func(s *selection, e *layers.Entry) {
		info := elfOf(e)
		if info == nil {
			return
		}
		names := opensByName[info.Soname]
		if s.options.Reach == ReachKeep {
			names = slices.Concat(names, info.Names)
		}
		for _, name := range names {
			if p := s.library(info, name); p != "" {
				s.add(p, Reason{Rule: "dlopen", From: e.Path})
			}
		}
	},
	finish: func(s *selection) {
		if s.options.Reach != ReachKeep {
			s.riskDlopen()
		}
	},
}

// maxDlopenRisks is how many libraries are named; the rest is one line.
const maxDlopenRisks = 10

// riskDlopen names the libraries of the image that kept files have the names
// of, and that are not kept: the largest first.
func (s *selection) riskDlopen() {
	type named struct {
		entry *layers.Entry
		from  string
	}
	var all []named
	seen := map[string]bool{}
	for _, p := range s.keep.order {
		e, ok := s.tree.Lookup(p)
		if !ok || elfOf(e) == nil {
			continue
		}
		for _, name := range elfOf(e).Names {
			res, err := s.tree.Resolve(s.library(elfOf(e), name))
			if err == nil && !seen[res.Entry.Path] && !s.keep.Has(res.Entry.Path) {
				seen[res.Entry.Path] = true
				all = append(all, named{res.Entry, e.Path})
			}
		}
	}
	slices.SortFunc(all, func(a, b named) int {
		return cmp.Or(cmp.Compare(b.entry.Size, a.entry.Size), cmp.Compare(a.entry.Path, b.entry.Path))
	})
	for i, n := range all[:min(len(all), maxDlopenRisks)] {
		s.ranked(i+1, "dlopen", n.entry.Path, fmt.Sprintf("%d bytes: %s has its name, and may open it", n.entry.Size, quoted(n.from)))
	}
	if rest := all[min(len(all), maxDlopenRisks):]; len(rest) > 0 {
		s.ranked(maxDlopenRisks+1, "dlopen", "", fmt.Sprintf("%d more libraries have their names in kept files; --reach keep keeps all", len(rest)))
	}
}

// firstProgram is the first kept program that a loader starts, as what decides
// of which kind libraries are for what has no ELF header itself; nil for none.
func (s *selection) firstProgram() *elfdeps.Info {
	for _, p := range s.keep.order {
		if e, ok := s.tree.Lookup(p); ok && elfOf(e) != nil && elfOf(e).Interp != "" {
			return elfOf(e)
		}
	}
	return nil
}

// libraryName is a name that a file of some kind opens.
type libraryName struct {
	machine uint16
	class   byte
	name    string
}

// library is where dlopen(3) would find name for a file of info's machine, as
// far as an image can tell; "" when it is not there.
func (s *selection) library(info *elfdeps.Info, name string) string {
	key := libraryName{info.Machine, info.Class, name}
	p, known := s.opened[key]
	if !known {
		p = s.findLibrary(info, name)
		s.opened[key] = p
	}
	return p
}

func (s *selection) findLibrary(info *elfdeps.Info, name string) string {
	places := []string{name}
	switch {
	case path.IsAbs(name):
	case name == "" || name != path.Base(name):
		return "" // below a directory that only the program knows
	default:
		places = s.libs.Directories(info)
		for i, dir := range places {
			places[i] = path.Join(dir, name)
		}
	}
	if !s.spendLookups(len(places)) {
		return ""
	}
	for _, p := range places {
		if s.isLibrary(info, p) {
			return p // as the loader stops at the first
		}
	}
	return ""
}

// isLibrary says that p leads to an ELF file that a file of info's kind can load.
func (s *selection) isLibrary(info *elfdeps.Info, p string) bool {
	res, err := s.tree.Resolve(p)
	if err != nil {
		return false
	}
	lib := elfOf(res.Entry)
	return lib != nil && lib.Dynamic && lib.Machine == info.Machine && lib.Class == info.Class
}

// elfOf is what an ELF file says; nil for other entries.
func elfOf(e *layers.Entry) *elfdeps.Info {
	if e.Type != layers.Regular {
		return nil
	}
	return e.Sniff().ELF
}
