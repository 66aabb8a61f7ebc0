package slim

import (
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
)

// ruleScript keeps the interpreter of a kept script (execve(2)): the kernel
// opens it, so that no recording of system calls shows it. With env(1), the
// program that env would find is kept too.
var ruleScript = rule{name: "script", visit: func(s *selection, e *layers.Entry) {
	if e.Type != layers.Regular || e.Mode&0o111 == 0 {
		return
	}
	line := e.Sniff().Shebang
	line = strings.Trim(line, " \t")
	end := strings.IndexAny(line+" ", " \t")
	interp, rest := line[:end], line[end:]
	if !path.IsAbs(interp) {
		return
	}
	r := Reason{Rule: "script", From: e.Path}
	if !s.add(interp, r) {
		s.interpreterMissing(e, interp)
	}
	if name := envProgram(rest); path.Base(interp) == "env" && name != "" {
		if p := s.lookPath(name); p == "" || !s.add(p, r) {
			s.interpreterMissing(e, name)
		}
	}
}}

func (s *selection) interpreterMissing(e *layers.Entry, name string) {
	s.risk("interpreter-missing", e.Path, "its #! line names "+quoted(name)+", which the source does not have either")
}

// envProgram finds the program in env's one argument, or in the several of
// env -S: options and assignments come before it.
func envProgram(arg string) string {
	words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(arg), "--split-string="))
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "-u" || w == "-C":
			i++
		case strings.HasPrefix(w, "-S") && len(w) > 2:
			return w[2:]
		case strings.HasPrefix(w, "-") || strings.Contains(w, "="):
		default:
			return w
		}
	}
	return ""
}
