package slim

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// What Options.Reach takes.
const (
	ReachReport = "report" // a risk for each package, with its size
	ReachKeep   = "keep"
)

// Bounds on static import graphs: source that is longer is generated data,
// and what is beyond the total is reported as not looked at.
const (
	maxSource      = 2 << 20
	maxSourceTotal = 1 << 30
	maxReachRisks  = 40 // packages that are named; the rest is one line
	maxReachPaths  = 3  // examples of each
)

// language is one whose imports can be followed.
type language struct {
	rule string // "reach-python"
	// source says that a file is code of the language, by its name.
	source func(name string) bool
	// imports are the paths that a file imports, in its order; they may not
	// exist, and lead through links.
	imports func(s *selection, e *layers.Entry, src []byte) []string
	// unit names what a file is of, for people: a package, an application.
	unit func(s *selection, p string) string
}

// reached is a file that kept code can import, with the file that does.
type reached struct {
	entry *layers.Entry
	path  string // by which it was found
	from  string
}

// graph follows the imports of one language.
type graph struct {
	language
	seen map[string]bool // files whose imports were followed, or are queued
	next int             // in the order of keeping
	left int64           // bytes of source
	cut  bool            // something was not looked at
}

// reachRule follows imports while files are kept: with ReachKeep it keeps
// what they lead to, else it reports in the end what they would.
func reachRule(l language) rule {
	return rule{
		name: l.rule,
		settle: func(s *selection) {
			if s.options.Reach != ReachKeep {
				return
			}
			g := s.graph(l)
			for _, r := range g.step(s, g.kept(s)) {
				s.add(r.path, Reason{Rule: l.rule, From: r.from})
			}
		},
		finish: func(s *selection) {
			g := s.graph(l)
			if s.options.Reach != ReachKeep {
				g.report(s)
			}
			if g.cut {
				s.risk(l.rule, "", fmt.Sprintf("more than %d MB of source: the imports of the rest were not followed", maxSourceTotal>>20))
			}
		},
	}
}

// graph is the one state of a language in this selection.
func (s *selection) graph(l language) *graph {
	if s.graphs[l.rule] == nil {
		s.graphs[l.rule] = &graph{language: l, seen: map[string]bool{}, left: maxSourceTotal}
	}
	return s.graphs[l.rule]
}

// kept are the files of code that were kept since the last call.
func (g *graph) kept(s *selection) []*layers.Entry {
	var out []*layers.Entry
	for ; g.next < len(s.keep.order); g.next++ {
		if e, ok := s.tree.Lookup(s.keep.order[g.next]); ok {
			out = g.queue(out, e)
		}
	}
	return out
}

func (g *graph) queue(list []*layers.Entry, e *layers.Entry) []*layers.Entry {
	if e.Type != layers.Regular || g.seen[e.Path] || !g.source(e.Name()) {
		return list
	}
	g.seen[e.Path] = true
	return append(list, e)
}

// step reads files and returns what they import and is not kept, in order.
func (g *graph) step(s *selection, files []*layers.Entry) []reached {
	var nodes []*layers.Inode
	files = slices.DeleteFunc(files, func(e *layers.Entry) bool {
		if e.Size > maxSource || e.Size > g.left {
			g.cut = g.cut || e.Size <= maxSource
			return true
		}
		g.left -= e.Size
		nodes = append(nodes, e.Inode)
		return false
	})
	if err := s.tree.Prefetch(context.Background(), nodes); err != nil {
		s.err = cmp.Or(s.err, err)
		return nil
	}
	var out []reached
	for _, e := range files {
		src, err := s.tree.ReadContent(e.Inode, maxSource)
		if err != nil {
			s.err = cmp.Or(s.err, err)
			return nil
		}
		for _, p := range g.imports(s, e, src) {
			res, err := s.tree.Resolve(p)
			if err == nil && res.Entry.Type == layers.Regular && !s.keep.Has(res.Entry.Path) {
				out = append(out, reached{res.Entry, p, e.Path})
			}
		}
	}
	return out
}

// report follows imports to the end without keeping anything, and marks a
// risk for every package that has files which kept code can import.
func (g *graph) report(s *selection) {
	units := map[string][]reached{}
	found := map[string]bool{}
	for files := g.kept(s); len(files) > 0; {
		var next []*layers.Entry
		for _, r := range g.step(s, files) {
			if found[r.entry.Path] {
				continue
			}
			found[r.entry.Path] = true
			u := g.unit(s, r.entry.Path)
			units[u] = append(units[u], r)
			next = g.queue(next, r.entry)
		}
		files = next
	}
	g.mark(s, units)
}

func (g *graph) mark(s *selection, units map[string][]reached) {
	names := sortedKeys(units)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(sizeOf(units[b]), sizeOf(units[a])) })
	for _, name := range names[:min(len(names), maxReachRisks)] {
		rs := units[name]
		slices.SortFunc(rs, func(a, b reached) int { return cmp.Compare(a.entry.Path, b.entry.Path) })
		var examples []string
		for _, r := range rs[:min(len(rs), maxReachPaths)] {
			examples = append(examples, quoted(r.entry.Path)+" (from "+quoted(r.from)+")")
		}
		s.risk(g.rule, path.Dir(rs[0].entry.Path), fmt.Sprintf("%s: kept code can import files that are not kept: %d of %d bytes, as %s; --reach keep keeps them",
			quoted(name), len(rs), sizeOf(rs), strings.Join(examples, ", ")))
	}
	if more := names[min(len(names), maxReachRisks):]; len(more) > 0 {
		var rest []reached
		for _, name := range more {
			rest = append(rest, units[name]...)
		}
		s.risk(g.rule, "", fmt.Sprintf("%d more packages: %d files of %d bytes", len(more), len(rest), sizeOf(rest)))
	}
}

func sizeOf(rs []reached) int64 {
	var n int64
	for _, r := range rs {
		n += r.entry.Size
	}
	return n
}
