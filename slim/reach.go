package slim

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/pare-image/pare/layers"
)

// What Options.Reach takes.
const (
	ReachReport = "report" // a risk for each package, with its size
	ReachKeep   = "keep"
)

// Bounds on static import graphs: source that is longer is generated data,
// and what is beyond the total is reported as not looked at. What the workload
// did not touch is bounded by smallSource, up to which WantContent takes it:
// no layer is read again for a report.
const (
	maxSource      = 2 << 20
	maxSourceTotal = 1 << 30
	maxReachRisks  = 15 // packages that are named; the rest is one line
)

// language is one whose imports can be followed.
type language struct {
	rule string // "reach-python"
	// used says that the workload ran the language: source may be data to
	// others, such as what a web server sends to browsers.
	used func(s *selection) bool
	// source says that a file is code whose imports count.
	source func(s *selection, e *layers.Entry) bool
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
			if s.options.Reach != ReachKeep || !l.used(s) {
				return
			}
			g := s.graph(l)
			for _, r := range g.step(s, g.kept(s)) {
				s.add(r.path, Reason{Rule: l.rule, From: r.from})
			}
		},
		finish: func(s *selection) {
			if !l.used(s) {
				return
			}
			g := s.graph(l)
			if s.options.Reach != ReachKeep {
				g.report(s)
			}
			if g.cut || s.langs.Exhausted() {
				s.risk(l.rule, "", fmt.Sprintf("more than %d MB of source, or very many imports: the rest were not followed", maxSourceTotal>>20))
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
			out = g.queue(s, out, e)
		}
	}
	return out
}

func (g *graph) queue(s *selection, list []*layers.Entry, e *layers.Entry) []*layers.Entry {
	if e.Type != layers.Regular || g.seen[e.Path] || !g.source(s, e) {
		return list
	}
	if e.Size > smallSource && s.touched(e.Path) == nil {
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
// risk for every package of which kept code imports a file.
func (g *graph) report(s *selection) {
	units := map[string]*reachUnit{}
	found := map[string]bool{}
	files, direct := g.kept(s), true
	for ; len(files) > 0; direct = false {
		var next []*layers.Entry
		for _, r := range g.step(s, files) {
			if found[r.entry.Path] {
				continue
			}
			found[r.entry.Path] = true
			name := g.unit(s, r.entry.Path)
			if units[name] == nil {
				units[name] = &reachUnit{name: name, first: r, direct: direct}
			}
			units[name].files++
			units[name].bytes += r.entry.Size
			next = g.queue(s, next, r.entry)
		}
		files = next
	}
	g.mark(s, units)
}

// reachUnit is an application or a package with files that are reached.
type reachUnit struct {
	name   string
	first  reached
	direct bool // a kept file imports one, and not only one that is not kept
	files  int
	bytes  int64
}

// mark names the packages that kept code imports, the largest first; those
// that only these import, and small ones of many, are one line together.
func (g *graph) mark(s *selection, units map[string]*reachUnit) {
	var all []*reachUnit
	for _, name := range sortedKeys(units) {
		all = append(all, units[name])
	}
	slices.SortStableFunc(all, func(a, b *reachUnit) int {
		if a.direct != b.direct {
			return cmp.Compare(truth(b.direct), truth(a.direct))
		}
		return cmp.Compare(b.bytes, a.bytes)
	})
	n := 0
	for n < min(len(all), maxReachRisks) && all[n].direct {
		u := all[n]
		n++
		s.ranked(n, g.rule, u.first.entry.Path, fmt.Sprintf("%s: kept code can import %d files of %d bytes that are not kept, first from %s", quoted(u.name), u.files, u.bytes, quoted(u.first.from)))
	}
	if rest := all[n:]; len(rest) > 0 {
		files, bytes := 0, int64(0)
		for _, u := range rest {
			files, bytes = files+u.files, bytes+u.bytes
		}
		s.ranked(n+1, g.rule, "", fmt.Sprintf("%d more, smaller ones and those that only these import: %d files of %d bytes; --reach keep keeps all", len(rest), files, bytes))
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
