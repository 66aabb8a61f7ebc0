package pkgdb

import (
	"bytes"
	"fmt"
	"strings"
)

// Bounds of a database: Debian testing with everything installed has some
// 60,000 packages and a status file of 60 MB.
const (
	maxStatus   = 64 << 20
	maxList     = 16 << 20
	maxPackages = 100_000
)

// parseStatus reads the installed packages of a status file, in its order.
// Stanzas keep their bytes. Packages that are not installed (config-files,
// not-installed) are left out, as they own nothing.
func parseStatus(b []byte) ([]*Package, error) {
	var ps []*Package
	for n, raw := range stanzas(b) {
		p, installed, err := parseStanza(raw)
		if err != nil {
			return nil, fmt.Errorf("stanza %d: %w", n+1, err)
		}
		if !installed {
			continue
		}
		if len(ps) == maxPackages {
			return nil, fmt.Errorf("more than %d packages", maxPackages)
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// stanzas splits at blank lines.
func stanzas(b []byte) [][]byte {
	var out [][]byte
	for len(b) > 0 {
		one, rest, _ := bytes.Cut(b, []byte("\n\n"))
		if one = bytes.Trim(one, "\n"); len(one) > 0 {
			out = append(out, one)
		}
		b = rest
	}
	return out
}

func parseStanza(raw []byte) (*Package, bool, error) {
	f := fields(raw)
	p := &Package{
		Name: f["package"], Arch: f["architecture"], Version: f["version"], stanza: raw,
		multiSame: f["multi-arch"] == "same", depends: strings.Trim(f["pre-depends"]+", "+f["depends"], ", "),
	}
	if p.Name == "" || strings.ContainsAny(p.Name, "/\x00 ") || strings.ContainsAny(p.Arch, "/\x00 ") {
		return nil, false, fmt.Errorf("no package name, or one with a slash: %q", p.Name)
	}
	p.Source, _, _ = strings.Cut(f["source"], " ")
	if p.Source == "" {
		p.Source = p.Name
	}
	for v := range strings.SplitSeq(f["provides"], ",") {
		if name, _, _ := strings.Cut(strings.TrimSpace(v), " "); name != "" {
			p.provides = append(p.provides, name)
		}
	}
	status, has := f["status"]
	return p, !has || strings.HasSuffix(status, " installed"), nil
}

// fields reads the fields of a stanza, names in lower case; continuation
// lines are joined with newlines.
func fields(raw []byte) map[string]string {
	f := map[string]string{}
	last := ""
	for line := range strings.SplitSeq(string(raw), "\n") {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			if last != "" {
				f[last] += "\n" + line
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			last = ""
			continue
		}
		last = strings.ToLower(name)
		f[last] = strings.TrimSpace(value)
	}
	return f
}

// keepConffiles returns the stanza with those lines of its Conffiles field
// whose path kept takes; without any, without the field. dpkg -V would miss
// the others.
func keepConffiles(raw []byte, kept func(path string) bool) []byte {
	var out []string
	inside, header := false, -1
	for line := range strings.SplitSeq(string(raw), "\n") {
		continued := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		if !continued {
			if header == len(out)-1 && header >= 0 {
				out = out[:header]
			}
			inside, header = strings.HasPrefix(strings.ToLower(line), "conffiles:"), -1
			if inside {
				header = len(out)
			}
		} else if inside {
			path, _, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
			if !kept(path) {
				continue
			}
		}
		out = append(out, line)
	}
	if header == len(out)-1 && header >= 0 {
		out = out[:header]
	}
	return []byte(strings.Join(out, "\n"))
}
