package slim

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
	"github.com/pare-image/pare/slim/profile"
)

// pythonEnv is what the image has of Python, as far as the workload used it:
// the directories in which it installed distributions (site-packages) and the
// standard libraries. Rules share it; it is made when one first asks.
type pythonEnv struct {
	sites   []string // touched, sorted
	stdlibs []string // touched, sorted: directories that hold os.py
	dists   []*langpkg.Distribution
	files   map[*langpkg.Distribution][]string // those in the tree, sorted
	of      map[string]*langpkg.Distribution   // by file
	byName  map[string][]*langpkg.Distribution
	byOwner map[string][]*langpkg.Distribution // by the ID of the OS package
	left    int                                // files of distributions that may still be listed
}

// Bounds that only a hostile image meets: distributions that claim each
// other's files, and those of one name.
const (
	maxClaims    = 4_000_000
	maxNamesakes = 16
)

// siteOf is the directory of installed distributions that p is in; "" for
// none (docs.python.org/3/library/site.html; Debian's dist-packages).
func siteOf(p string) string {
	best := ""
	for _, name := range []string{"/site-packages", "/dist-packages"} {
		i := strings.Index(p+"/", name+"/")
		if i >= 0 && (best == "" || i+len(name) < len(best)) {
			best = p[:i+len(name)]
		}
	}
	return best
}

var stdlibPath = regexp.MustCompile(`^(.*?/lib(?:64)?/(?:pypy|python)(?:2\.7|3\.[0-9]+))/`)

// stdlibOf is the standard library that p is in, by its name alone.
func stdlibOf(p string) string {
	m := stdlibPath.FindStringSubmatch(p)
	if m == nil || siteOf(p) != "" {
		return ""
	}
	return m[1]
}

// pythonEnv finds it once.
func (s *selection) pythonEnv() *pythonEnv {
	if s.python != nil {
		return s.python
	}
	env := &pythonEnv{
		files: map[*langpkg.Distribution][]string{}, of: map[string]*langpkg.Distribution{},
		byName: map[string][]*langpkg.Distribution{}, byOwner: map[string][]*langpkg.Distribution{}, left: maxClaims,
	}
	s.python = env
	sites, libs := map[string]bool{}, map[string]bool{}
	for _, p := range s.touchedIn {
		if site := siteOf(p); site != "" {
			sites[site] = true
		}
		if lib := stdlibOf(p); lib != "" && (s.has(lib+"/os.py") || s.has(lib+"/os.pyc")) {
			libs[lib] = true
		}
	}
	env.sites, env.stdlibs = s.realDirs(sortedKeys(sites)), s.realDirs(sortedKeys(libs))
	for _, site := range env.sites {
		ds, err := s.langs.Python(site)
		if err != nil {
			s.err = cmp.Or(s.err, err)
			return env
		}
		env.dists = append(env.dists, ds...)
	}
	for _, d := range env.dists {
		if len(env.byName[d.Name]) < maxNamesakes {
			env.byName[d.Name] = append(env.byName[d.Name], d)
		}
		if owner := s.ownerOf(d.Info); owner != "" && len(env.byOwner[owner]) < maxNamesakes {
			env.byOwner[owner] = append(env.byOwner[owner], d)
		}
		env.files[d] = s.distributionFiles(d)
		for _, f := range env.files[d] {
			if env.of[f] == nil {
				env.of[f] = d
			}
		}
	}
	return env
}

func (s *selection) has(p string) bool {
	_, ok := s.tree.Lookup(p)
	return ok
}

