package elfdeps

import (
	"path"
	"slices"
	"strings"
)

// Tree is what resolving needs of a file tree. Paths are absolute.
type Tree interface {
	// ResolveFile follows symlinks inside the root and returns the final path
	// of a regular file; ok is false when none is there.
	ResolveFile(path string) (final string, ok bool)
	// ELF returns what the regular file at final says; nil if it is not ELF.
	ELF(final string) *Info
	// ReadFile returns the content of a small file, following symlinks; nil
	// when there is none.
	ReadFile(path string) []byte
	// ReadDir returns the names in a directory, sorted, following symlinks;
	// nil when there is none.
	ReadDir(path string) []string
}

// Resolver finds libraries in a tree as ld.so(8) of glibc or musl would. It
// reads the loader's configuration once. It is not safe for parallel use.
type Resolver struct {
	tree     Tree
	conf     confFiles
	musl     []string            // search path of musl, nil when the tree has no musl
	listings map[string][]string // directory -> names, memoized
}

// NewResolver reads /etc/ld.so.conf with its includes and /etc/ld-musl-*.path.
func NewResolver(t Tree) *Resolver {
	r := &Resolver{tree: t, listings: map[string][]string{}}
	r.conf.read(t, "/etc/ld.so.conf", 0)
	r.musl = r.readMusl()
	return r
}

// File is an ELF file whose needs are asked for.
type File struct {
	// Path is how the file was reached and Final where it is: $ORIGIN may
	// mean the directory of either.
	Path, Final string
	// Inherited are directories of DT_RPATH of the files that load this one.
	Inherited []string
}

// Found is one library (or interpreter) that a file needs.
type Found struct {
	Name string // as in DT_NEEDED or PT_INTERP
	// Path is where it was found, symlinks not yet followed; "" when it was
	// not found.
	Path  string
	Final string
	// Via says how: "interp", "path", "rpath", "env", "runpath", "conf",
	// "default", "hwcaps".
	Via string
}

// Deps returns the interpreter and every DT_NEEDED of f, each with where it
// was found; one that was not found has no Path. A library with variants
// under glibc-hwcaps gives the baseline and every variant. libraryPath is
// LD_LIBRARY_PATH, split.
func (r *Resolver) Deps(f File, libraryPath []string) []Found {
	info := r.tree.ELF(f.Final)
	if info == nil {
		return nil
	}
	var found []Found
	if info.Interp != "" {
		found = append(found, r.exact(info.Interp, "interp", f))
	}
	places := r.places(info, f, libraryPath)
	for _, name := range info.Needed {
		if strings.Contains(name, "/") {
			found = append(found, r.exact(name, "path", f))
			continue
		}
		found = append(found, r.search(name, info, places)...)
	}
	return found
}

// Hands returns the DT_RPATH directories that f's libraries inherit.
func (r *Resolver) Hands(f File) []string {
	info := r.tree.ELF(f.Final)
	if info == nil || len(info.RunPath) > 0 {
		return f.Inherited
	}
	dirs := expand(info.RPath, f, info)
	for _, d := range f.Inherited {
		if !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// ConfigFiles are the loader configuration files that were read, sorted.
func (r *Resolver) ConfigFiles() []string { return r.conf.sorted() }

// Directories are those ldconfig(8) would look into: ld.so.conf's, then the
// loader's own for this machine, as long as they exist; those that are the
// same directory by way of a symlink appear once, under the first name.
func (r *Resolver) Directories(info *Info) []string {
	return append(slices.Clone(r.conf.dirs), defaultDirs(info)...)
}

func (r *Resolver) exact(name, via string, f File) Found {
	p := name
	if !path.IsAbs(p) {
		p = path.Join(path.Dir(f.Path), name)
	}
	if final, ok := r.tree.ResolveFile(p); ok {
		return Found{Name: name, Path: p, Final: final, Via: via}
	}
	return Found{Name: name, Via: via}
}

// place is one directory to search and why.
type place struct{ dir, via string }

// places is the search order of ld.so(8): DT_RPATH (own, then the loaders')
// unless there is a DT_RUNPATH, LD_LIBRARY_PATH, DT_RUNPATH, ld.so.cache
// (that is ld.so.conf), default directories. musl has no ld.so.cache.
func (r *Resolver) places(info *Info, f File, libraryPath []string) []place {
	var ps []place
	add := func(via string, dirs []string) {
		for _, d := range dirs {
			if path.IsAbs(d) {
				ps = append(ps, place{path.Clean(d), via})
			}
		}
	}
	if len(info.RunPath) == 0 {
		add("rpath", expand(info.RPath, f, info))
		add("rpath", f.Inherited)
	}
	add("env", libraryPath)
	add("runpath", expand(info.RunPath, f, info))
	if info.NoDefaultLib {
		return ps
	}
	if r.musl != nil {
		add("default", r.musl)
	}
	add("conf", r.conf.dirs)
	add("default", defaultDirs(info))
	return ps
}

// search returns the first fitting library called name and every CPU variant
// of it in the directories up to there.
func (r *Resolver) search(name string, info *Info, places []place) []Found {
	var found []Found
	for _, p := range places {
		if len(r.list(p.dir)) == 0 {
			continue // not there: what most directories come to
		}
		for _, sub := range r.variants(p.dir) {
			if final, ok := r.fits(path.Join(p.dir, sub, name), info); ok {
				found = append(found, Found{Name: name, Path: path.Join(p.dir, sub, name), Final: final, Via: "hwcaps"})
			}
		}
		if final, ok := r.fits(path.Join(p.dir, name), info); ok {
			return append(found, Found{Name: name, Path: path.Join(p.dir, name), Final: final, Via: p.via})
		}
	}
	if len(found) == 0 {
		found = append(found, Found{Name: name})
	}
	return found
}

// legacyVariants are subdirectories that loaders before glibc 2.37 looked into.
var legacyVariants = []string{"avx512_1", "haswell", "i686", "sse2", "tls", "x86_64", "xeon_phi"}

// variants lists the subdirectories of dir for particular CPUs.
func (r *Resolver) variants(dir string) []string {
	var subs []string
	names := r.list(dir)
	if _, ok := slices.BinarySearch(names, "glibc-hwcaps"); ok {
		for _, level := range r.list(path.Join(dir, "glibc-hwcaps")) {
			subs = append(subs, "glibc-hwcaps/"+level)
		}
	}
	for _, v := range legacyVariants {
		if _, ok := slices.BinarySearch(names, v); ok {
			subs = append(subs, v)
		}
	}
	return subs
}

// fits says whether the file at p is a library for the same machine; the
// loaders skip others and search on.
func (r *Resolver) fits(p string, info *Info) (string, bool) {
	if _, ok := slices.BinarySearch(r.list(path.Dir(p)), path.Base(p)); !ok {
		return "", false
	}
	final, ok := r.tree.ResolveFile(p)
	if !ok {
		return "", false
	}
	lib := r.tree.ELF(final)
	if lib == nil || lib.Class != info.Class || lib.Machine != info.Machine || lib.Data != info.Data {
		return "", false
	}
	return final, true
}

func (r *Resolver) list(dir string) []string {
	names, ok := r.listings[dir]
	if !ok {
		names = r.tree.ReadDir(dir)
		r.listings[dir] = names
	}
	return names
}
