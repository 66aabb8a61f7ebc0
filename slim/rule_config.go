package slim

import (
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
)

// ruleConfig keeps what the image config names: the programs of Entrypoint,
// Cmd, Healthcheck and Shell, files that are their arguments, the working
// directory, and volumes with their content.
var ruleConfig = rule{name: "config", seed: func(s *selection) {
	c := s.config
	s.addCommand(append(append([]string{}, c.entrypoint...), c.cmd...), "config:Entrypoint")
	s.addCommand(c.cmd, "config:Cmd")
	s.addCommand(c.shell, "config:Shell")
	if h := c.healthcheck; len(h) > 1 && h[0] == "CMD" {
		s.addCommand(h[1:], "config:Healthcheck")
	} else if len(h) > 1 && h[0] == "CMD-SHELL" {
		s.addCommand([]string{"/bin/sh", "-c", h[1]}, "config:Healthcheck")
	}
	if c.workingDir != "" && c.workingDir != "/" {
		s.add(path.Clean("/"+c.workingDir), Reason{Rule: "config", From: "config:WorkingDir"})
	}
	for _, v := range c.volumes {
		s.addTree(path.Clean("/"+v), Reason{Rule: "config", From: "config:Volumes"}, nil)
	}
}}

// addCommand keeps the program that argv starts and the regular files that
// its arguments name by absolute path or relative to the working directory:
// a script given to an interpreter. Words inside a shell's -c string are not
// looked at; what it ran is in the profile.
func (s *selection) addCommand(argv []string, from string) {
	if len(argv) == 0 || argv[0] == "" {
		return
	}
	r := Reason{Rule: "config", From: from}
	if p := s.lookPath(argv[0]); p != "" {
		s.add(p, r)
	}
	for _, a := range argv[1:] {
		if a == "" || len(a) > 4096 || strings.ContainsAny(a, "\n\x00") || !strings.Contains(a, "/") && !strings.Contains(a, ".") {
			continue
		}
		if !path.IsAbs(a) {
			a = path.Join("/", s.config.workingDir, a)
		}
		if res, err := s.tree.Resolve(a); err == nil && res.Entry.Type == layers.Regular {
			s.add(a, r)
		}
	}
}

// lookPath finds a program as execvp(3) does, in PATH of the config; "" when
// there is none.
func (s *selection) lookPath(name string) string {
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join("/", s.config.workingDir, name)
		}
		return name
	}
	for _, dir := range s.config.searchPath() {
		if !path.IsAbs(dir) {
			continue
		}
		p := path.Join(dir, name)
		if res, err := s.tree.Resolve(p); err == nil && res.Entry.Type == layers.Regular && res.Entry.Mode&0o111 != 0 {
			return p
		}
	}
	return ""
}
