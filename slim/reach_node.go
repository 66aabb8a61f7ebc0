package slim

import (
	"cmp"
	"path"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
	"github.com/pare-image/pare/slim/imports"
)

// reachNode follows what JavaScript requires and imports.
var reachNode = language{
	rule:   "reach-node",
	source: func(name string) bool { return isNodeModule(name) && path.Ext(name) != ".node" },
	imports: func(s *selection, e *layers.Entry, src []byte) []string {
		var out []string
		node := s.node()
		for _, imp := range imports.ScanNode(src) {
			p, ok, err := node.Resolve(imp.Spec, e.Path, imp.ESM)
			s.err = cmp.Or(s.err, err)
			if ok {
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
