package slim

import "github.com/pare-image/pare/layers/pkgdb"

// ruleDistroID keeps the files by which scanners tell the distribution:
// without them they see no OS package, and report nothing.
var ruleDistroID = rule{name: "distro-id", seed: func(s *selection) {
	for _, p := range pkgdb.DistroFiles {
		if _, err := s.tree.Resolve(p); err == nil {
			s.add(p, Reason{Rule: "distro-id"})
		}
	}
}}