// realDirs are the directories that names lead to, each once.
func (s *selection) realDirs(names []string) []string {
	var out []string
	for _, name := range names {
		if res, err := s.tree.Resolve(name); err == nil && res.Entry.Type == layers.Directory {
			out = append(out, res.Entry.Path)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// distributionFiles are the files of a distribution that the tree has: those
// of its RECORD; else those of the OS package that brought it, in the same
// site; else what its top-level names are.
func (s *selection) distributionFiles(d *langpkg.Distribution) []string {
	owner := s.ownerOf(d.Info)
	var out []string
	keep := func(p string) {
		if s.python.left--; s.python.left < 0 {
			return
		}
		if e, ok := s.tree.Lookup(p); ok && e.Type != layers.Directory && s.ownerOf(p) == owner {
			out = append(out, p)
		}
	}
	switch pkg, owned := s.packages.Owner(s.infoFile(d)); {
	case d.Files != nil:
		for _, f := range d.Files {
			keep(f)
		}
	case owned:
		for _, p := range pkg.Paths() {
			if below(p, d.Site) {
				keep(p)
			}
		}
	default:
		for _, name := range d.TopLevel {
			s.topLevelFiles(path.Join(d.Site, name), keep)
		}
	}
	s.eachBelow(d.Info, keep)
	slices.Sort(out)
	return slices.Compact(out)
}

// infoFile is a file of the metadata, to ask for its owner.
func (s *selection) infoFile(d *langpkg.Distribution) string {
	for _, e := range s.tree.Children(d.Info) {
		if e.Type == layers.Regular {
			return e.Path
		}
	}
	return d.Info
}

// ownerOf is the ID of the OS package that owns p, or, for a directory, a
// file in it; "" for none.
func (s *selection) ownerOf(p string) string {
	if e, ok := s.tree.Lookup(p); ok && e.Type == layers.Directory {
		for _, k := range s.tree.Children(p) {
			if k.Type == layers.Regular {
				p = k.Path
				break
			}
		}
	}
	if owner, ok := s.packages.Owner(p); ok {
		return owner.ID()
	}
	return ""
}

// topLevelFiles are those of a package, or of a module beside: name.py,
// name.*.so.
func (s *selection) topLevelFiles(p string, keep func(string)) {
	s.eachBelow(p, keep)
	for _, e := range s.named(path.Dir(p), path.Base(p)+".") {
		if strings.HasSuffix(e.Name(), ".py") || isSharedObject(e.Name()) {
			keep(e.Path)
		}
	}
}

// named are the entries of dir whose names begin so, sorted: at most 64, many
// more than a module has forms.
func (s *selection) named(dir, prefix string) []*layers.Entry {
	all := s.tree.Children(dir)
	i, _ := slices.BinarySearchFunc(all, path.Join(dir, prefix), func(e *layers.Entry, p string) int { return strings.Compare(e.Path, p) })
	n := 0
	for n < 64 && i+n < len(all) && strings.HasPrefix(all[i+n].Name(), prefix) {
		n++
	}
	return all[i : i+n]
}

// eachBelow calls f for p, or for every file below it.
func (s *selection) eachBelow(p string, f func(string)) {
	e, ok := s.tree.Lookup(p)
	if !ok || s.python.left < 0 {
		return
	}
	if e.Type != layers.Directory {
		f(p)
		return
	}
	for _, k := range s.tree.Children(p) {
		s.eachBelow(k.Path, f)
	}
}

// distributionOf is the one that a file is of; that of its source for
// compiled code.
func (env *pythonEnv) distributionOf(p string) *langpkg.Distribution {
	if d := env.of[p]; d != nil {
		return d
	}
	if src, ok := pythonSource(p); ok {
		return env.of[src]
	}
	return nil
}

// version is that of a site's Python: "3.11"; "" when it cannot be told. A
// site that does not say it is of a Python 3 (Debian's /usr/lib/python3).
func (env *pythonEnv) version(site string) string {
	for _, p := range append([]string{site}, env.stdlibs...) {
		if m := pythonVersion.FindStringSubmatch(p); m != nil && (p == site || m[1] != "2.7") {
			return m[1]
		}
	}
	return ""
}

// pythonVersion finds it in the directory of a library, but PyPy's.
var pythonVersion = regexp.MustCompile(`/python(2\.7|3\.[0-9]+)(?:/|$)`)

// usedCode are the files whose content the workload used, sorted: Python's
// import system, and Node's, list and look at much that is near. What the
// config names counts too.
func (s *selection) usedCode() []string {
	if s.used != nil {
		return s.used
	}
	out := s.keptFor("config")
	for _, p := range s.touchedIn {
		e, ok := s.tree.Lookup(p)
		if ok && e.Type == layers.Regular && s.touched(p).Has(profile.Open, profile.Exec) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	s.used = slices.Compact(out)
	return s.used
}
