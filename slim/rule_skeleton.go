package slim

// ruleSkeleton keeps the directories that programs take for granted, if the
// source has them: hier(7), what runtimes mount over, and the user's home. Their
// content is not kept.
var ruleSkeleton = rule{name: "skeleton", seed: func(s *selection) {
	for _, d := range []string{"/dev", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/tmp", "/usr", "/var", "/var/run", "/var/tmp"} {
		if _, ok := s.tree.Lookup(d); ok {
			s.add(d, Reason{Rule: "skeleton"})
		}
	}
	if home := s.who.Home; home != "" {
		s.add(home, Reason{Rule: "skeleton", From: "option:user", Note: "home directory"})
	}
}}
