//go:build linux

package oracle

import (
	"archive/tar"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/internal/testimage"
)

// unit is one entry of a layer before its order and its spelling are chosen.
type unit struct {
	// key sorts as docker writes: a whiteout, what takes its place, a
	// directory's marker, its children.
	key    string
	parent string // the directory that it must not come before
	name   string // without prefix
	item   *item  // nil for markers
}

// emit writes the layer down: sorted as docker does, or shuffled with parents
// first; what is named through a symlink comes last.
func (g *generator) emit() layer {
	units := g.units()
	slices.SortFunc(units, func(a, b unit) int { return strings.Compare(a.key, b.key) })
	if g.shuffled {
		units = shuffle(g.rnd, units)
	}
	l := layer{compression: pick(g, []string{"gzip", "gzip", "none"})}
	prefix := pick(g, []string{"", "./", "/"})
	if g.chance(0.2) {
		l.entries = append(l.entries, testimage.Entry{Header: g.rootHeader()})
	}
	first := map[int]string{} // a hard-link group's first name
	for _, last := range []bool{false, true} {
		for _, u := range units {
			if last != (u.item != nil && u.item.name != "") {
				continue
			}
			if u.item == nil {
				l.markers++
			}
			if last {
				l.via++
			}
			l.entries = append(l.entries, g.write(u, prefix, first))
		}
	}
	return l
}

func (g *generator) units() []unit {
	var units []unit
	for p, it := range g.items {
		u := unit{key: p + "\x01", parent: path.Dir(p), name: p[1:], item: it}
		if it.name != "" {
			u.name = it.name[1:]
		}
		units = append(units, u)
	}
	for p := range g.gone {
		dir, base := path.Split(p)
		units = append(units, unit{key: p + "\x00", parent: path.Clean(dir), name: dir[1:] + ".wh." + base})
	}
	for d := range g.opaque {
		units = append(units, unit{key: d + "\x02", parent: d, name: d[1:] + "/.wh..wh..opq"})
	}
	for _, name := range g.absent {
		units = append(units, unit{key: "/" + name, parent: "/", name: name})
	}
	return units
}

// shuffle orders units at random, but no directory after what is in it.
func shuffle(rnd *rand.Rand, units []unit) []unit {
	units = slices.Clone(units)
	rnd.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
	dirs := map[string]int{}
	for i, u := range units {
		if u.item != nil {
			dirs[u.item.path] = i
		}
	}
	var out []unit
	done := make([]bool, len(units))
	var add func(i int)
	add = func(i int) {
		if done[i] {
			return
		}
		done[i] = true
		for p := units[i].parent; p != "/"; p = path.Dir(p) {
			if j, ok := dirs[p]; ok {
				add(j)
				break
			}
		}
		out = append(out, units[i])
	}
	for i := range units {
		add(i)
	}
	return out
}

func (g *generator) rootHeader() tar.Header {
	h := g.entry(tar.TypeDir).Header
	h.Name = "./"
	return h
}

// write spells an entry. The first name of a hard-link group carries the
// node, the others link to it.
func (g *generator) write(u unit, prefix string, first map[int]string) testimage.Entry {
	if u.item == nil {
		return testimage.Entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: prefix + u.name, Mode: 0o644, Format: tar.FormatPAX}}
	}
	e := u.item.entry
	e.Name = prefix + u.name
	if e.Typeflag == tar.TypeDir && g.chance(0.8) {
		e.Name += "/"
	}
	if u.item.group == 0 {
		return e
	}
	to, ok := first[u.item.group]
	if !ok {
		first[u.item.group] = u.name
		return e
	}
	// The link's own header says something else, which counts for nothing.
	return testimage.Entry{Header: tar.Header{
		Typeflag: tar.TypeLink, Name: e.Name, Linkname: pick(g, []string{"", "./", "/"}) + to,
		Mode: 0o777, Uid: 12, Gid: 34, Format: tar.FormatPAX, ModTime: e.ModTime.AddDate(0, 0, 1),
	}}
}
