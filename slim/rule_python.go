package slim

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
	"github.com/pare-image/pare/slim/profile"
)

// rulePython keeps what belongs to a kept module wherever it lies: compiled
// code and its source (PEP 3147; tracebacks and inspect read the source), the
// __init__ files of the packages that it is in, and, of a site-packages, its
// .pth files, pyvenv.cfg, the venv's interpreter and the metadata of the
// distribution (importlib.metadata, scanners). Namespace packages (PEP 420)
// are directories, which are kept with what is in them. A zipapp is one file.
var rulePython = rule{name: "python", visit: func(s *selection, e *layers.Entry) {
	if e.Type == layers.Directory || !isPythonModule(e.Name()) {
		return
	}
	r := Reason{Rule: "python", From: e.Path}
	for _, p := range s.otherForms(e.Path) {
		s.add(p, r)
	}
	dir := path.Dir(e.Path)
	if path.Base(dir) == pycache {
		return // its source comes, and is visited
	}
	s.addInits(dir, r)
	if site := siteOf(e.Path); site != "" {
		s.addSite(site, r)
		s.addInfo(e.Path, r)
	}
}}

const pycache = "__pycache__"

// isPythonModule says that a file may be imported. What else ends in .so is
// in a site-packages often enough to be asked about.
func isPythonModule(name string) bool {
	return strings.HasSuffix(name, ".py") || strings.HasSuffix(name, ".pyc") || strings.HasSuffix(name, ".so")
}

// cacheTag is what a compiled file has between its name and .pyc (PEP 3147,
// PEP 488).
var cacheTag = regexp.MustCompile(`\.[a-z]+-?[0-9]+(\.opt-[0-9a-z]+)?\.pyc$`)

// pythonSource is the source of a compiled file, by its name alone.
func pythonSource(p string) (string, bool) {
	dir, name := path.Split(p)
	if !strings.HasSuffix(name, ".pyc") {
		return "", false
	}
	if path.Base(dir) != pycache {
		return strings.TrimSuffix(p, "c"), true
	}
	stem := cacheTag.ReplaceAllString(name, "")
	if stem == name {
		return "", false
	}
	return path.Join(path.Dir(path.Clean(dir)), stem+".py"), true
}

// otherForms are the source of a compiled file, or the compiled files of a
// source, that the tree has.
func (s *selection) otherForms(p string) []string {
	if src, ok := pythonSource(p); ok {
		if s.has(src) {
			return []string{src}
		}
		return nil
	}
	if a := s.touched(p); !strings.HasSuffix(p, ".py") || a != nil && !a.Has(profile.Open, profile.Exec) {
		return nil // what was only looked at was loaded from its compiled file, or is a landmark (os.py)
	}
	var out []string
	if s.has(p + "c") {
		out = append(out, p+"c")
	}
	stem := strings.TrimSuffix(path.Base(p), ".py")
	for _, e := range s.named(path.Join(path.Dir(p), pycache), stem+".") {
		if cacheTag.ReplaceAllString(e.Name(), "") == stem {
			out = append(out, e.Path)
		}
	}
	return out
}

// addInits keeps the __init__ files of dir and of the packages above it. In a
// site-packages a package may lie in a namespace; elsewhere the first
// directory without one ends the chain.
func (s *selection) addInits(dir string, r Reason) {
	for site := siteOf(dir); dir != site && dir != "/" && !s.pythonDirs[dir]; dir = path.Dir(dir) {
		s.pythonDirs[dir] = true
		init := s.initOf(dir)
		if init == "" && site == "" {
			return
		}
		if init != "" && init != r.From {
			s.add(init, r)
		}
	}
}

// initOf is the file that a directory runs when it is imported; "" for none.
func (s *selection) initOf(dir string) string {
	if s.has(dir + "/__init__.py") {
		return dir + "/__init__.py"
	}
	if s.has(dir + "/__init__.pyc") {
		return dir + "/__init__.pyc"
	}
	for _, e := range s.named(dir, "__init__.") {
		if isSharedObject(e.Name()) {
			return e.Path
		}
	}
	return ""
}

// addSite keeps, once, what makes a site-packages work: .pth files and the
// directories that they name, and of a venv its pyvenv.cfg and interpreter.
func (s *selection) addSite(site string, r Reason) {
	if s.pythonSites[site] {
		return
	}
	s.pythonSites[site] = true
	for _, e := range s.tree.Children(site) {
		if strings.HasSuffix(e.Name(), ".pth") && e.Type == layers.Regular {
			s.add(e.Path, r)
			s.addPth(site, e)
		}
	}
	if cfg := venvConfig(site); s.has(cfg) {
		prefix := path.Dir(cfg)
		s.addFiles(r, cfg)
		s.addFiles(Reason{Rule: "python", From: cfg}, path.Join(prefix, "bin/python"), path.Join(prefix, "bin/python3"))
	}
}

// maxPth bounds the lines of one .pth file.
const maxPth = 1000

// addPth keeps the directories that a .pth file puts on sys.path; lines that
// begin with import are code (docs.python.org/3/library/site.html).
func (s *selection) addPth(site string, e *layers.Entry) {
	n := 0
	for line := range strings.Lines(string(s.read(e.Path))) {
		line = strings.TrimSpace(line)
		if n++; n > maxPth || line == "" || line[0] == '#' || isPthCode(line) {
			continue
		}
		if !path.IsAbs(line) {
			line = path.Join(site, line)
		}
		if len(line) < maxName && line != "/" {
			s.addFiles(Reason{Rule: "python", From: e.Path}, line)
		}
	}
}

// isPthCode says that a line of a .pth file is run, and no directory.
func isPthCode(line string) bool {
	return strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "import\t")
}

// maxName bounds a path that a file names: PATH_MAX of Linux.
const maxName = 4096

// addInfo keeps the metadata of the distribution that a module is of.
func (s *selection) addInfo(p string, r Reason) {
	env := s.pythonEnv()
	d := env.distributionOf(p)
	if d == nil || s.pythonInfos[d] || langpkg.IsPythonInfo(p) {
		return
	}
	s.pythonInfos[d] = true
	for _, f := range env.files[d] {
		if below(f, d.Info) && !slices.Contains(installerOnly, path.Base(f)) {
			s.add(f, r)
		}
	}
}

// installerOnly are files of metadata that only who installs reads.
var installerOnly = []string{"direct_url.json", "zip-safe", "not-zip-safe", "dependency_links.txt", "SOURCES.txt"}
