package carry

import (
	"path"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// libraries are the shared libraries of a tree by their name without versions,
// as DT_SONAME or, without one, the file says it.
type libraries map[string][]*layers.Entry

func readLibraries(t *layers.Tree, arch *architecture) libraries {
	all := libraries{}
	for e := range t.All() {
		if e.Type != layers.Regular {
			continue
		}
		info := e.Sniff().ELF
		if info == nil || !info.Dynamic || arch != nil && (info.Machine != arch.machine || info.Class != arch.class) {
			continue
		}
		name := libraryName(path.Base(info.Soname))
		if name == "" {
			name = libraryName(e.Name())
		}
		if name != "" {
			all[name] = append(all[name], e)
		}
	}
	return all
}

// bySoname finds the library of the same name anywhere in the image: of the
// same package or its successor; elsewhere only if it says the very soname.
func (c *carrier) bySoname(a *profile.Access, p string) []found {
	base := path.Base(p)
	name := libraryName(base)
	if name == "" {
		return nil
	}
	if c.libraries == nil {
		c.libraries = readLibraries(c.tree, c.arch)
	}
	c.try(len(c.libraries[name]))
	var out []found
	for _, e := range c.libraries[name] {
		soname := path.Base(e.Sniff().ELF.Soname)
		k, ok := c.accept(a, e, howSoname, e.Name())
		if !ok || soname != base && (k == stranger || c.wasThere(path.Dir(p), e.Name())) {
			continue
		}
		_, was := stem(base)
		_, is := stem(soname)
		f := found{path: e.Path, entry: e, how: howSoname, kin: k, versions: max(was-is, is-was)}
		if link := path.Join(path.Dir(e.Path), soname); soname != e.Name() && c.lookup(link) == e {
			f.path = link
		}
		out = append(out, f)
	}
	return out
}

// moved finds the one file of that name that the package, or its successor,
// has elsewhere. Of a name that it has several times (__init__.py), one that
// the recorded image is not known to have lacked may have been there too.
func (c *carrier) moved(a *profile.Access, p string) []found {
	old, known := c.owner(a)
	if !known {
		return nil
	}
	names := map[string]bool{path.Base(p): true}
	for _, n := range c.words.names(path.Base(p)) {
		names[n] = true
	}
	var out []found
	for _, q := range c.successors(old) {
		var all []found
		for _, at := range c.filesNamed(q, names) {
			if e := c.lookup(at); e != nil && e.Type != layers.Directory {
				all = append(all, found{path: at, entry: e, how: howMoved, kin: kin(old, q)})
			}
		}
		for _, f := range all {
			dir, name := path.Dir(f.path), path.Base(f.path)
			if !c.wasThere(dir, name) && (len(all) == 1 || c.listed(dir)) {
				out = append(out, f)
			}
		}
	}
	return out
}
