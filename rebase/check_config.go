package rebase

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/accounts"
)

// checkUser wants the config's user and group to be there under the same
// numbers, where they are names, and not to become root.
var checkUser = check{name: FindingUser, run: func(_ context.Context, s *scene) ([]Finding, error) {
	user, group, _ := strings.Cut(s.next.Config().Config.User, ":")
	var out []Finding
	for _, x := range []struct {
		kind, name string
		file       accounts.File
	}{{"user", user, accounts.Passwd}, {"group", group, accounts.Group}} {
		if _, err := strconv.Atoi(x.name); x.name == "" || err == nil {
			continue
		}
		was, had := idIn(s.app, x.file, x.name)
		is, has := idIn(s.next, x.file, x.name)
		text := ""
		switch {
		case !has && (had || s.next.Config().Config.User != s.app.Config().Config.User):
			text = fmt.Sprintf("the image runs as %s %q, which is not in its %s on the new base", x.kind, x.name, x.file.Path)
		case has && had && was != is:
			text = fmt.Sprintf("the image runs as %s %q, whose number is %s and becomes %s: its files are the other's", x.kind, x.name, was, is)
		default:
			continue
		}
		out = append(out, Finding{
			Name: FindingUser, Severity: SeverityError, Path: x.file.Path, Text: text,
			Next: "give the image a numeric USER, or a base that has this one",
		})
	}
	if !isRoot(s.app) && isRoot(s.next) {
		out = append(out, Finding{
			Name: FindingUser, Severity: SeverityError,
			Text: fmt.Sprintf("the image runs as %q, which it has of its old base, and would run as root on the new one", s.app.Config().Config.User),
			Next: "give the image a USER of its own, or, if root is meant, allow it with --allow " + FindingUser,
		})
	}
	return out, nil
}}

// isRoot says whether an image runs as user 0, by number, by name or as it
// names none.
func isRoot(t *layers.Tree) bool {
	user, _, _ := strings.Cut(t.Config().Config.User, ":")
	if id, ok := idIn(t, accounts.Passwd, user); ok {
		user = id
	}
	n, err := strconv.Atoi(user)
	return user == "" || user == "root" || err == nil && n == 0
}

// idIn is an account's number in a file of accounts.
func idIn(t *layers.Tree, file accounts.File, name string) (string, bool) {
	b, err := readMerged(t, file.Path)
	if err != nil {
		return "", false
	}
	return file.Number(b, name)
}

// checkPrograms wants the programs that the config names to be there, where
// they were.
var checkPrograms = check{name: FindingProgram, run: func(_ context.Context, s *scene) ([]Finding, error) {
	var out []Finding
	if is, was := s.next.Config().Config, s.app.Config().Config; len(is.Entrypoint)+len(is.Cmd) == 0 && len(was.Entrypoint)+len(was.Cmd) > 0 {
		out = append(out, Finding{
			Name: FindingProgram, Severity: SeverityError,
			Text: fmt.Sprintf("the image runs %q, which it has of its old base, and the new one runs nothing", append(append([]string(nil), was.Entrypoint...), was.Cmd...)),
			Next: "give the image an ENTRYPOINT or CMD of its own, or choose a base that has one",
		})
	}
	for _, p := range programs(s.next.Config()) {
		if _, ok := findProgram(s.next, p); ok {
			continue
		}
		if at, ok := findProgram(s.app, p); ok {
			out = append(out, Finding{
				Name: FindingProgram, Severity: SeverityError, Path: utf8Path(at),
				Text: fmt.Sprintf("the config runs %q, which the new base does not have", p),
				Next: "build the image anew on this base, or choose one that has it",
			})
		}
	}
	return out, nil
}}

// programs are what the config runs.
func programs(c *v1.ConfigFile) []string {
	var out []string
	add := func(argv []string) {
		if len(argv) > 0 {
			out = append(out, argv[0])
		}
	}
	add(append(append([]string(nil), c.Config.Entrypoint...), c.Config.Cmd...))
	if h := c.Config.Healthcheck; h != nil && len(h.Test) > 1 {
		switch h.Test[0] {
		case "CMD":
			add(h.Test[1:])
		case "CMD-SHELL":
			add(append(append([]string(nil), c.Config.Shell...), "/bin/sh"))
		}
	}
	return out
}

// findProgram looks for a program as a runtime does: in PATH unless it is a
// path, which is then taken from the working directory.
func findProgram(t *layers.Tree, name string) (string, bool) {
	c := t.Config().Config
	places := []string{path.Join("/", c.WorkingDir, name)}
	switch {
	case path.IsAbs(name):
		places = []string{name}
	case !strings.Contains(name, "/"):
		places = nil
		for dir := range strings.SplitSeq(searchPath(c.Env), ":") {
			places = append(places, path.Join("/", dir, name))
		}
	}
	for _, p := range places {
		if r, err := t.Resolve(p); err == nil && r.Entry.Type == layers.Regular {
			return r.Entry.Path, true
		}
	}
	return "", false
}

// searchPath is PATH, or what runtimes take without one.
func searchPath(env []string) string {
	if p := variables(env)["PATH"]; p != "" {
		return p
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}
