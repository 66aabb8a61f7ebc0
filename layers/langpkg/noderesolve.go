package langpkg

import (
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// Node resolves what code imports, as Node 20 does
// (nodejs.org/docs/latest-v20.x/api/modules.html#all-together and
// esm.html#resolution-algorithm-specification).
type Node struct {
	*Reader
	// Paths are further directories of packages: NODE_PATH.
	Paths []string
}

// maxSpecifier bounds what is looked up.
const maxSpecifier = 1024

// Resolve finds what spec names in the file from, which is the path of a
// file in the tree. esm says that it is imported and not required. The path
// returned may lead through links. False when nothing is there, or it is a
// module of Node itself.
func (n *Node) Resolve(spec, from string, esm bool) (string, bool, error) {
	if spec == "" || len(spec) > maxSpecifier || strings.ContainsAny(spec, "\x00\\") || strings.HasPrefix(spec, "node:") {
		return "", false, nil
	}
	if esm {
		spec, _, _ = strings.Cut(spec, "?")
	}
	dir := path.Dir(from)
	switch {
	case spec == "." || spec == ".." || strings.HasPrefix(spec, "/") || strings.HasPrefix(spec, "./") || strings.HasPrefix(spec, "../"):
		return n.atPath(spec, dir, esm)
	case spec[0] == '#':
		return n.imported(spec, dir, esm)
	case slices.Contains(nodeBuiltin, spec):
		return "", false, nil
	}
	return n.bare(spec, dir, esm)
}

func (n *Node) atPath(spec, dir string, esm bool) (string, bool, error) {
	x := spec
	if !path.IsAbs(spec) {
		x = path.Join(dir, spec)
	}
	if esm {
		return x, n.isFile(x), nil
	}
	if last := path.Base("/" + spec); !strings.HasSuffix(spec, "/") && last != "." && last != ".." {
		if f, ok := n.asFile(x); ok {
			return f, true, nil
		}
	}
	return n.asDirectory(x)
}

func (n *Node) isFile(p string) bool {
	res, err := n.tree.Resolve(p)
	return err == nil && res.Entry.Type == layers.Regular
}

// asFile is LOAD_AS_FILE.
func (n *Node) asFile(x string) (string, bool) {
	for _, ext := range []string{"", ".js", ".json", ".node"} {
		if n.isFile(x + ext) {
			return x + ext, true
		}
	}
	return "", false
}

// asDirectory is LOAD_AS_DIRECTORY, and the ESM loader's legacy main.
func (n *Node) asDirectory(x string) (string, bool, error) {
	p, err := n.Package(x)
	if err != nil {
		return "", false, err
	}
	if p != nil && p.main != "" {
		main := path.Join(x, p.main)
		if f, ok := n.asFile(main); ok {
			return f, true, nil
		}
		if f, ok := n.asIndex(main); ok {
			return f, true, nil
		}
	}
	f, ok := n.asIndex(x)
	return f, ok, nil
}

// Main is the file that a package without exports gives: what main names,
// else its index; "" for none.
func (n *Node) Main(p *Package) (string, error) {
	f, _, err := n.asDirectory(p.Dir)
	return f, err
}

func (n *Node) asIndex(x string) (string, bool) {
	for _, name := range []string{"index.js", "index.json", "index.node"} {
		if f := path.Join(x, name); n.isFile(f) {
			return f, true
		}
	}
	return "", false
}

// Scope is the package.json that counts for files of dir: the nearest, not
// beyond a node_modules. nil when there is none.
func (n *Node) Scope(dir string) (*Package, error) {
	for path.Base(dir) != "node_modules" {
		p, err := n.Package(dir)
		if p != nil || err != nil || dir == "/" {
			return p, err
		}
		dir = path.Dir(dir)
	}
	return nil, nil
}

// imported resolves "#name" by the scope's imports.
func (n *Node) imported(spec, dir string, esm bool) (string, bool, error) {
	p, err := n.Scope(dir)
	if p == nil || err != nil || !p.imports.subpaths() {
		return "", false, err
	}
	t, star, _ := p.imports.match(spec)
	if !n.Spend(16 * len(p.imports.keys)) {
		return "", false, nil
	}
	s, _ := t.pick(esm, true)
	if f, ok := inside(p.Dir, s, star); ok {
		return f, n.isFile(f), nil
	}
	if s = strings.ReplaceAll(s, "*", star); s == "" || len(s) > maxSpecifier || strings.HasPrefix(s, "#") || strings.HasPrefix(s, "node:") || slices.Contains(nodeBuiltin, s) {
		return "", false, nil
	}
	return n.bare(s, p.Dir, esm)
}

// exported resolves a subpath ("." or "./x") by a package's exports.
func (n *Node) exported(p *Package, dir, sub string, esm bool) (string, bool) {
	t, star, ok := p.exports.match(sub)
	if !n.Spend(16*len(p.exports.keys)) || !ok {
		return "", false
	}
	s, _ := t.pick(esm, false)
	f, ok := inside(dir, s, star)
	return f, ok && n.isFile(f)
}

// bare resolves the name of a package with what may follow it.
func (n *Node) bare(spec, dir string, esm bool) (string, bool, error) {
	name, sub, ok := splitName(spec)
	if !ok {
		return "", false, nil
	}
	self, err := n.Scope(dir)
	if err != nil {
		return "", false, err
	}
	if self != nil && self.Name == name && self.exports.set {
		f, ok := n.exported(self, self.Dir, "."+sub, esm)
		return f, ok, nil
	}
	for _, modules := range NodeModules(dir, n.Paths) {
		if !n.Spend(8 * len(modules)) {
			return "", false, nil
		}
		at := path.Join(modules, name)
		p, err := n.Package(at)
		if err != nil {
			return "", false, err
		}
		if p != nil && p.exports.set {
			f, ok := n.exported(p, at, "."+sub, esm)
			return f, ok, nil
		}
		if f, ok, err := n.inPackage(path.Join(at, sub), sub, esm); ok || err != nil {
			return f, ok, err
		}
	}
	return "", false, nil
}

// inPackage finds a file of a package without exports.
func (n *Node) inPackage(x, sub string, esm bool) (string, bool, error) {
	if esm && sub != "" {
		return x, n.isFile(x), nil
	}
	if !esm {
		if f, ok := n.asFile(x); ok {
			return f, true, nil
		}
	}
	return n.asDirectory(x)
}

// Find is the directory of a package by name, as code in dir would get it; ""
// when it is not installed.
func (n *Node) Find(name, dir string) string {
	for _, modules := range NodeModules(dir, n.Paths) {
		if !n.Spend(8 * len(modules)) {
			return ""
		}
		at := path.Join(modules, name)
		if res, err := n.tree.Resolve(at); err == nil && res.Entry.Type == layers.Directory {
			return at
		}
	}
	return ""
}

// Shared says that a package lies in a directory in which code of every
// place looks: those of Paths, and Debian's.
func (n *Node) Shared(root string) bool {
	return slices.ContainsFunc(slices.Concat(n.Paths, nodeDirs), func(dir string) bool { return strings.HasPrefix(root, dir+"/") })
}

// nodeBuiltin are the modules of Node 20 that need no "node:" before them
// (module.builtinModules). "string_decoder/", with a slash behind, is a package.
var nodeBuiltin = []string{
	"assert", "assert/strict", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto",
	"dgram", "diagnostics_channel", "dns", "dns/promises", "domain", "events", "fs", "fs/promises", "http", "http2",
	"https", "inspector", "inspector/promises", "module", "net", "os", "path", "path/posix", "path/win32", "perf_hooks",
	"process", "punycode", "querystring", "readline", "readline/promises", "repl", "stream", "stream/consumers",
	"stream/promises", "stream/web", "string_decoder", "sys", "timers", "timers/promises", "tls", "trace_events", "tty",
	"url", "util", "util/types", "v8", "vm", "wasi", "worker_threads", "zlib",
}
