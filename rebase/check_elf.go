package rebase

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

// Findings of checkELF: what an ELF file needs and does not get on the new
// base, and got on the old one.
const (
	FindingInterpreter = "missing-interpreter"
	FindingLibrary     = "missing-library"
	FindingVersion     = "missing-version"
	FindingSymbol      = "missing-symbol"
)

// checkELF wants programs and libraries to find what they need: those of upper
// layers, and those of the new base that load a library of an upper layer. It
// does what the dynamic loader would do, and reports what is lacked in next
// and was not in app. All other files of the base are the base's own matter:
// checked too, they would give false alarms, most of them of plugins.
var checkELF = check{name: FindingLibrary, run: func(ctx context.Context, s *scene) ([]Finding, error) {
	c := &elfCheck{scene: s, onNew: newLinker(s.next), onOld: newLinker(s.app)}
	paths, err := c.paths()
	if err == nil {
		paths, err = c.affected(ctx, paths)
	}
	if err != nil {
		return nil, elfLimit(err)
	}
	lacks, err := c.lacks(ctx, c.onNew, s.next, paths)
	if err != nil || len(lacks) == 0 {
		return nil, elfLimit(err)
	}
	before, err := c.lacks(ctx, c.onOld, s.app, slices.Sorted(maps.Keys(lacks)))
	if err != nil {
		return nil, elfLimit(err)
	}
	var out []Finding
	for _, p := range slices.Sorted(maps.Keys(lacks)) {
		news := regressions(lacks[p], before[p])
		if slices.ContainsFunc(news, isLoader) {
			return nil, nil // nothing can work, and checkLibc says so
		}
		out = append(out, c.findings(p, news)...)
	}
	return out, nil
}}

// isLoader knows the loader of a C library among what is lacked.
func isLoader(l elfdeps.Lack) bool {
	return l.Kind == elfdeps.LackInterpreter && elfdeps.LibcFamily(l.Name) != ""
}

// elfCheck is one run of checkELF.
type elfCheck struct {
	*scene
	onNew, onOld *elfdeps.Linker
}

func newLinker(t *layers.Tree) *elfdeps.Linker {
	var path []string
	for d := range strings.SplitSeq(variables(t.Config().Config.Env)["LD_LIBRARY_PATH"], ":") {
		if d != "" {
			path = append(path, d)
		}
	}
	return elfdeps.NewLinker(layers.ELFTree{Tree: t}, path)
}

func elfLimit(err error) error {
	if errors.Is(err, elfdeps.ErrTooMuch) {
		return fmt.Errorf("checking ELF files: %w: %w", layers.ErrLimit, err)
	}
	return err
}

