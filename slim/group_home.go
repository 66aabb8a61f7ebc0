package slim

import "regexp"

// homes are the directories that pattern's first group names in the paths
// that the profile touched; where it touched none, those of the whole tree.
// Sorted, each once.
func (s *selection) homes(pattern *regexp.Regexp) []string {
	found := map[string]bool{}
	note := func(p string) {
		if m := pattern.FindStringSubmatch(p); m != nil {
			found[m[1]] = true
		}
	}
	for _, p := range s.touchedIn {
		note(p)
	}
	if len(found) == 0 {
		for e := range s.tree.All() {
			note(e.Path)
		}
	}
	return sortedKeys(found)
}
