package slim

import (
	"github.com/pare-image/pare/layers"
)

// ruleScript keeps the interpreter of a kept script (execve(2)): the kernel
// opens it, so that no recording of system calls shows it. With env(1), the
// program that env would find is kept too.
var ruleScript = rule{name: "script", visit: func(s *selection, e *layers.Entry) {
	if e.Type != layers.Regular || e.Mode&0o111 == 0 {
		return
	}
	interp, program := layers.ParseShebang(e.Sniff().Shebang)
	if interp == "" {
		return
	}
	r := Reason{Rule: "script", From: e.Path}
	if !s.add(interp, r) {
		s.interpreterMissing(e, interp)
	}
	if program != "" {
		if p := s.lookPath(program); p == "" || !s.add(p, r) {
			s.interpreterMissing(e, program)
		}
	}
}}

func (s *selection) interpreterMissing(e *layers.Entry, name string) {
	s.risk("interpreter-missing", e.Path, "its #! line names "+quoted(name)+", which the source does not have either")
}