// paths are the ELF files to look at, sorted: of upper layers, and of the base
// those that load one of an upper layer, directly or by way of others.
func (c *elfCheck) paths() ([]string, error) {
	var out, queue []string
	users := map[string][]string{} // a library's final path -> files that name it
	for e := range c.next.All() {
		if !isDynamic(e) {
			continue
		}
		if c.isUpper(e) {
			out = append(out, e.Path)
			queue = append(queue, e.Path)
			continue
		}
		needs, err := c.onNew.Needs(e.Path)
		if err != nil {
			return nil, err
		}
		for _, n := range needs {
			if n.Final != "" && n.Final != e.Path {
				users[n.Final] = append(users[n.Final], e.Path)
			}
		}
	}
	for len(queue) > 0 {
		lib := queue[0]
		queue = append(queue[1:], users[lib]...)
		out = append(out, users[lib]...)
		delete(users, lib)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func isDynamic(e *layers.Entry) bool {
	if e.Type != layers.Regular {
		return false
	}
	elf := e.Sniff().ELF
	return elf != nil && (elf.Dynamic || elf.Interp != "")
}

// lacks says what each of the files lacks in a tree; files that lack nothing
// are left out. Content is fetched in one go: each layer is read once.
func (c *elfCheck) lacks(ctx context.Context, l *elfdeps.Linker, t *layers.Tree, paths []string) (map[string][]elfdeps.Lack, error) {
	seen := map[string]bool{}
	var nodes []*layers.Inode
	for _, p := range paths {
		loaded, err := l.Load(p)
		if err != nil {
			return nil, err
		}
		for _, f := range loaded.Files {
			if e, ok := t.Lookup(f.Final); ok && !seen[f.Final] {
				seen[f.Final] = true
				nodes = append(nodes, e.Inode)
			}
		}
	}
	if err := t.Prefetch(ctx, nodes); err != nil {
		return nil, fmt.Errorf("checking ELF files: %w", err)
	}
	out := map[string][]elfdeps.Lack{}
	for _, p := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		lacks, err := l.Lacks(p)
		if err != nil {
			return nil, fmt.Errorf("checking %q: %w", p, err)
		}
		if len(lacks) > 0 {
			out[p] = lacks
		}
	}
	return out, nil
}

// regressions are the lacks that were not there before. Where a library was
// found is no part of what is lacked.
func regressions(lacks, before []elfdeps.Lack) []elfdeps.Lack {
	was := map[elfdeps.Lack]bool{}
	for _, l := range before {
		l.Where = ""
		was[l] = true
	}
	return slices.DeleteFunc(slices.Clone(lacks), func(l elfdeps.Lack) bool {
		l.Where = ""
		return was[l]
	})
}

// findings makes one of all versions, and one of all symbols, that one library
// should have.
func (c *elfCheck) findings(p string, lacks []elfdeps.Lack) []Finding {
	type group struct {
		kind           elfdeps.LackKind
		library, where string
	}
	var order []group
	names := map[group][]string{}
	for _, l := range lacks {
		g := group{kind: l.Kind, library: l.Library, where: l.Where}
		if l.Kind == elfdeps.LackInterpreter || l.Kind == elfdeps.LackLibrary {
			g.library = l.Name
		}
		if names[g] == nil {
			order = append(order, g)
		}
		name := l.Name
		if l.Version != "" {
			name += "@" + l.Version
		}
		names[g] = append(names[g], name)
	}
	var out []Finding
	own, culprit := c.blame(p)
	for _, g := range order {
		f := Finding{
			Severity: SeverityError, Path: utf8Path(p), Layer: own,
			Next: "build the image anew on this base, or choose a base that provides it",
		}
		switch g.kind {
		case elfdeps.LackInterpreter:
			f.Name, f.Text = FindingInterpreter, fmt.Sprintf("its interpreter %q is not there", g.library)
		case elfdeps.LackLibrary:
			f.Name, f.Text = FindingLibrary, fmt.Sprintf("it needs the library %q, which is not found", g.library)
		case elfdeps.LackVersion:
			f.Name, f.Text = FindingVersion, fmt.Sprintf("it needs %s of %q, which %s lacks", listed(names[g]), g.library, c.provider(g.where))
		case elfdeps.LackSymbol:
			f.Name, f.Text = FindingSymbol, fmt.Sprintf("it needs the symbol %s of %q, which %s lacks", listed(names[g]), g.library, c.provider(g.where))
			if g.library == "" {
				f.Text = fmt.Sprintf("it needs the symbol %s, which none of its libraries has", listed(names[g]))
			}
		}
		f.Text = culprit + f.Text
		out = append(out, f)
	}
	return out
}

// blame is the layer of the image that a file is of. A file of the new base
// has none: then culprit begins the text with the first library of an upper
// layer that it loads, which is what brings the lack about.
func (c *elfCheck) blame(p string) (own *int, culprit string) {
	loaded, err := c.onNew.Load(p)
	if err != nil {
		return nil, ""
	}
	for _, f := range loaded.Files {
		e, ok := c.next.Lookup(f.Final)
		if !ok {
			continue
		}
		at := c.layerOfApp(e.Layer)
		switch {
		case f.Final == p && c.isUpper(e):
			return at, ""
		case at != nil:
			return nil, fmt.Sprintf("it is the new base's, and loads %q of the image's layer %d: ", f.Final, *at)
		}
	}
	return nil, ""
}

// provider says where a library is and whose it is.
func (c *elfCheck) provider(where string) string {
	if where == "" {
		return "no file"
	}
	r, err := c.next.Resolve(where)
	if err != nil || !c.isUpper(r.Entry) {
		return fmt.Sprintf("%q of the new base", where)
	}
	if at := c.layerOfApp(r.Entry.Layer); at != nil {
		return fmt.Sprintf("%q of the image's layer %d", where, *at)
	}
	return fmt.Sprintf("%q", where)
}

// listed names the first few of many.
func listed(names []string) string {
	const most = 5
	quoted := make([]string, 0, most)
	for _, n := range names[:min(most, len(names))] {
		quoted = append(quoted, fmt.Sprintf("%q", n))
	}
	out := strings.Join(quoted, ", ")
	if more := len(names) - most; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}
