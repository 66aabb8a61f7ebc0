package accounts

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers/pkgdb"
)

// Merge merges the file of old base, image and new base by name and, where
// more than one changed an account, by field. conflicts say what could not be
// decided; there the image's stays.
func (f File) Merge(old, app, base []byte) (merged []byte, conflicts []string) {
	if f == SubUID || f == SubGID { // in which a user has any number of lines
		var b strings.Builder
		for _, line := range pkgdb.MergeLines(texts(old), texts(app), texts(base)) {
			b.WriteString(line + "\n")
		}
		return []byte(b.String()), nil
	}
	o, a, n := byName(old), byName(app), byName(base)
	var out [][]string
	for _, name := range n.names {
		was, is := o.lines[name], a.lines[name]
		if is == nil && was != nil {
			continue // the image took it out
		}
		line, conflict := f.mergeLine(was, is, n.lines[name])
		if conflict != "" {
			conflicts = append(conflicts, conflict)
		}
		out = append(out, line)
	}
	for _, name := range a.names {
		if n.lines[name] == nil && !slices.Equal(o.lines[name], a.lines[name]) {
			out = append(out, a.lines[name])
		}
	}
	conflicts = append(conflicts, f.shared(out, a, n)...)
	var b strings.Builder
	for _, line := range out {
		b.WriteString(strings.Join(line, ":") + "\n")
	}
	return []byte(b.String()), conflicts
}

// mergeLine merges one account; nil for who does not have it.
func (f File) mergeLine(o, a, n []string) (line []string, conflict string) {
	switch {
	case a == nil || slices.Equal(a, o):
		return n, ""
	case slices.Equal(n, o) || slices.Equal(n, a) || len(a) != len(n):
		return a, ""
	}
	line = slices.Clone(a)
	for i := range line {
		was := ""
		if i < len(o) {
			was = o[i]
		}
		switch {
		case i == f.list:
			line[i] = mergeNames(was, a[i], n[i])
		case a[i] == was && o != nil:
			line[i] = n[i]
		case i == f.id && a[i] != n[i] && n[i] != was:
			conflict = fmt.Sprintf("%s has the number %s in the image and %s in the new base; the image's stays", a[0], a[i], n[i])
		}
	}
	return line, conflict
}

func mergeNames(o, a, n string) string {
	return strings.Join(pkgdb.MergeLines(names(o), names(a), names(n)), ",")
}

// shared names numbers that two accounts have and that neither the image nor
// the new base gives to both.
func (f File) shared(merged [][]string, a, n named) []string {
	if f.id < 0 {
		return nil
	}
	by := map[string][]string{}
	for _, line := range merged {
		if f.id < len(line) {
			by[line[f.id]] = append(by[line[f.id]], line[0])
		}
	}
	both := func(l named, x, y, id string) bool {
		has := func(name string) bool { fs := l.lines[name]; return f.id < len(fs) && fs[f.id] == id }
		return has(x) && has(y)
	}
	var out []string
	for _, id := range slices.Sorted(maps.Keys(by)) {
		names := by[id]
		for _, y := range names[1:] {
			if x := names[0]; !both(a, x, y, id) && !both(n, x, y, id) {
				out = append(out, fmt.Sprintf("%s and %s would both have the number %s: files of one would be the other's", x, y, id))
			}
		}
	}
	return out
}
