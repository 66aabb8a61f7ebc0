package slim

import "github.com/pare-image/pare/layers"

// ruleRuntimeMount leaves empty files where runtimes mount the container's
// own, as the source may hold those of the host that built it. mtab stays the
// link that it is.
var ruleRuntimeMount = rule{name: "runtime-mount", seed: func(s *selection) {
	for _, p := range []string{"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"} {
		g := Generated{Path: p, Header: layers.Header{Type: layers.Regular, Mode: 0o644}, Reason: Reason{Rule: "runtime-mount"}, Like: p}
		if e, ok := s.tree.Lookup(p); ok && e.Type != layers.Regular {
			s.addLink(p, g.Reason) // a link into /run, as systemd makes it
			continue
		}
		s.generate(g)
	}
	if e, ok := s.tree.Lookup("/etc/mtab"); ok && e.Type == layers.Symlink {
		s.addLink("/etc/mtab", Reason{Rule: "runtime-mount"})
	}
}}
