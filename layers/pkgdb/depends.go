package pkgdb

import (
	"slices"
	"strings"
)

// Depends returns the installed packages that p needs to run (Pre-Depends and
// Depends, to the end), by ID, without p. Of alternatives the first that is
// installed counts; versions are not compared, as what is installed was
// accepted by dpkg.
func (d *DB) Depends(p *Package) []*Package {
	byName := map[string]*Package{}
	provided := map[string]*Package{}
	for _, q := range d.packages {
		if have := byName[q.Name]; have == nil || q.Arch == p.Arch {
			byName[q.Name] = q
		}
		for _, v := range q.provides {
			if provided[v] == nil {
				provided[v] = q
			}
		}
	}
	seen := map[*Package]bool{p: true}
	queue := []*Package{p}
	var out []*Package
	for len(queue) > 0 {
		for _, alternatives := range queue[0].depends {
			for _, name := range alternatives {
				q := byName[name]
				if q == nil {
					q = provided[name]
				}
				if q == nil {
					continue
				}
				if !seen[q] {
					seen[q] = true
					queue = append(queue, q)
					out = append(out, q)
				}
				break
			}
		}
		queue = queue[1:]
	}
	slices.SortFunc(out, func(a, b *Package) int { return strings.Compare(a.ID(), b.ID()) })
	return out
}

// relations splits "a (>= 1) | b, c:any" into lists of alternatives.
func relations(s string) [][]string {
	var out [][]string
	for clause := range strings.SplitSeq(s, ",") {
		var names []string
		for alt := range strings.SplitSeq(clause, "|") {
			name, _, _ := strings.Cut(strings.TrimSpace(alt), " ")
			name, _, _ = strings.Cut(name, "(")
			name, _, _ = strings.Cut(name, ":")
			if name != "" {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			out = append(out, names)
		}
	}
	return out
}
