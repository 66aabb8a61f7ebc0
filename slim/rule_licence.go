package slim

// ruleLicence keeps the copyright file of every package that keeps a file:
// the licences ask for it wherever the files go.
var ruleLicence = rule{name: "licence", settle: func(s *selection) {
	for _, p := range s.packages.Packages() {
		copyright := p.Copyright()
		if r, err := s.tree.Resolve(copyright); err != nil || s.keep.Has(r.Entry.Path) {
			continue
		}
		for _, f := range p.Paths() {
			if owner, ok := s.packages.Owner(f); ok && owner == p && s.keep.Has(f) {
				s.add(copyright, Reason{Rule: "licence", From: f})
				break
			}
		}
	}
}}
