package slim

import (
	"cmp"
	"path"
	"slices"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
)

// ruleNode keeps what Node reads beside a kept file of code: the package.json
// files up to the package's own, which say how it is loaded, and the files
// that this names as main, in exports and in imports: which of them are
// loaded depends on who asks (nodejs.org/api/packages.html).
var ruleNode = rule{name: "node", visit: func(s *selection, e *layers.Entry) {
	if e.Type == layers.Directory || !isNodeModule(e.Name()) {
		return
	}
	for dir := path.Dir(e.Path); path.Base(dir) != "node_modules"; dir = path.Dir(dir) {
		if s.nodeDirs[dir] {
			return
		}
		s.nodeDirs[dir] = true
		s.addNodePackage(dir, Reason{Rule: "node", From: e.Path})
		if dir == "/" || dir == langpkg.NodeRoot(e.Path) {
			return
		}
	}
}}

// isNodeModule says that Node loads a file by this name as code.
func isNodeModule(name string) bool {
	return slices.Contains([]string{".js", ".mjs", ".cjs", ".node"}, path.Ext(name))
}

func (s *selection) addNodePackage(dir string, r Reason) {
	file := path.Join(dir, "package.json")
	if !s.has(file) {
		return
	}
	p, err := s.langs.Package(dir)
	s.err = cmp.Or(s.err, err)
	if p == nil {
		return
	}
	s.add(file, r)
	main, err := s.node().Main(p)
	s.err = cmp.Or(s.err, err)
	named := []string{main}
	for _, t := range p.Targets() {
		named = append(named, path.Join(dir, t))
	}
	for _, f := range named {
		if res, err := s.tree.Resolve(f); f != "" && err == nil && res.Entry.Type == layers.Regular {
			s.add(f, Reason{Rule: "node", From: file})
		}
	}
}
