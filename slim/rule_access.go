package slim

import (
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// ruleAccess keeps what the profile saw exist, with every symlink and
// directory on its way, and the directories in which the workload made
// files. Paths in file systems that the runtime mounts are not the image's.
var ruleAccess = rule{name: "access", seed: func(s *selection) {
	for i := range s.profile.Accesses {
		a := &s.profile.Accesses[i]
		r := Reason{Rule: "access", Note: note(a)}
		if profile.Mounted(a.Path) {
			// A name in /proc may lead to a file of the image.
			if a.Exists && a.Resolved != "" && !profile.Mounted(a.Resolved) {
				s.addFiles(r, a.Resolved)
			}
			continue
		}
		if a.Exists && a.OnlyLink() {
			s.addLink(a.Path, r)
		} else if a.Exists {
			s.add(a.Path, r)
			if a.Resolved != "" && !profile.Mounted(a.Resolved) {
				s.add(a.Resolved, r)
			}
		}
		if a.Has(profile.Create, profile.Rename, profile.Delete) {
			s.addDirOf(a, r)
		}
	}
}}

// addDirOf keeps the directory in which a file was made, if the image has it.
func (s *selection) addDirOf(a *profile.Access, r Reason) {
	if res, err := s.tree.Resolve(parentOf(a.Path)); err == nil && res.Entry.Path != "/" {
		s.add(parentOf(a.Path), r)
	}
}

// note says in what ways and by whom a path was used.
func note(a *profile.Access) string {
	var ks []string
	for _, k := range a.Kinds {
		ks = append(ks, string(k))
	}
	n := strings.Join(ks, ",")
	if len(a.By) > 0 {
		n += " by " + a.By[0]
	}
	return n
}
