package slim

import "github.com/pare-image/pare/layers"

// ruleKeep keeps what the user's patterns name, directories with all below.
var ruleKeep = rule{name: "keep", seed: func(s *selection) {
	if !s.user.keeping() {
		return
	}
	for e := range s.tree.All() {
		if pattern, ok := s.user.keeps(e.Path, e.Type == layers.Directory); ok {
			r := Reason{Rule: "keep", From: "pattern:" + pattern}
			s.put(e, r)
			if e.Type == layers.Symlink && s.keep.Has(e.Path) {
				s.add(e.Path, r)
			}
			if s.err != nil {
				return
			}
		}
	}
}}
