package slim

// GroupOf is the name of the first group that a path belongs to, as
// Options.Groups takes it; "" for none.
func GroupOf(p string) string {
	for _, g := range groups {
		if g.triggered(p) {
			return g.name
		}
	}
	return ""
}
