package pkgdb

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// Bounds of a database: Debian testing with everything installed has some
// 60,000 packages and a status file of 60 MB.
const (
	maxStatus   = 64 << 20
	maxList     = 16 << 20
	maxLists    = 256 << 20 // all packages' lists
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
		multiSame: f["multi-arch"] == "same", depends: relations(f["pre-depends"] + "," + f["depends"]),
	}
	// Both become part of file names.
	if p.Name == "" || strings.ContainsFunc(p.Name+p.Arch, notInNames) {
		return nil, false, fmt.Errorf("%q of architecture %q is no package name", p.Name, p.Arch)
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
	// A package in any other state (unpacked, half-configured, with triggers
	// to come) has files, and scanners count it.
	gone := strings.HasSuffix(status, " not-installed") || strings.HasSuffix(status, " config-files")
	return p, !has || !gone, nil
}

// notInNames says what neither a package's name nor an architecture holds
// (Debian policy 5.6.7, 5.6.8 and some room).
func notInNames(r rune) bool {
	return !strings.ContainsRune("+-._", r) && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
}

// wanted are the fields that are read.
var wanted = map[string]bool{
	"package": true, "architecture": true, "version": true, "multi-arch": true, "source": true, "status": true,
	"depends": true, "pre-depends": true, "provides": true, "breaks": true, "conflicts": true,
}

// fields reads the wanted fields of a stanza, names in lower case;
// continuation lines are joined with newlines.
func fields(raw []byte) map[string]string {
	parts := map[string][]string{}
	last := ""
	for line := range strings.SplitSeq(string(raw), "\n") {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			if wanted[last] {
				parts[last] = append(parts[last], line)
			}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		if last = strings.ToLower(name); wanted[last] {
			parts[last] = []string{strings.TrimSpace(value)}
		}
	}
	f := map[string]string{}
	for name, lines := range parts {
		f[name] = strings.Join(lines, "\n")
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
