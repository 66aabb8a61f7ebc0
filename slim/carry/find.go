package carry

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// How a path was found under another name.
const (
	howPlatform = "platform"  // what its name says of the architecture is another
	howVersion  = "version"   // a version in its name is another
	howSoname   = "soname"    // the library of that name, by DT_SONAME
	howMoved    = "moved"     // in another directory of the same package
	howLevel    = "cpu-level" // the library for every CPU
	howLink     = "link"      // reached by a link that leads elsewhere
)

// found is what takes the place of a path: its name as a program would ask for
// it, links not followed, and where that leads.
type found struct {
	path  string
	entry *layers.Entry
	how   string
	kin   kinship
	// versions is how many numbers of versions its name has more or less than
	// the one that is gone: libx.so.7 goes with libx.so.6, not libx.so.7.1.
	versions int
}

// better orders what was found: the surest package first, names that differ
// in the architecture alone, the same shape of version.
func better(a, b found) int {
	rank := func(f found) int {
		how := slices.Index([]string{howPlatform, howVersion, howSoname, howMoved}, f.how)
		return int(f.kin)<<16 + how<<8 + min(f.versions, 255)
	}
	return rank(a) - rank(b)
}

// maxTries bounds the names that are tried for one path.
const maxTries = 512

// search walks the components of a path that is gone and tries other names
// for each.
type search struct {
	*carrier
	old   *profile.Access // whose path it is; its package says what may take its place
	tries int
	all   []found
}

// walk finds what goes under other names on the way of p: all of it.
func (c *carrier) walk(a *profile.Access, p string) []found {
	s := &search{carrier: c, old: a}
	s.from("/", "/", strings.Split(strings.TrimPrefix(p, "/"), "/"), "", 0)
	return s.all
}

// from goes on in a directory of the new image with what is left of the path;
// was is the directory as the path has it.
func (s *search) from(dir, was string, rest []string, how string, versions int) {
	for _, alt := range s.alternatives(dir, was, rest[0]) {
		s.try(1)
		if s.tries++; s.tries > maxTries || s.err != nil {
			return
		}
		p := path.Join(dir, alt.name)
		if rest[0] == ".." {
			p = strings.TrimSuffix(dir, "/") + "/.."
		}
		h := max(how, alt.how) // "version" is after "platform"
		if len(rest) > 1 {
			if e := s.lookup(p); e != nil && e.Type == layers.Directory {
				s.from(p, path.Join(was, rest[0]), rest[1:], h, versions+alt.versions)
			}
			continue
		}
		e := s.entry(s.old, p)
		if e == nil || h == "" {
			continue
		}
		if k, ok := s.accept(s.old, e, h, path.Base(p)); ok {
			s.all = append(s.all, found{p, e, h, k, versions + alt.versions})
		}
	}
}

// alternative is another name for a component.
type alternative struct {
	name, how string
	versions  int
}

// alternatives are the names by which a component may go in a directory: its
// own, those of the other architecture, and those with another version.
func (s *search) alternatives(dir, was, name string) []alternative {
	if name == ".." {
		return []alternative{{name: name}}
	}
	var out []alternative
	at := s.lookup(dir)
	if at == nil {
		return nil
	}
	names := append([]string{name}, s.words.names(name)...)
	for i, n := range names {
		how := ""
		if i > 0 {
			how = howPlatform
		}
		if _, ok := s.tree.Lookup(path.Join(at.Path, n)); ok {
			out = append(out, alternative{name: n, how: how})
		}
	}
	for _, n := range names {
		want, parts := stem(n)
		if parts == 0 && !isLibrary(n) {
			continue
		}
		same := s.stems(at)[want]
		s.try(len(same))
		for _, k := range same {
			_, have := stem(k)
			known := slices.ContainsFunc(out, func(a alternative) bool { return a.name == k })
			if !known && hasLibraryVersion(k) == hasLibraryVersion(n) && len(out) < maxTries && !s.wasThere(was, k) {
				out = append(out, alternative{k, howVersion, max(have-parts, parts-have)})
			}
		}
	}
	return out
}

// accept says whether e may take the place of what a reached, and how sure
// that is: it must be of the package that owned it, of that package's
// successor, or, where the package has been split or renamed, a library of the
// same name. What no package owned must be nobody's.
func (c *carrier) accept(a *profile.Access, e *layers.Entry, how, name string) (kinship, bool) {
	q, owned := c.db.Owner(e.Path)
	old, known := c.owner(a)
	switch {
	case known && owned:
		k := kin(old, q)
		byName := how == howPlatform || libraryName(name) != "" && libraryName(name) == libraryName(path.Base(a.Path))
		return k, k != stranger || byName
	case known:
		return stranger, how == howPlatform || e.Type == layers.Directory
	case a.Origin == profile.OriginImage:
		return unrecorded, !owned || how == howPlatform || e.Type == layers.Directory
	}
	return unrecorded, true
}

// stems are the names in a directory by their stem, sorted.
func (c *carrier) stems(dir *layers.Entry) map[string][]string {
	by, ok := c.stemsOf[dir]
	if ok {
		return by
	}
	by = map[string][]string{}
	for _, e := range c.tree.Children(dir.Path) {
		if s, parts := stem(e.Name()); parts > 0 || isLibrary(e.Name()) {
			by[s] = append(by[s], e.Name())
		}
	}
	c.stemsOf[dir] = by
	return by
}

// wasThere says that the recorded image had a name, or what it is on the other
// architecture, in a directory: what it is now, it was then too, and it takes
// nobody's place.
func (c *carrier) wasThere(dir, name string) bool {
	names, ok := c.oldNames[dir]
	if !ok {
		names = map[string]bool{}
		add := func(n string) {
			names[n] = true
			for _, m := range c.words.names(n) {
				names[m] = true
			}
		}
		for _, a := range c.oldIn[dir] {
			add(path.Base(a))
		}
		for _, n := range c.listing(c.oldReal[dir]) {
			add(n)
		}
		c.oldNames[dir] = names
	}
	return names[name]
}

// listing is what the recorded image had in a directory, by its own path; nil
// when that is not known.
func (c *carrier) listing(dir string) []string {
	i, ok := slices.BinarySearchFunc(c.old.Directories, dir, func(d profile.Directory, at string) int { return strings.Compare(d.Path, at) })
	if !ok {
		return nil
	}
	return c.old.Directories[i].Names
}

// listed says that the profile knows what the recorded image had in dir.
func (c *carrier) listed(dir string) bool { return c.listing(cmp.Or(c.oldReal[dir], dir)) != nil }
