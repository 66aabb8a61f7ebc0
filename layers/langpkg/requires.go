package langpkg

import (
	"regexp"
	"slices"
	"strings"
)

// Requirement is one dependency of a distribution (PEP 508), without the
// versions: what is installed was accepted by who installed it.
type Requirement struct {
	Name   string   // normalized
	Extras []string // of it, normalized
	marker string
}

// maxRequires bounds the requirements of one distribution; those with many
// extras declare some hundreds.
const maxRequires = 4096

var requirementHead = regexp.MustCompile(`^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[([^\]]*)\])?`)

// ParseRequirement reads a line of Requires-Dist: a name, extras, versions or
// a URL, and behind ";" a marker. False for what is none.
func ParseRequirement(s string) (Requirement, bool) {
	m := requirementHead.FindStringSubmatch(s)
	if m == nil {
		return Requirement{}, false
	}
	req := Requirement{Name: NormalizePython(strings.TrimRight(m[1], "._-"))}
	for x := range strings.SplitSeq(m[3], ",") {
		if x = strings.TrimSpace(x); x != "" {
			req.Extras = append(req.Extras, NormalizePython(x))
		}
	}
	rest := s[len(m[0]):]
	cut := ";"
	if strings.HasPrefix(strings.TrimSpace(rest), "@") {
		cut = " ;" // a URL may hold a ";"
	}
	if _, marker, ok := strings.Cut(rest, cut); ok {
		req.marker = strings.TrimSpace(marker)
	}
	return req, true
}

// Needed says whether the requirement holds in an environment. A marker that
// cannot be told counts as true: what is installed beside it may be needed.
func (r Requirement) Needed(env Environment) bool {
	return r.marker == "" || evalMarker(r.marker, env) != no
}

// Cost is what Needed takes, as [Reader.Spend] counts it.
func (r Requirement) Cost() int { return 64 + 8*len(r.marker) }

// parseRequiresTxt reads setuptools' requires.txt: a requirement a line, in
// sections "[extra]", "[:marker]", "[extra:marker]".
func parseRequiresTxt(b []byte) []Requirement {
	var out []Requirement
	marker := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			marker = sectionMarker(line[1 : len(line)-1])
			continue
		}
		req, ok := ParseRequirement(line)
		if !ok || len(out) >= maxRequires {
			continue
		}
		all := slices.DeleteFunc([]string{req.marker, marker}, func(s string) bool { return s == "" })
		if req.marker = strings.Join(all, ") and ("); len(all) > 1 {
			req.marker = "(" + req.marker + ")"
		}
		out = append(out, req)
	}
	return out
}

func sectionMarker(section string) string {
	extra, marker, _ := strings.Cut(section, ":")
	if extra == "" {
		return marker
	}
	is := `extra == "` + strings.ReplaceAll(extra, `"`, "") + `"`
	if marker == "" {
		return is
	}
	return "(" + marker + ") and " + is
}
