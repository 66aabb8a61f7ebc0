package onbase

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// linking is the check of what is loaded together in the output.
type linking struct {
	*seater
	before, after *elfdeps.Linker  // in the source, and in the output
	alone         *elfdeps.Linker  // in the base
	files         map[string]*pair // final path in the output -> the kept file; nil for one of the base alone
}

// checkLibraries does what the loader would do for every kept ELF file,
// whosever copy counts: libraries, their versions and symbols. What the source
// lacks too, or the base by itself, is not the output's fault.
func (s *seater) checkLibraries(ctx context.Context) error {
	l := &linking{
		seater: s, files: map[string]*pair{},
		before: elfdeps.NewLinker(layers.ELFTree{Tree: s.source.Tree}, s.LibraryPath),
		after:  elfdeps.NewLinker(elfView{s.view}, s.LibraryPath),
		alone:  elfdeps.NewLinker(layers.ELFTree{Tree: s.base.Tree}, s.LibraryPath),
	}
	if err := l.collect(); err != nil {
		return elfLimit(err)
	}
	if err := l.prefetch(ctx); err != nil {
		return err
	}
	lacks := map[provider]*lacking{}
	for _, p := range slices.Sorted(maps.Keys(l.files)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.check(p, lacks); err != nil {
			return elfLimit(err)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(lacks), provider.compare) {
		s.findings = append(s.findings, lacks[k].finding(k, s.view))
	}
	return nil
}

func elfLimit(err error) error {
	if errors.Is(err, elfdeps.ErrTooMuch) {
		return fmt.Errorf("checking ELF files: %w: %w", layers.ErrLimit, err)
	}
	return err
}

// collect finds the kept ELF files and what is loaded with them.
func (l *linking) collect() error {
	for _, x := range l.pairs {
		if x.source.Type != layers.Regular || x.source.Sniff().ELF == nil || x.whose == ofNone {
			continue
		}
		final, _, err := l.view.resolve(x.at)
		if err != nil {
			continue
		}
		l.files[final] = x
	}
	for _, p := range slices.Sorted(maps.Keys(l.files)) {
		loaded, err := l.after.Load(p)
		if err != nil {
			return err
		}
		for _, f := range loaded.Files {
			if _, known := l.files[f.Final]; !known {
				l.files[f.Final] = nil
			}
		}
	}
	return nil
}

// prefetch has the symbols at hand, so that each layer is read once.
func (l *linking) prefetch(ctx context.Context) error {
	nodes := map[*layers.Tree][]*layers.Inode{}
	for p, x := range l.files {
		if n, ok := l.view.lookup(p); ok && n.tree != nil {
			nodes[n.tree] = append(nodes[n.tree], n.Inode)
		}
		if x != nil {
			nodes[l.source.Tree] = append(nodes[l.source.Tree], x.source.Inode)
		}
	}
	for _, t := range []*layers.Tree{l.source.Tree, l.base.Tree} {
		if err := t.Prefetch(ctx, nodes[t]); err != nil {
			return fmt.Errorf("checking ELF files: %w", err)
		}
	}
	return nil
}

// provider is where something should come from.
type provider struct {
	kind           elfdeps.LackKind
	library, where string
}

func (p provider) compare(q provider) int {
	return strings.Compare(fmt.Sprintf("%d\x00%s\x00%s", p.kind, p.library, p.where), fmt.Sprintf("%d\x00%s\x00%s", q.kind, q.library, q.where))
}

// lacking is what is lacked of one provider, and by whom.
type lacking struct {
	names map[string]bool
	files []string
}

// check notes what the file at p lacks in the output and did not before.
func (l *linking) check(p string, all map[provider]*lacking) error {
	lacks, err := l.after.Lacks(p)
	if err != nil || len(lacks) == 0 {
		return err
	}
	had, err := l.lacked(p)
	if err != nil {
		return err
	}
	for _, x := range lacks {
		where := x.Where
		x.Where = ""
		if had[x] {
			continue
		}
		k := provider{x.Kind, x.Library, where}
		name := x.Name
		switch {
		case x.Kind == elfdeps.LackInterpreter || x.Kind == elfdeps.LackLibrary:
			k.library = x.Name
		case x.Version != "":
			name += "@" + x.Version
		}
		if all[k] == nil {
			all[k] = &lacking{names: map[string]bool{}}
		}
		all[k].names[name] = true
		if files := all[k].files; len(files) == 0 || files[len(files)-1] != p {
			all[k].files = append(files, p)
		}
	}
	return nil
}

// lacked is what the file lacked in the image that it comes from.
func (l *linking) lacked(p string) (map[elfdeps.Lack]bool, error) {
	var lacks []elfdeps.Lack
	var err error
	if x := l.files[p]; x != nil {
		lacks, err = l.before.Lacks(x.source.Path)
	} else {
		lacks, err = l.alone.Lacks(p)
	}
	had := map[elfdeps.Lack]bool{}
	for _, x := range lacks {
		x.Where = ""
		had[x] = true
	}
	return had, err
}

// finding names what is lacked: "GLIBC_2.38" of "libc.so.6".
func (k *lacking) finding(p provider, v *view) Finding {
	f := Finding{
		Name: FindingElf, Severity: SeverityError, Path: k.first(v),
		Next: "choose a base of the source's distribution that is not older, or --prefer source",
	}
	names, whose := listed(slices.Sorted(maps.Keys(k.names))), "the source"
	if _, n, err := v.resolve(p.where); err == nil && n.tree == v.base {
		whose = "the base"
	}
	switch {
	case p.kind == elfdeps.LackInterpreter:
		f.Text = fmt.Sprintf("is started by %q, which this base does not have", p.library)
	case p.kind == elfdeps.LackLibrary:
		f.Text = fmt.Sprintf("needs the library %q, which the loader would not find on this base", p.library)
	case p.where == "":
		f.Text = fmt.Sprintf("needs the symbol %s, which none of its libraries has on this base", names)
	case p.kind == elfdeps.LackVersion:
		f.Text = fmt.Sprintf("needs %s of %q: not found in %q of %s", names, p.library, p.where, whose)
	default:
		f.Text = fmt.Sprintf("needs the symbol %s of %q: not found in %q of %s", names, p.library, p.where, whose)
	}
	if more := len(k.files) - 1; more > 0 {
		f.Text += fmt.Sprintf(" (and %d more such files)", more)
	}
	return f
}

// first is the first program among the files, or else the first of them.
func (k *lacking) first(v *view) string {
	for _, p := range k.files {
		if n, ok := v.lookup(p); ok && n.Sniff().ELF.Interp != "" && n.Sniff().ELF.Soname == "" {
			return p
		}
	}
	return k.files[0]
}

// listed names the first few of many.
func listed(names []string) string {
	const most = 5
	var quoted []string
	for _, n := range names[:min(most, len(names))] {
		quoted = append(quoted, fmt.Sprintf("%q", n))
	}
	out := strings.Join(quoted, ", ")
	if more := len(names) - most; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}
