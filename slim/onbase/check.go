package onbase

import (
	"context"
	"fmt"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// check looks at the merged tree: what was found in the source must be found
// there, so that what was broken before is not blamed on the base.
func (s *seater) check(ctx context.Context) error {
	s.checkLinks()
	if err := s.checkLibraries(ctx); err != nil {
		return err
	}
	return s.view.err
}

// checkLinks follows the symlinks that the source carries.
func (s *seater) checkLinks() {
	kept := map[string]bool{"/": true}
	for _, x := range s.pairs {
		kept[x.source.Path] = true
	}
	for _, x := range s.pairs {
		if x.whose != ofSource || x.source.Type != layers.Symlink {
			continue
		}
		was, err := s.source.Tree.Resolve(x.source.Path)
		if err != nil || !kept[was.Entry.Path] {
			continue // it led nowhere before, or to what is not kept
		}
		if _, _, err := s.view.resolve(x.at); err != nil {
			s.findings = append(s.findings, Finding{
				Name: FindingLink, Severity: SeverityError, Path: x.at,
				Text: fmt.Sprintf("the symlink to %q led to %q in the source, and leads nowhere on this base", x.source.Linkname, was.Entry.Path),
				Next: "choose with --prefer source, or a base that has what it leads to",
			})
		}
	}
}

// checkLibraries looks for what every ELF file needs that is kept, whosever
// copy counts.
func (s *seater) checkLibraries(ctx context.Context) error {
	before, after := elfdeps.NewResolver(sourceTree(s.source.Tree)), elfdeps.NewResolver(elfView{s.view})
	for _, x := range s.pairs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if x.source.Type != layers.Regular || x.source.Sniff().ELF == nil {
			continue
		}
		final, _, err := s.view.resolve(x.at)
		if err != nil {
			continue
		}
		had := map[string]bool{}
		for _, lib := range before.Deps(elfdeps.File{Path: x.source.Path, Final: x.source.Path}, s.LibraryPath) {
			had[lib.Name] = lib.Path != ""
		}
		for _, lib := range after.Deps(elfdeps.File{Path: x.at, Final: final}, s.LibraryPath) {
			if found, asked := had[lib.Name]; lib.Path == "" && (found || !asked) {
				s.lacks(x, lib)
			}
		}
	}
	return nil
}

func (s *seater) lacks(x *pair, lib elfdeps.Found) {
	what := "needs the library"
	if lib.Via == "interp" {
		what = "is started by"
	}
	s.findings = append(s.findings, Finding{
		Name: FindingElf, Severity: SeverityError, Path: x.at,
		Text: fmt.Sprintf("%s %q, which the loader would not find on this base", what, lib.Name),
		Next: "choose a base of the source's distribution, or --prefer source",
	})
}

// sourceTree is a tree alone, as package elfdeps wants it.
func sourceTree(t *layers.Tree) elfdeps.Tree {
	return elfView{newView(t)}
}
