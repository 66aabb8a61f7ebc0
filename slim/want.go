package slim

import (
	"path"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/profile"
)

// WantContent is the hint for [layers.Options.Want]: which files a slim with
// this profile and these options is likely to copy or read. What it misses
// costs one more read of a layer; what it takes in vain costs disk.
func WantContent(cfg *v1.ConfigFile, p *profile.Profile, o Options) func(path string, h *layers.Header) bool {
	w := &wanted{options: o, names: map[string]bool{}, apps: map[string]bool{}, config: viewConfig(cfg)}
	w.node = usesNode(p, w.config)
	for _, a := range p.Accesses {
		for _, name := range []string{a.Path, a.Resolved} {
			w.note(name)
		}
	}
	for _, argv := range [][]string{w.config.entrypoint, w.config.cmd, w.config.shell, w.config.healthcheck} {
		for _, arg := range argv {
			w.note(arg)
		}
	}
	for _, g := range groups {
		for _, a := range p.Accesses {
			if a.Exists && g.triggered(a.Path) {
				w.groups = append(w.groups, g)
				break
			}
		}
	}
	return w.want
}

// wanted holds names without directories: symlinks to directories make a
// layer's name for a file another one than the profile's.
type wanted struct {
	options Options
	config  configView
	names   map[string]bool // base names; of libraries, what comes before ".so"
	apps    map[string]bool // application directories, and packages of languages
	groups  []group
	python  bool // it ran Python
	node    bool
	ruby    bool
	perl    bool
	php     bool
	java    bool
}

// libraryDir matches where loaders of every distribution look unasked: lib,
// lib64, and the multiarch directories below.
var libraryDir = regexp.MustCompile(`^(/usr|/usr/local)?/lib(32|64|x32)?(/[^/]+-linux-[^/]+)?$`)

func isSharedObject(name string) bool {
	return strings.HasSuffix(name, ".so") || strings.Contains(name, ".so.")
}

func (w *wanted) note(p string) {
	if p == "" {
		return
	}
	w.python = w.python || siteOf(p) != "" || stdlibOf(p) != ""
	w.node = w.node || w.options.Granularity != GranularityFile && langpkg.NodeRoot(p) != ""
	w.ruby = w.ruby || len(langpkg.GemHomes(p)) > 0 || strings.HasSuffix(p, ".rb")
	w.perl = w.perl || perlRootOf(p) != ""
	w.php = w.php || strings.HasSuffix(p, ".php")
	w.java = w.java || isJar(p) || strings.HasSuffix(p, "/libjvm.so")
	w.names[stem(p)] = true
	if w.options.Granularity == GranularityFile {
		return
	}
	for _, dir := range []string{AppRoot(p, w.config.workingDir), langpkg.NodeRoot(p), pythonTop(p), gemTop(p), ownLibrary(p)} {
		if dir != "" {
			w.apps[dir] = true
		}
	}
}

// stem is a base name without a library's version: libc of libc.so.6.
func stem(p string) string {
	name := path.Base(p)
	if i := strings.Index(name, ".so"); i > 0 && (i+3 == len(name) || name[i+3] == '.') {
		return name[:i] + ".so"
	}
	return name
}

// smallProgram bounds the programs that are taken on suspicion: a link may
// lead to any of them (sh to dash, awk to mawk).
const smallProgram = 4 << 20

// smallLibrary bounds the libraries that are taken on suspicion: a kept file
// may need one that the workload never loaded. In a toolbox of 880 MB these
// are 18 MB, and without them one of 14 kB had a layer of 170 MB read again.
const smallLibrary = 1 << 20

// smallConfig bounds what is taken of /etc on suspicion: configuration of the
// loader and of groups is in many places.
const smallConfig = 16 << 10

func (w *wanted) want(p string, h *layers.Header) bool {
	dir, name := path.Split(p)
	dir = path.Clean(dir)
	switch {
	case w.names[stem(name)], pkgdb.IsDatabase(p), slices.Contains(pkgdb.DistroFiles, p):
		return true
	case dir == "/etc" || below(dir, "/etc") && h.Size <= smallConfig || strings.HasPrefix(name, "ld-"):
		return true
	case path.Base(dir) == "bin" || path.Base(dir) == "sbin":
		// python3 leads to python3.11, whatever its size
		return h.Size <= smallProgram || w.names[strings.TrimRight(name, "0123456789.-")] || w.names[name[:max(0, strings.LastIndexByte(name, '.'))]]
	case h.Size <= smallLibrary && isSharedObject(name) && libraryDir.MatchString(dir):
		return true
	case w.python && w.wantPython(p, h), w.node && wantNode(p, h), w.ruby && w.wantRuby(p, h), w.perl && wantPerl(p, h), w.php && w.wantPHP(p, h), w.java && wantJava(p, h):
		return true
	case name == "copyright" && strings.HasPrefix(p, "/usr/share/doc/"):
		return true
	}
	if w.apps[AppRoot(p, w.config.workingDir)] || w.apps[langpkg.NodeRoot(p)] || w.apps[pythonTop(p)] || w.apps[gemTop(p)] || w.apps[ownLibrary(p)] {
		return true
	}
	return slices.ContainsFunc(w.groups, func(g group) bool { return g.triggered(p) })
}

