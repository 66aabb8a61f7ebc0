package onbase

import (
	"fmt"
	"slices"
	"strings"

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
	ours, theirs := distribution(s.source.Tree), distribution(s.base.Tree)
	if ours == "" || theirs == "" || ours == theirs {
		return
	}
	s.findings = append(s.findings, Finding{
		Name: FindingDistribution, Severity: SeverityError, Path: s.pairs[i].at,
		Text: fmt.Sprintf("it is of the package %s of %q, and the base is %q: scanners would look it up there", s.verdict(s.pairs[i]).source.ID(), ours, theirs),
		Next: "choose a base of the source's distribution and release, or, if scanners are told by other means, allow it with --allow " + FindingDistribution,
	})
}

// distribution is "ID VERSION_ID" of os-release(5); "" where one of both is
// not said.
func distribution(t *layers.Tree) string {
	fields := map[string]string{}
	for line := range strings.Lines(string(layers.ELFTree{Tree: t}.ReadFile("/etc/os-release"))) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			fields[k] = strings.Trim(v, `"'`)
		}
	}
	if fields["ID"] == "" || fields["VERSION_ID"] == "" {
		return ""
	}
	return fields["ID"] + " " + fields["VERSION_ID"]
}
