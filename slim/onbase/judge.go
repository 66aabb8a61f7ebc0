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

// verdict is whose files of a package count that both sides have.
type verdict struct {
	source, base *pkgdb.Package // base is nil where the base has no such package
	order        int            // of the base's version to the source's
}

// judge says whose copy of every file counts.
func (s *seater) judge(context.Context) error {
	theirs := map[string]*pkgdb.Package{}
	for _, p := range s.base.Packages.Packages() {
		theirs[p.Name+" "+p.Arch] = p
	}
	for _, p := range s.source.Packages.Packages() {
		v := &verdict{source: p, base: theirs[p.Name+" "+p.Arch]}
		if v.base != nil {
			v.order = pkgdb.CompareVersions(s.base.Packages.Format, v.base.Version, p.Version)
		}
		s.verdicts[p.ID()] = v
	}
	for _, x := range s.pairs {
		switch {
		case s.isDistro(x):
			x.whose = ofNone
			if x.base.Entry != nil {
				x.whose = ofBase
			}
		case x.decided || x.whose != ofSource:
		case x.source.Type == layers.Directory:
			x.whose = ofSource
		default:
			x.whose = s.whose(x)
		}
	}
	s.unlink()
	return nil
}

// unlink leaves out the links to what is not wanted: the names of a
// certificate that the base no longer trusts.
func (s *seater) unlink() {
	for _, x := range s.pairs {
		if x.whose != ofSource || x.source.Type != layers.Symlink {
			continue
		}
		if r, err := s.source.Tree.Resolve(x.source.Path); err == nil {
			if to, ok := s.places[r.Entry.Path]; ok && to.whose == ofNone {
				x.whose = ofNone
			}
		}
	}
}

// verdict is the one about the package that owns x; nil where none does.
func (s *seater) verdict(x *pair) *verdict {
	if owner, ok := s.source.Packages.Owner(x.source.Path); ok {
		return s.verdicts[owner.ID()]
	}
	return nil
}

// whose decides about one file. What no package owns is the application's, or
// made when the source was built. What is below /etc is configuration: the
// application's counts.
func (s *seater) whose(x *pair) side {
	v := s.verdict(x)
	if x.base.Entry == nil {
		return s.missing(x, v)
	}
	switch {
	case x.content && sameNode(x.source, x.base.Entry) && (sameTime(x.source, x.base.Entry) || v != nil && v.base != nil):
		return ofBase
	case v == nil:
		return s.unowned(x)
	case below(x.at, "/etc"):
		return ofSource
	case v.base == nil:
		return s.conflict(x, fmt.Sprintf("it is of the package %s, which the base does not have, and the base's file differs", v.source.ID()))
	case v.order == 0:
		return ofSource // changed after it was installed
	case v.order > 0 || isDocumentation(x.at):
		return ofBase
	}
	return s.conflict(x, fmt.Sprintf("the base has %s %s, which is older than the source's %s", v.base.ID(), v.base.Version, v.source.Version))
}

// missing decides about a file that the base does not have. A newer version of
// its package may have it by another name, or no longer; an older one may lack
// it. Bases are often made without documentation, which changes nothing.
func (s *seater) missing(x *pair, v *verdict) side {
	if v == nil || v.base == nil || v.order == 0 || below(x.at, "/etc") || isDocumentation(x.at) {
		return ofSource
	}
	next, succeeded := s.successor(x)
	switch {
	case v.order > 0 && succeeded:
		return x.standFor(next)
	case v.order > 0 && below(x.at, certificateDir):
		return ofNone // trusted no longer
	}
	whose := s.conflict(x, fmt.Sprintf("the base has %s %s without it, the source has %s", v.base.ID(), v.base.Version, v.source.Version))
	if whose == ofBase && succeeded {
		return x.standFor(next)
	}
	if whose == ofBase {
		return ofNone
	}
	return whose
}

// standFor has a file of the base by another name stand for x.
func (x *pair) standFor(next node) side {
	x.at, x.base = next.Path, next
	return ofBase
}

// isDocumentation says that no program runs by a file.
func isDocumentation(p string) bool {
	return slices.ContainsFunc([]string{"/usr/share/doc", "/usr/share/info", "/usr/share/lintian", "/usr/share/locale", "/usr/share/man"}, func(dir string) bool {
		return below(p, dir)
	})
}

// successor is the base's library of the same soname beside: the version of a
// file name (libz.so.1.2.13) is not what programs ask for.
func (s *seater) successor(x *pair) (node, bool) {
	if x.source.Type != layers.Regular {
		return node{}, false
	}
	elf := x.source.Sniff().ELF
	if elf == nil || elf.Soname == "" || strings.Contains(elf.Soname, "/") {
		return node{}, false
	}
	r, err := s.base.Tree.Resolve(path.Join(path.Dir(x.at), elf.Soname))
	if err != nil || r.Entry.Type != layers.Regular || r.Entry.Sniff().ELF == nil {
		return node{}, false
	}
	return node{r.Entry, s.base.Tree}, true
}

// unowned decides about a file that no package of the source owns and that
// differs from the base's: where a package of the base owns that, nothing says
// which of both programs expect.
func (s *seater) unowned(x *pair) side {
	if owner, ok := s.base.Packages.Owner(x.at); ok && !below(x.at, "/etc") {
		return s.conflict(x, fmt.Sprintf("no package of the source owns it, and the base's is of %s", owner.ID()))
	}
	return ofSource
}

// conflict is decided by the user, and else a finding. Then the base's copy is
// looked at as if it counted, so that what it lacks is named.
func (s *seater) conflict(x *pair, why string) side {
	switch s.Prefer {
	case PreferSource:
		return ofSource
	case PreferBase:
		return ofBase
	}
	s.findings = append(s.findings, Finding{
		Name: FindingConflict, Severity: SeverityError, Path: x.at, Text: why,
		Next: "choose with --prefer source or --prefer base, or take a base that is not older",
	})
	return ofBase
}

func below(p, dir string) bool { return strings.HasPrefix(p, dir+"/") }
