package rebase

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers/pkgdb"
)

// FindingAccounts: merged accounts share a number, or one has two.
const FindingAccounts = "account-conflict"

// accountFile is a file of lines about users or groups: fields that colons
// separate, the first is the name.
type accountFile struct {
	path string
	// id is the field with the number; -1 for none.
	id int
	// list is the field with names that commas separate; -1 for none.
	list int
}

// accountFiles are passwd(5), group(5), shadow(5), gshadow(5), subuid(5).
var accountFiles = []accountFile{
	{"/etc/passwd", 2, -1},
	{"/etc/group", 2, 3},
	{"/etc/shadow", -1, -1},
	{"/etc/gshadow", -1, 3},
	{"/etc/subuid", -1, -1},
	{"/etc/subgid", -1, -1},
}

// accountLines are a file's lines by name, and its names in order.
type accountLines struct {
	names []string
	lines map[string][]string // fields
}

func parseAccounts(b []byte) accountLines {
	a := accountLines{lines: map[string][]string{}}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if _, twice := a.lines[f[0]]; twice || f[0] == "" {
			continue // the first counts
		}
		a.names = append(a.names, f[0])
		a.lines[f[0]] = f
	}
	return a
}

// merge merges the file of old base, image and new base by name and, where
// more than one changed an account, by field. conflicts say what could not be
// decided; there the image's stays.
func (f accountFile) merge(old, app, base []byte) (merged []byte, conflicts []string) {
	o, a, n := parseAccounts(old), parseAccounts(app), parseAccounts(base)
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
func (f accountFile) mergeLine(o, a, n []string) (line []string, conflict string) {
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
	split := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }
	return strings.Join(pkgdb.MergeLines(split(o), split(a), split(n)), ",")
}

// shared names numbers that two accounts have and that neither the image nor
// the new base gives to both.
func (f accountFile) shared(merged [][]string, a, n accountLines) []string {
	if f.id < 0 {
		return nil
	}
	by := map[string][]string{}
	for _, line := range merged {
		if f.id < len(line) {
			by[line[f.id]] = append(by[line[f.id]], line[0])
		}
	}
	both := func(l accountLines, x, y, id string) bool {
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

// sameLines says whether two files have the same lines in any order.
func sameLines(a, b []byte) bool {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}
