package slim

import (
	"slices"

	"github.com/pare-image/pare/layers/pkgdb"
)

// rulePackage is granularity package: a Debian package of which the profile
// or the config named a file comes whole, and so do the packages that it
// depends on.
var rulePackage = rule{name: "package", seed: func(s *selection) {
	if s.options.Granularity != GranularityPackage {
		return
	}
	done := map[*pkgdb.Package]bool{}
	for _, p := range slices.Concat(s.touchedIn, s.keptFor("config")) {
		owner, ok := s.packages.Owner(p)
		if !ok || done[owner] {
			continue
		}
		deps := s.packages.Depends(owner, done)
		done[owner] = true
		s.addPaths(owner.Paths(), Reason{Rule: "package", From: p})
		for _, dep := range deps {
			done[dep] = true
			s.addPaths(dep.Paths(), Reason{Rule: "package", From: p, Note: owner.ID() + " depends on " + dep.ID()})
		}
	}
}}

// keptFor are the paths that a rule keeps, in the order of keeping.
func (s *selection) keptFor(rule string) []string {
	var out []string
	for _, p := range s.keep.order {
		if slices.ContainsFunc(s.keep.Reasons(p), func(r Reason) bool { return r.Rule == rule }) {
			out = append(out, p)
		}
	}
	return out
}

func (s *selection) addPaths(paths []string, r Reason) {
	for _, p := range paths {
		s.add(p, r)
	}
}
