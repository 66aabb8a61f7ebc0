package verify

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/record/engine"
)

// candidates are the paths at which the first program may be.
func candidates(spec engine.Spec) []string {
	name := spec.Argv[0]
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = spec.Dir + "/" + name
		}
		return []string{profilePath(name)}
	}
	var out []string
	for _, e := range spec.Env {
		if list, ok := strings.CutPrefix(e, "PATH="); ok {
			for dir := range strings.SplitSeq(list, ":") {
				if !path.IsAbs(dir) {
					dir = spec.Dir + "/" + dir
				}
				out = append(out, profilePath(dir+"/"+name))
			}
		}
	}
	return out
}

// maxInterpreters bounds a chain of interpreters, as the kernel does
// (execve(2): five).
const maxInterpreters = 5

// interpreter is what the kernel opens to execute a program.
type interpreter struct {
	of   string // the program
	path string
}

// interpreters are those of a program in a tree, each the next one's program,
// up to the first that the tree lacks: that of a script's first line, or an
// ELF file's.
func interpreters(t *layers.Tree, program string) []interpreter {
	var out []interpreter
	for len(out) < maxInterpreters {
		res, err := t.Resolve(program)
		if err != nil || res.Entry.Type != layers.Regular {
			break
		}
		sniff := res.Entry.Sniff()
		first := strings.FieldsFunc(sniff.Shebang, func(r rune) bool { return r == ' ' || r == '\t' })
		next := ""
		if len(first) > 0 {
			next = first[0]
		}
		if sniff.ELF != nil {
			next = sniff.ELF.Interp
		}
		if !path.IsAbs(next) {
			break
		}
		out = append(out, interpreter{program, next})
		program = next
	}
	return out
}

// cannotStart says why no engine can start the program of a spec; "" when
// nothing speaks against it.
func cannotStart(spec engine.Spec) string {
	for _, p := range candidates(spec) {
		res, err := spec.Tree.Resolve(p)
		if err != nil || res.Entry.Type != layers.Regular {
			continue
		}
		if !mayExecute(spec.User, res.Entry.Header) {
			return fmt.Sprintf("user %d:%d may not execute %s (%04o, owner %d:%d)", spec.User.UID, spec.User.GID, Text(p), res.Entry.Mode, res.Entry.UID, res.Entry.GID)
		}
		for _, i := range interpreters(spec.Tree, p) {
			if _, err := spec.Tree.Resolve(i.path); err != nil {
				return fmt.Sprintf("the image has %s, and not its interpreter %s", Text(i.of), Text(i.path))
			}
		}
		return ""
	}
	return "the image has no " + Text(spec.Argv[0])
}

// mayExecute is path_resolution(7), "Permissions"; to root one bit is enough.
func mayExecute(u engine.Credential, h layers.Header) bool {
	switch {
	case u.UID == 0:
		return h.Mode&0o111 != 0
	case h.UID == u.UID:
		return h.Mode&0o100 != 0
	case h.GID == u.GID, slices.Contains(u.Groups, h.GID):
		return h.Mode&0o010 != 0
	}
	return h.Mode&0o001 != 0
}
