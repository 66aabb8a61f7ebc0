package slim

import (
	"path"
	"strings"

	"github.com/pare-image/pare/layers/langpkg"
	"github.com/pare-image/pare/layers/pkgdb"
)

// ruleCPAN is granularity auto for Perl: a distribution of CPAN of which the
// workload used a file comes whole, but for its documentation, with what it
// requires: by its packlist and what cpanm noted, or, of one that an OS
// package brought (Debian's lib*-perl), what this has of modules, and those
// that it depends on.
var ruleCPAN = rule{name: "cpan", seed: func(s *selection) {
	if s.options.Granularity == GranularityFile || len(s.perlEnv().roots) == 0 {
		return
	}
	var dists wholeQueue[*langpkg.CPAN]
	done := map[*pkgdb.Package]bool{}
	for _, p := range s.usedCode() {
		r := Reason{Rule: "cpan", From: p}
		if d := s.perlEnv().of[p]; d != nil {
			dists.add(d, r)
		} else if owner, ok := s.packages.Owner(p); ok && s.isPerlDist(p) {
			s.addOSLibrary(owner, r, done, s.perlFiles)
		}
	}
	for it, ok := dists.next(); ok && s.err == nil; it, ok = dists.next() {
		s.addCPAN(it, &dists, done)
	}
}}

// addCPAN keeps one distribution whole and queues what it requires.
func (s *selection) addCPAN(it whole[*langpkg.CPAN], q *wholeQueue[*langpkg.CPAN], done map[*pkgdb.Package]bool) {
	s.addFiles(it.reason, it.of.Packlist)
	for _, f := range it.of.Files {
		if !isPerlDoc(f) {
			s.addFiles(it.reason, f)
		}
	}
	for _, module := range it.of.Requires {
		r := it.reason
		r.Note = quoted(it.of.Name + " requires " + module)
		s.addPerlModule(module, r, q, done)
	}
}

// addPerlModule keeps what brought a module, wherever it is installed.
func (s *selection) addPerlModule(module string, r Reason, q *wholeQueue[*langpkg.CPAN], done map[*pkgdb.Package]bool) {
	name := strings.ReplaceAll(module, "::", "/") + ".pm"
	if !s.langs.Spend(64*len(s.perlEnv().roots)) || len(name) > maxName {
		return
	}
	for _, root := range s.perlEnv().roots {
		p := path.Join(root, name)
		if d := s.perlEnv().of[p]; d != nil {
			q.add(d, r)
		} else if owner, ok := s.packages.Owner(p); ok && s.has(p) && !s.isPerlCore(root) {
			s.addOSLibrary(owner, r, done, s.perlFiles)
		}
	}
}
