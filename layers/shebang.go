package layers

import (
	"path"
	"strings"
)

// ParseShebang takes the line of [Sniff] apart as execve(2) does: interp is
// the program that the kernel starts, "" unless it is an absolute path. When
// that is env(1), program is what env would look for in PATH.
func ParseShebang(line string) (interp, program string) {
	line = strings.Trim(line, " \t")
	end := strings.IndexAny(line+" ", " \t")
	interp = line[:end]
	if !path.IsAbs(interp) {
		return "", ""
	}
	if path.Base(interp) == "env" {
		program = envProgram(line[end:])
	}
	return interp, program
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
