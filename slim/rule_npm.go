package slim

import (
	"cmp"
	"path"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
)

// ruleNpm is granularity auto for Node: a package in a node_modules of which
// the workload used a file comes whole, with what it needs at run time as
// Node would find it: dependencies, and those optional and peer ones that are
// installed; links on the way (pnpm, workspaces) are kept as links. So does
// what an application declares to need whose own code was used: it requires
// much of that inside of functions, when it first needs it. What is needed to
// develop never comes. A package.json that was read is no use of the package:
// tools read them all.
var ruleNpm = rule{name: "npm", seed: func(s *selection) {
	if s.options.Granularity == GranularityFile {
		return
	}
	var q wholeQueue[string]
	apps := map[string]bool{}
	for _, p := range s.usedCode() {
		r := Reason{Rule: "npm", From: p}
		if root := langpkg.NodeRoot(p); root != "" && path.Base(p) != "package.json" {
			q.add(root, r)
		} else if app := s.nodeApp(p); app != nil && !apps[app.Dir] {
			apps[app.Dir] = true
			s.addNpmNeeds(app, r, q.add)
		}
	}
	for it, ok := q.next(); ok && s.err == nil; it, ok = q.next() {
		s.addNpm(it, &q)
	}
}}

// addNpm keeps one package whole and queues what it needs. What lies in its
// own node_modules are other packages.
func (s *selection) addNpm(it whole[string], q *wholeQueue[string]) {
	p, err := s.langs.Package(it.of)
	s.err = cmp.Or(s.err, err)
	if p == nil || p.Name == "" || p.Version == "" || it.of == "/" {
		return
	}
	s.addTree(it.of, it.reason, func(e *layers.Entry) bool {
		return e.Type == layers.Directory && e.Name() == "node_modules"
	})
	s.addBins(p, it.reason)
	s.addNpmNeeds(p, it.reason, q.add)
}

// nodeApp is the package of an application's module, which is in no
// node_modules; nil for what is none.
func (s *selection) nodeApp(p string) *langpkg.Package {
	switch path.Ext(p) {
	case ".js", ".mjs", ".cjs":
	default:
		return nil
	}
	app, err := s.node().Scope(path.Dir(p))
	s.err = cmp.Or(s.err, err)
	return app
}

// addNpmNeeds queues what a package or an application declares to need.
func (s *selection) addNpmNeeds(p *langpkg.Package, r Reason, add func(dir string, r Reason)) {
	for _, name := range p.Dependencies {
		at := s.node().Find(name, p.Dir)
		res, err := s.tree.Resolve(at)
		if at == "" || err != nil {
			continue // optional, or satisfied by another package
		}
		r.Note = quoted(p.Name + " depends on " + name)
		s.add(at, r) // links on the way
		add(res.Entry.Path, r)
	}
}

// addBins keeps the links in node_modules/.bin, or PREFIX/bin of a package
// that was installed globally, that lead to its programs.
func (s *selection) addBins(p *langpkg.Package, r Reason) {
	modules := path.Dir(p.Dir)
	if path.Base(modules) != "node_modules" {
		modules = path.Dir(modules) // of a scope
	}
	for _, name := range p.Bin {
		for _, dir := range []string{path.Join(modules, ".bin"), path.Join(modules, "../../bin")} {
			res, err := s.tree.Resolve(path.Join(dir, name))
			if err == nil && below(res.Entry.Path, p.Dir) {
				s.add(path.Join(dir, name), r)
			}
		}
	}
}

// node resolves what code asks for.
func (s *selection) node() *langpkg.Node {
	return &langpkg.Node{Reader: s.langs, Paths: s.config.paths("NODE_PATH")}
}
