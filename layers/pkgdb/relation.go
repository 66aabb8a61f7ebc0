package pkgdb

import (
	"strings"
)

// relation is one wish about a package: a name, and where it says so an
// architecture ("any" too) and a version.
type relation struct {
	name, arch  string
	op, version string // op: "<<", "<=", "=", ">=", ">>", "~", or "" for any version
}

// parseRelations reads the value of a field such as Depends (deb-control(5)):
// clauses, each a list of alternatives.
func parseRelations(s string) [][]relation {
	var out [][]relation
	for clause := range strings.SplitSeq(s, ",") {
		var alternatives []relation
		for text := range strings.SplitSeq(clause, "|") {
			if r := parseRelation(text); r.name != "" {
				alternatives = append(alternatives, r)
			}
		}
		if alternatives != nil {
			out = append(out, alternatives)
		}
	}
	return out
}

// parseRelation reads "name[:arch] [(op version)]"; what follows, restrictions
// of builds, has no place in a database of what is installed.
func parseRelation(text string) relation {
	text = strings.TrimSpace(text)
	name, rest, _ := strings.Cut(text, "(")
	name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
	var r relation
	r.name, r.arch, _ = strings.Cut(name, ":")
	inside, _, _ := strings.Cut(rest, ")")
	inside = strings.TrimSpace(inside)
	version := strings.TrimLeft(inside, "<>=")
	r.op, r.version = dpkgOps[inside[:len(inside)-len(version)]], strings.TrimSpace(version)
	return r
}

// dpkgOps are the operators; "<" and ">" mean what they do for history's sake
// (dpkg, lib/dpkg/parsehelp.c).
var dpkgOps = map[string]string{"<<": "<<", "<=": "<=", "<": "<=", "=": "=", ">=": ">=", ">": ">=", ">>": ">>"}

// parseApkRelation reads "name", "so:name=1.2", "name>=1", "name~1.2", "a@tag".
func parseApkRelation(text string) relation {
	text, _, _ = strings.Cut(text, "@")
	i := strings.IndexAny(text, "<>=~")
	if i < 0 {
		return relation{name: text}
	}
	version := strings.TrimLeft(text[i:], "<>=~")
	op := text[i : len(text)-len(version)]
	return relation{name: text[:i], op: apkOps[op], version: version}
}

// apkOps are apk's operators; "><" names a checksum and is met by nothing
// that can be compared here, so it is taken for any version.
var apkOps = map[string]string{"<": "<<", "<=": "<=", "=": "=", ">=": ">=", ">": ">>", "~": "~", "=~": "~", "~=": "~"}

// takes says whether a version is one that the relation wants.
func (r relation) takes(format, version string) bool {
	if r.op == "" {
		return true
	}
	if r.op == "~" {
		return version == r.version || strings.HasPrefix(version, r.version) && strings.ContainsRune(".-_", rune(version[len(r.version)]))
	}
	c := CompareVersions(format, version, r.version)
	switch r.op {
	case "<<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	}
	return c > 0
}

// String is the relation as deb-control(5) writes it.
func (r relation) String() string {
	s := r.name
	if r.arch != "" {
		s += ":" + r.arch
	}
	if r.op != "" {
		s += " (" + r.op + " " + r.version + ")"
	}
	return s
}
