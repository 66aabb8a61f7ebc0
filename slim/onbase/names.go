package onbase

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// linkNames sees to names by which programs find what is kept, and that lead
// nowhere in the output: /bin/sh, where /bin is a link in the source and an
// empty directory of the base. They get a symlink.
func (s *seater) linkNames() {
	for _, name := range s.names() {
		if x, ok := s.kept(name); ok && !x.succeeded() {
			s.linkName(name, x)
		}
	}
	slices.SortFunc(s.links, func(a, b Link) int { return strings.Compare(a.Path, b.Path) })
	s.view.seal()
}

// succeeded says that a file of the base by another name stands for x: nobody
// asks for it by its own.
func (x *pair) succeeded() bool {
	return x.whose == ofBase && path.Base(x.at) != path.Base(x.source.Path)
}

// names are those that were asked for, and those by which the kernel finds
// the interpreters of kept files. Sorted.
func (s *seater) names() []string {
	names := slices.Clone(s.Names)
	for _, x := range s.pairs {
		if x.source.Type != layers.Regular || x.whose != ofSource {
			continue
		}
		switch sn := x.source.Sniff(); {
		case sn.ELF != nil:
			names = append(names, sn.ELF.Interp)
		case sn.Shebang != "":
			interp, _ := layers.ParseShebang(sn.Shebang)
			names = append(names, interp)
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !path.IsAbs(n) })
	slices.Sort(names)
	return slices.Compact(names)
}

// linkName makes the links that name needs to lead somewhere.
func (s *seater) linkName(name string, x *pair) {
	if _, _, err := s.view.resolve(name); err == nil {
		return
	}
	prefix, dir := "", "/"
	for part := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		prefix += "/" + part
		at, _, err := s.view.resolve(prefix)
		if err == nil {
			dir = at
			continue
		}
		missing := path.Join(dir, part)
		to, ok := s.kept(prefix)
		if _, there := s.view.lookup(missing); there || !ok || to.at == missing || !errors.Is(err, fs.ErrNotExist) {
			s.lost(name, x)
			return
		}
		s.links = append(s.links, Link{missing, to.at})
		s.view.put(missing, link(missing, to.at))
		dir = to.at
	}
}

// link is a symlink that no image has yet.
func link(p, target string) node {
	h := layers.Header{Type: layers.Symlink, Mode: 0o777, Linkname: target}
	return node{Entry: &layers.Entry{Path: p, Inode: &layers.Inode{Header: h}}}
}

func (s *seater) lost(name string, x *pair) {
	s.findings = append(s.findings, Finding{
		Name: FindingLink, Severity: SeverityError, Path: name,
		Text: fmt.Sprintf("programs use it by this name, which led to %q in the source, and leads nowhere on this base", x.source.Path),
		Next: "choose with --prefer source, or a base that has what it leads to",
	})
}
