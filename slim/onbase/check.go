package onbase

import (
	"context"
	"fmt"

	"github.com/pare-image/pare/layers"
)

// check looks at the merged tree: what was found in the source must be found
// there, so that what was broken before is not blamed on the base.
func (s *seater) check(ctx context.Context) error {
	s.checkDistribution()
	s.linkNames()
	s.checkLinks()
	if err := s.checkLibraries(ctx); err != nil {
		return err
	}
	return s.view.err
}

// kept is the pair of what p leads to in the source, where that is kept and
// wanted.
func (s *seater) kept(p string) (*pair, bool) {
	r, err := s.source.Tree.Resolve(p)
	if err != nil {
		return nil, false // it led nowhere before
	}
	x, ok := s.places[r.Entry.Path]
	return x, ok && x.whose != ofNone
}

// checkLinks follows the symlinks that the source carries.
func (s *seater) checkLinks() {
	for _, x := range s.pairs {
		if x.whose != ofSource || x.source.Type != layers.Symlink {
			continue
		}
		to, ok := s.kept(x.source.Path)
		if !ok {
			continue
		}
		if _, _, err := s.view.resolve(x.at); err != nil {
			s.findings = append(s.findings, Finding{
				Name: FindingLink, Severity: SeverityError, Path: x.at,
				Text: fmt.Sprintf("the symlink to %q led to %q in the source, and leads nowhere on this base", x.source.Linkname, to.source.Path),
				Next: "choose with --prefer source, or a base that has what it leads to",
			})
		}
	}
}