// smallSource bounds the source that is taken because kept code may import
// it, and a package may come whole.
const smallSource = 256 << 10

// pythonTop is the directory of a site-packages that p is in, "" for none.
func pythonTop(p string) string {
	site := siteOf(p)
	if site == "" || p == site {
		return ""
	}
	first, _, below := strings.Cut(p[len(site)+1:], "/")
	if !below {
		return ""
	}
	return site + "/" + first
}

// wantPython takes what rules for Python read: source, metadata of installed
// distributions, and, where imports are kept, compiled code.
func (w *wanted) wantPython(p string, h *layers.Header) bool {
	site := siteOf(p)
	if site == "" && stdlibOf(p) == "" {
		return h.Size <= smallSource && path.Ext(p) == ".py" || path.Base(p) == "pyvenv.cfg"
	}
	if h.Size <= smallSource && (path.Ext(p) == ".py" || path.Ext(p) == ".pth" || codecModule.MatchString(path.Base(p))) {
		return true
	}
	if src, compiled := pythonSource(p); compiled && w.names[path.Base(src)] {
		return true
	}
	return w.options.Reach == ReachKeep && h.Size <= smallSource && isPythonModule(path.Base(p)) ||
		langpkg.IsPythonInfo(p) && (h.Size <= smallSource || slices.Contains(langpkg.PythonFiles, path.Base(p)))
}

// wantNode takes what rules for Node read: package.json and source.
func wantNode(p string, h *layers.Header) bool {
	return h.Size <= smallSource && (isNodeModule(path.Base(p)) || path.Base(p) == "package.json")
}

// gemTop is the directory of the gem that p is in, by its name alone; "" for
// none.
func gemTop(p string) string {
	i := strings.LastIndex(p, "/gems/")
	if i < 0 {
		return ""
	}
	name, _, below := strings.Cut(p[i+len("/gems/"):], "/")
	if !below {
		return ""
	}
	return p[:i+len("/gems/")] + name
}

// wantRuby takes what rules for Ruby read, and what a gem that comes whole has
// outside of a directory of its own.
func (w *wanted) wantRuby(p string, h *layers.Header) bool {
	if strings.HasSuffix(p, ".gemspec") {
		return true
	}
	whole := w.options.Granularity != GranularityFile && (len(langpkg.GemHomes(p)) > 0 || strings.Contains(p, "/ruby/"))
	return h.Size <= smallSource && (whole || slices.ContainsFunc(bundleFiles, func(name string) bool { return strings.HasSuffix(p, "/"+name) }))
}

// wantPerl takes what rules for Perl read, and modules, of which any may come.
func wantPerl(p string, h *layers.Header) bool {
	return h.Size <= smallSource && perlRootOf(p) != "" && !isPerlDoc(p)
}

// wantPHP takes what rules for PHP read, extensions, and what a package that
// comes whole may have.
func (w *wanted) wantPHP(p string, h *layers.Header) bool {
	if phpExtension.MatchString(p) || strings.HasSuffix(p, "/composer/installed.json") {
		return true
	}
	library := len(langpkg.ComposerVendors(p)) > 0 || below(p, phpLibrary)
	return h.Size <= smallSource && library && (w.options.Granularity != GranularityFile || path.Base(path.Dir(p)) == "composer" || path.Base(p) == "autoload.php")
}

// smallJar bounds the jars that are taken because another's manifest may name
// them.
const smallJar = 4 << 20

// wantJava takes what rules for Java read, and a runtime's own files.
func wantJava(p string, h *layers.Header) bool {
	return isJar(p) && h.Size <= smallJar || h.Size <= smallSource && (strings.Contains(p, "/jvm/") || strings.Contains(p, "/conf/") ||
		strings.Contains(p, "/lib/security/") || strings.Contains(p, "java-") || strings.HasPrefix(path.Base(p), "lib"))
}
