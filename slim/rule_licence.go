package slim

import "github.com/pare-image/pare/layers"

// ruleLicence keeps the copyright file of every package that keeps a file:
// the licences ask for it wherever the files go.
var ruleLicence = rule{name: "licence", visit: func(s *selection, e *layers.Entry) {
	owner, ok := s.packages.Owner(e.Path)
	if !ok || s.licensed[owner] {
		return
	}
	s.licensed[owner] = true
	r, err := s.tree.Resolve(owner.Copyright())
	if err == nil && r.Entry != e {
		s.addResolved(r, nil, Reason{Rule: "licence", From: e.Path})
	}
}}
