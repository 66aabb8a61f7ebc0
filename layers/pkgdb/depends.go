package pkgdb

import (
	"slices"
	"strings"
)

// Depends returns the installed packages that p needs to run (Pre-Depends and
// Depends, to the end), by ID, without p. Those of done are left out with what
// they need: who asks for many packages is told each once, in a time that grows
// with their number and not its square. Of alternatives the first that is
// installed counts; versions are not compared, as what is installed was
// accepted by dpkg.
func (d *DB) Depends(p *Package, done map[*Package]bool) []*Package {
	seen := map[*Package]bool{p: true}
	queue := []*Package{p}
	var out []*Package
	for len(queue) > 0 {
		for _, alternatives := range queue[0].depends {
			for _, name := range alternatives {
				q := d.called(name, p.Arch)
				if q == nil {
					continue
				}
				if !seen[q] && !done[q] {
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

// called is the package of that name, by preference of that architecture, or
// else the first that provides it; nil when none is installed.
func (d *DB) called(name, arch string) *Package {
	if strings.HasPrefix(name, "/") { // apk's, for the interpreter of a script
		if e, _ := d.names.find(name); e != nil && len(d.owners[e.Path]) > 0 {
			return d.owners[e.Path][0]
		}
		return nil
	}
	var first *Package
	for _, q := range d.byName[name] {
		if q.Arch == arch {
			return q
		}
		if first == nil {
			first = q
		}
	}
	if first == nil {
		return d.provided[name]
	}
	return first
}

// index makes it quick to find packages by name.
func (d *DB) index() {
	d.byName, d.provided = make(map[string][]*Package, len(d.packages)), map[string]*Package{}
	for _, q := range d.packages {
		d.byName[q.Name] = append(d.byName[q.Name], q)
		for _, v := range q.provides {
			if d.provided[v] == nil {
				d.provided[v] = q
			}
		}
	}
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
