package onbase

import (
	"fmt"
	"slices"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

// isDistro says that a file tells the distribution, where the base tells its
// own: what scanners look up the packages by must have one answer.
func (s *seater) isDistro(x *pair) bool {
	return len(s.base.Packages.Packages()) > 0 && slices.Contains(pkgdb.DistroFiles, x.source.Path)
}

// checkDistribution compares the distributions of both sides where packages
// of the source are added to the base's: scanners judge them all by one.
func (s *seater) checkDistribution() {
	if len(s.base.Packages.Packages()) == 0 {
		return
	}
	i := slices.IndexFunc(s.pairs, func(x *pair) bool {
		v := s.verdict(x)
		return v != nil && v.base == nil && x.whose == ofSource && x.source.Type != layers.Directory
	})
	if i < 0 {
		return
	}
	ours, theirs := pkgdb.Distribution(s.source.Tree), pkgdb.Distribution(s.base.Tree)
	if ours == "" || theirs == "" || ours == theirs {
		return
	}
	s.findings = append(s.findings, Finding{
		Name: FindingDistribution, Severity: SeverityError, Path: s.pairs[i].at,
		Text: fmt.Sprintf("it is of the package %s of %q, and the base is %q: scanners would look it up there", s.verdict(s.pairs[i]).source.ID(), ours, theirs),
		Next: "choose a base of the source's distribution and release, or, if scanners are told by other means, allow it with --allow " + FindingDistribution,
	})
}
