package langpkg

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// Package is a package.json (docs.npmjs.com/cli/v10/configuring-npm/package-json,
// nodejs.org/docs/latest-v20.x/api/packages.html).
type Package struct {
	// Dir is the directory that it describes, as it is in the tree.
	Dir           string
	Name, Version string
	// Dependencies are what it needs at run time, sorted: dependencies,
	// optionalDependencies, and peerDependencies that are not optional.
	Dependencies []string
	// Bin are the names of its programs, sorted.
	Bin []string

	main             string
	exports, imports target
}

// packageJSON is the document. Tools write every field in every form, so each
// is read by itself.
type packageJSON struct {
	Name, Version, Main  json.RawMessage
	Dependencies         json.RawMessage
	OptionalDependencies json.RawMessage
	PeerDependencies     json.RawMessage
	PeerDependenciesMeta json.RawMessage
	Bin                  json.RawMessage
	Exports, Imports     json.RawMessage
}

// Package reads dir/package.json; nil when there is none that can be read.
func (r *Reader) Package(dir string) (*Package, error) {
	e := r.regular(path.Join(dir, packageFile))
	if e == nil {
		return nil, nil
	}
	if p, ok := r.node[e.Path]; ok {
		return p, nil
	}
	b, err := r.file(e.Path)
	if err != nil {
		return nil, err
	}
	p := parsePackage(b)
	if p != nil {
		p.Dir = path.Dir(e.Path)
		p.Dependencies = p.Dependencies[:min(len(p.Dependencies), r.needs)]
		r.needs -= len(p.Dependencies)
	}
	r.node[e.Path] = p
	return p, nil
}

const packageFile = "package.json"

func parsePackage(b []byte) *Package {
	var doc packageJSON
	if json.Unmarshal(b, &doc) != nil {
		return nil
	}
	p := &Package{
		Name: text(doc.Name), Version: text(doc.Version), main: text(doc.Main),
		exports: parseTarget(doc.Exports), imports: parseTarget(doc.Imports),
	}
	if _, _, ok := splitName(p.Name); !ok {
		p.Name = ""
	}
	var meta map[string]struct{ Optional bool }
	_ = json.Unmarshal(doc.PeerDependenciesMeta, &meta) // without it none is optional
	p.Dependencies = slices.Concat(keys(doc.Dependencies), keys(doc.OptionalDependencies))
	for _, name := range keys(doc.PeerDependencies) {
		if !meta[name].Optional {
			p.Dependencies = append(p.Dependencies, name)
		}
	}
	p.Dependencies = slices.DeleteFunc(p.Dependencies, func(s string) bool { name, _, ok := splitName(s); return !ok || name != s })
	slices.Sort(p.Dependencies)
	p.Dependencies = slices.Compact(p.Dependencies)
	p.Bin = keys(doc.Bin)
	if s := text(doc.Bin); s != "" && p.Name != "" {
		p.Bin = []string{path.Base(p.Name)}
	}
	p.Bin = slices.DeleteFunc(p.Bin, func(s string) bool { return s == "" || s == ".." || strings.ContainsAny(s, "/\x00") })
	return p
}

// text is a JSON string; "" for anything else.
func text(b json.RawMessage) string {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return ""
	}
	return s
}

// keys are an object's, sorted; nil for anything else.
func keys(b json.RawMessage) []string {
	var m map[string]json.RawMessage
	if json.Unmarshal(b, &m) != nil {
		return nil
	}
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// splitName splits a bare specifier into a package's name and the path in it:
// "@a/b/c/d" into "@a/b" and "/c/d". False for what can name no package.
func splitName(spec string) (name, sub string, ok bool) {
	end := strings.IndexByte(spec, '/')
	if strings.HasPrefix(spec, "@") {
		if end < 0 {
			return "", "", false
		}
		if next := strings.IndexByte(spec[end+1:], '/'); next >= 0 {
			end += 1 + next
		} else {
			end = -1
		}
	}
	name = spec
	if end >= 0 {
		name, sub = spec[:end], spec[end:]
	}
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "\\%\x00") || name != path.Clean(name) || path.IsAbs(name) {
		return "", "", false
	}
	return name, sub, true
}

// nodeDirs are where Node of Debian looks besides node_modules
// (debian/patches of nodejs 18).
var nodeDirs = []string{"/usr/share/nodejs", "/usr/lib/nodejs"}

// NodeRoot is the directory of the package that p is in, by its name alone:
// one below the last node_modules, or two for a scope. "" when p is in none.
func NodeRoot(p string) string {
	dir, rest := "", ""
	if i := strings.LastIndex(p, "/node_modules/"); i >= 0 {
		dir, rest = p[:i+len("/node_modules")], p[i+len("/node_modules/"):]
	} else {
		for _, d := range nodeDirs {
			if r, ok := strings.CutPrefix(p, d+"/"); ok {
				dir, rest = d, r
			}
		}
	}
	name, sub, ok := splitName(rest)
	if !ok || sub == "" {
		return "" // the directory itself, .bin, .package-lock.json
	}
	return path.Join(dir, name)
}

// NodeModules are the directories in which Node looks for a package that code
// in dir asks for, the nearest first; then those of more and of Debian.
func NodeModules(dir string, more []string) []string {
	var out []string
	for {
		if path.Base(dir) != "node_modules" {
			out = append(out, path.Join(dir, "node_modules"))
		}
		if dir == "/" {
			return slices.Concat(out, more, nodeDirs)
		}
		dir = path.Dir(dir)
	}
}

// Targets are the files, relative to the package, that exports and imports
// name for Node, but for patterns: sorted. They may not exist.
func (p *Package) Targets() []string {
	var out []string
	for _, t := range []target{p.exports, p.imports} {
		t.files(func(s string) {
			if strings.HasPrefix(s, "./") && !strings.Contains(s, "*") {
				out = append(out, s)
			}
		})
	}
	for i := range out {
		out[i] = path.Join("/", out[i])[1:] // never above the package
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// PackageName is the name of the package that a bare specifier asks for; ""
// when it is none.
func PackageName(spec string) string {
	name, _, _ := splitName(spec)
	return name
}
