package probe

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// ErrSecret says that a question would have put a secret into the profile.
var ErrSecret = errors.New("profiles are kept and pushed to registries, so no secret may be in one")

// ErrUnset says that a header names a variable that has no value.
var ErrUnset = errors.New("the variable is not set")

// variable is a header's value that is filled in when it is sent: "$NAME",
// perhaps behind one word ("Bearer $NAME", "session=$NAME").
var variable = regexp.MustCompile(`^((?:[A-Za-z][A-Za-z0-9_.-]*[ =])?)\$([A-Za-z_][A-Za-z0-9_]*)$`)

// secretNames are parts of names, in lower case and without dashes and
// underscores, of headers and parameters that carry secrets.
var secretNames = []string{
	"authorization", "cookie", "apikey", "accesskey", "authkey", "secret", "token", "password", "passwd", "credential", "sessionid", "xauth",
}

var bareName = strings.NewReplacer("-", "", "_", "")

func secretName(name string) bool {
	n := bareName.Replace(strings.ToLower(name))
	return slices.ContainsFunc(secretNames, func(s string) bool { return strings.Contains(n, s) })
}

// parseHeader reads "Name: value" and returns it as a probe stores it.
func parseHeader(line string) (name, value string, err error) {
	name, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch {
	case !ok || !isToken(name):
		return "", "", fmt.Errorf("header %s is not of the form -H 'Accept: text/html'", shown(line))
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return "", "", fmt.Errorf("header %s has a control character in its value", shown(name))
	case secretName(name) && !variable.MatchString(value):
		return "", "", fmt.Errorf("header %s: %w; write -H '%s: $NAME' or -H '%[1]s: Bearer $NAME' in single quotes, and export NAME=... in the environment of pare", shown(name), ErrSecret, shown(name))
	}
	return name, value, nil
}

// resolveHeader splits a stored header and fills in its variable.
func resolveHeader(stored string, getenv func(string) string) (name, value string, err error) {
	if name, value, err = parseHeader(stored); err != nil {
		return "", "", err
	}
	m := variable.FindStringSubmatch(value)
	if m == nil {
		return name, value, nil
	}
	v := getenv(m[2])
	if v == "" {
		return "", "", fmt.Errorf("header %s: %w: export %s=... first", shown(name), ErrUnset, m[2])
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "", "", fmt.Errorf("header %s: the value of %s has a control character; export it without a newline", shown(name), m[2])
	}
	return name, m[1] + v, nil
}

// CheckVariables says which variables that the probes name have no value:
// better before the workload is started than in the middle of it.
func CheckVariables(probes []profile.Probe, getenv func(string) string) error {
	if getenv == nil {
		getenv = Options{}.getenv
	}
	seen := map[string]bool{}
	var errs []error
	for _, p := range probes {
		for _, h := range p.Header {
			if _, _, err := resolveHeader(h, getenv); err != nil && !seen[err.Error()] {
				seen[err.Error()] = true
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// isToken holds RFC 9110, 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
