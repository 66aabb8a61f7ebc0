package slim

import (
	"cmp"
	"path"
	"slices"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
	"github.com/pare-image/pare/slim/imports"
	"github.com/pare-image/pare/slim/profile"
)

// reachNode follows what JavaScript requires and imports.
var reachNode = language{
	rule: "reach-node",
	used: func(s *selection) bool { return usesNode(s.profile, s.config) },
	source: func(_ *selection, e *layers.Entry) bool {
		return isNodeModule(e.Name()) && path.Ext(e.Name()) != ".node"
	},
	imports: func(s *selection, e *layers.Entry, src []byte) []string {
		var out []string
		node := s.node()
		for _, imp := range imports.ScanNode(src) {
			p, ok, err := node.Resolve(imp.Spec, e.Path, imp.ESM)
			s.err = cmp.Or(s.err, err)
			if ok && s.nodeCounts(e.Path, imp.Spec, p) {
				out = append(out, p)
			}
		}
		return out
	},
	unit: func(s *selection, p string) string {
		if root := langpkg.NodeRoot(p); root != "" {
			return root
		}
		if app := s.appRoot(p); app != "" {
			return app
		}
		return path.Dir(p)
	},
}

// usesNode says that the workload ran Node: it looks for the package.json of
// all that it loads. A web server opens JavaScript too, and sends it away.
func usesNode(p *profile.Profile, c configView) bool {
	for _, argv := range [][]string{c.entrypoint, c.cmd} {
		if slices.ContainsFunc(argv, isNode) {
			return true
		}
	}
	return slices.ContainsFunc(p.Accesses, func(a profile.Access) bool {
		return path.Base(a.Path) == "package.json" || a.Has(profile.Exec) && isNode(a.Path)
	})
}

func isNode(p string) bool {
	return slices.Contains([]string{"node", "nodejs", "npm", "npx", "yarn", "pnpm"}, path.Base(p))
}

// nodeCounts says that from, which asks for spec, may well get p. What is
// found only in directories for everybody (Debian's /usr/share/nodejs) is so
// by chance, unless the package declares it or the workload used it: nearly
// all are there for tests and builds of packages that come whole.
func (s *selection) nodeCounts(from, spec, p string) bool {
	root := langpkg.NodeRoot(p)
	if root == "" || !s.node().Shared(root) || below(from, root) || s.touchedUnder(root) != "" {
		return true
	}
	pkg, err := s.node().Scope(path.Dir(from))
	s.err = cmp.Or(s.err, err)
	return pkg != nil && slices.Contains(pkg.Dependencies, langpkg.PackageName(spec))
}
