package slim

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/imports"
)

// reachPython follows the imports of Python. Of the standard library, all of
// which can be reached from nearly any part of it, only that is followed
// which other code imports, and what such a module imports whenever it is
// loaded: statements at the left margin.
var reachPython = language{
	rule: "reach-python",
	used: func(s *selection) bool { return len(s.pythonEnv().stdlibs) > 0 },
	source: func(s *selection, e *layers.Entry) bool {
		if !strings.HasSuffix(e.Path, ".py") {
			return false
		}
		return !s.inStdlib(e.Path) || s.touched(e.Path) == nil // what that loaded was recorded
	},
	imports: func(s *selection, e *layers.Entry, src []byte) []string {
		lib := s.inStdlib(e.Path)
		var out []string
		f := s.pythonFile(e.Path)
		for _, imp := range imports.ScanPython(src) {
			if imp.Library != "" {
				out = append(out, s.pythonOpens(imp)...)
			} else if (!lib || imp.Top) && s.langs.Spend(64*len(f.roots)*(1+len(imp.Names))) {
				out = append(out, f.resolve(imp)...)
			}
		}
		return out
	},
	unit: func(s *selection, p string) string {
		if d := s.pythonEnv().distributionOf(p); d != nil {
			return strings.TrimSpace(d.Name + " " + d.Version)
		}
		if s.inStdlib(p) {
			return "the standard library"
		}
		if app := s.appRoot(p); app != "" {
			return app
		}
		return cmp.Or(pythonTop(p), path.Dir(p))
	},
}

// pythonOpens are the shared libraries that a call of ctypes or cffi
// loads: by file name as dlopen(3) finds it, or what find_library would find
// for a short name, "libNAME.so" with any version.
func (s *selection) pythonOpens(imp imports.Python) []string {
	info := s.firstProgram()
	if info == nil {
		return nil
	}
	if !imp.Find {
		if p := s.library(info, imp.Library); p != "" {
			return []string{p}
		}
		return nil
	}
	var out []string
	for _, dir := range s.libs.Directories(info) {
		for _, e := range s.named(dir, "lib"+imp.Library+".so") {
			if s.isLibrary(info, e.Path) {
				out = append(out, e.Path)
			}
		}
	}
	return out
}

func (s *selection) inStdlib(p string) bool {
	return siteOf(p) == "" && slices.ContainsFunc(s.pythonEnv().stdlibs, func(lib string) bool { return below(p, lib) })
}

// pythonFile is a file with what its imports are looked up in.
type pythonFile struct {
	s     *selection
	dir   string   // of the package that it is in, for relative imports
	roots []string // sys.path, as far as an image can tell
}

// pythonFile says where a file's imports are looked for: from the directory
// above its topmost package, the working directory, PYTHONPATH, the standard
// library, and the site-packages that the workload used, its own first.
func (s *selection) pythonFile(p string) pythonFile {
	env := s.pythonEnv()
	f := pythonFile{s: s, dir: path.Dir(p)}
	top, site := f.dir, siteOf(p)
	for top != "/" && top != site && s.initOf(top) != "" {
		top = path.Dir(top)
	}
	f.roots = []string{top}
	if site != "" {
		f.roots = []string{site}
	}
	if wd := path.Clean("/" + s.config.workingDir); wd != "/" {
		f.roots = append(f.roots, wd)
	}
	f.roots = append(f.roots, s.config.paths("PYTHONPATH")...)
	for _, lib := range env.stdlibs {
		f.roots = append(f.roots, lib, lib+"/lib-dynload")
	}
	for _, other := range env.sites {
		if site == "" || !s.isVenv(other) || other == site {
			f.roots = append(f.roots, other)
		}
	}
	return f
}

// resolve are the files that an import runs: the __init__ of every package on
// the way, the module, and submodules among the names behind from.
func (f pythonFile) resolve(imp imports.Python) []string {
	var parts []string
	if imp.Module != "" {
		parts = strings.Split(imp.Module, ".")
	}
	if imp.Level == 0 {
		return f.absolute(parts, imp.Names)
	}
	base := f.dir
	for range imp.Level - 1 {
		base = path.Dir(base)
	}
	files, _ := f.walk(base, parts, imp.Names)
	return files
}

// absolute takes the first root that has the module; parts of a namespace
// package may be in several (PEP 420).
func (f pythonFile) absolute(parts, names []string) []string {
	var partial []string
	for _, root := range f.roots {
		files, whole := f.walk(root, parts, names)
		if whole {
			return files
		}
		if partial == nil {
			partial = files
		}
	}
	return partial
}

// walk goes down from a directory. whole says that a module or package is
// there, and not only a directory.
func (f pythonFile) walk(dir string, parts, names []string) (files []string, whole bool) {
	for i, part := range parts {
		dir = path.Join(dir, part)
		if init := f.s.initOf(dir); init != "" {
			files, whole = append(files, init), true
			continue
		}
		if m := f.module(dir); m != "" {
			return append(files, m), true // what follows are attributes
		}
		if !f.isDir(dir) {
			return files, whole && i > 0
		}
		whole = false
	}
	for _, name := range names {
		sub := path.Join(dir, name)
		if init := f.s.initOf(sub); init != "" {
			files, whole = append(files, init), true
		} else if m := f.module(sub); m != "" {
			files, whole = append(files, m), true
		}
	}
	return files, whole
}

func (f pythonFile) isDir(p string) bool {
	res, err := f.s.tree.Resolve(p)
	return err == nil && res.Entry.Type == layers.Directory
}

// module is the file of a module, without its ending; "" for none: extension
// modules come first (importlib.machinery.all_suffixes).
func (f pythonFile) module(p string) string {
	name, best := path.Base(p)+".", ""
	for _, e := range f.s.named(path.Dir(p), name) {
		switch rest := e.Name()[len(name):]; {
		case rest == "so" || strings.HasSuffix(rest, ".so") && strings.Count(rest, ".") == 1:
			return e.Path
		case rest == "py" || rest == "pyc" && best == "":
			best = e.Path
		}
	}
	return best
}
