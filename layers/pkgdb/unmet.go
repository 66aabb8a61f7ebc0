package pkgdb

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// maxMeetings bounds how often a relation and a package are held against each
// other: ten times what a system of 60,000 packages comes to.
const maxMeetings = 5_000_000

// Unmet is a relation of an installed package that the others do not meet.
type Unmet struct {
	Package string // its ID
	// Kind is the field: "Pre-Depends", "Depends", "Breaks", "Conflicts".
	Kind string
	// Want is the clause: "libssl3 (>= 3.0.0) | libssl1.1".
	Want string
	// Have is the installed version of the first package that is named, ""
	// when it is not installed. For Breaks and Conflicts, the package that is.
	Have string
}

// Unmet lists the relations that are not met, sorted by package, kind and
// clause. Packages of rpm are not looked at: their requirements name files
// and features besides. The error is a [layers.ErrLimit].
func (d *DB) Unmet() ([]Unmet, error) { return unmet(d.Format, d.packages) }

// installed are packages by what they can be called.
type installed struct {
	format   string
	byName   map[string][]*Package
	provided map[string][]provision
	meetings int
}

// provision is a name that a package provides, with a version or without.
type provision struct {
	by      *Package
	version string
}

// bonds are the relations of one package.
type bonds struct {
	wants    map[string][][]relation // by kind
	provides []relation
}

func unmet(format string, packages []*Package) ([]Unmet, error) {
	if format == "rpm" {
		return nil, nil
	}
	in := &installed{format: format, byName: map[string][]*Package{}, provided: map[string][]provision{}}
	all := make([]bonds, len(packages))
	for i, p := range packages {
		all[i] = p.bonds()
		in.byName[p.Name] = append(in.byName[p.Name], p)
		for _, r := range all[i].provides {
			in.provided[r.name] = append(in.provided[r.name], provision{p, r.version})
		}
	}
	var out []Unmet
	for i, p := range packages {
		out = append(out, in.unmetOf(p, all[i])...)
		if in.meetings > maxMeetings {
			return nil, fmt.Errorf("checking dependencies: %w: more than %d of packages and relations", layers.ErrLimit, maxMeetings)
		}
	}
	slices.SortFunc(out, func(a, b Unmet) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Want, b.Want))
	})
	return slices.Compact(out), nil
}

func (in *installed) unmetOf(p *Package, b bonds) []Unmet {
	var out []Unmet
	for _, kind := range []string{"Pre-Depends", "Depends"} {
		for _, alternatives := range b.wants[kind] {
			if !slices.ContainsFunc(alternatives, func(r relation) bool { return len(in.meeting(p, r, true)) > 0 }) {
				out = append(out, Unmet{p.ID(), kind, clause(alternatives), in.have(alternatives[0].name)})
			}
		}
	}
	for _, kind := range []string{"Breaks", "Conflicts"} {
		for _, alternatives := range b.wants[kind] {
			for _, q := range in.meeting(p, alternatives[0], false) {
				if q.Name != p.Name { // other architectures of itself are its own business
					out = append(out, Unmet{p.ID(), kind, clause(alternatives), q.ID() + " " + q.Version})
				}
			}
		}
	}
	return out
}

// meeting are the installed packages that are what r says, to p. What p needs
// it may provide itself; needed says which.
func (in *installed) meeting(p *Package, r relation, needed bool) []*Package {
	var out []*Package
	in.meetings += len(in.byName[r.name]) + len(in.provided[r.name])
	for _, q := range in.byName[r.name] {
		if r.takes(in.format, q.Version) && (!needed || q.serves(p, r)) {
			out = append(out, q)
		}
	}
	for _, v := range in.provided[r.name] {
		// A version is met only by a provision that has one (deb-control(5)).
		if r.op == "" || v.version != "" && r.takes(in.format, v.version) {
			if needed || v.by != p {
				out = append(out, v.by)
			}
		}
	}
	return out
}

// serves says whether q's architecture is one that p can use (Debian
// multiarch: qualifiers, and the field Multi-Arch).
func (q *Package) serves(p *Package, r relation) bool {
	if q.stanza == nil {
		return true // apk has one architecture
	}
	multi := fields(q.stanza)["multi-arch"]
	switch {
	case r.arch == "any":
		return q.Arch == p.Arch || q.Arch == "all" || multi == "allowed"
	case r.arch != "":
		return q.Arch == r.arch || q.Arch == "all"
	}
	return q.Arch == p.Arch || q.Arch == "all" || p.Arch == "all" || multi == "foreign"
}

func (in *installed) have(name string) string {
	if ps := in.byName[name]; len(ps) > 0 {
		return ps[0].Version
	}
	return ""
}

func clause(alternatives []relation) string {
	var out []string
	for _, r := range alternatives {
		out = append(out, r.String())
	}
	return strings.Join(out, " | ")
}

// bonds reads what p wants and provides.
func (p *Package) bonds() bonds {
	if p.apk != nil {
		return p.apkBonds()
	}
	f := fields(p.stanza)
	b := bonds{wants: map[string][][]relation{}}
	for _, kind := range []string{"Pre-Depends", "Depends", "Breaks", "Conflicts"} {
		b.wants[kind] = parseRelations(f[strings.ToLower(kind)])
	}
	for _, clause := range parseRelations(f["provides"]) {
		b.provides = append(b.provides, clause...)
	}
	return b
}

func (p *Package) apkBonds() bonds {
	b := bonds{wants: map[string][][]relation{}}
	for _, line := range p.apk.about {
		key, value, _ := strings.Cut(line, ":")
		for word := range strings.FieldsSeq(value) {
			switch name, conflict := strings.CutPrefix(word, "!"); {
			case key == "p":
				b.provides = append(b.provides, parseApkRelation(word))
			case key == "D" && conflict:
				b.wants["Conflicts"] = append(b.wants["Conflicts"], []relation{parseApkRelation(name)})
			case key == "D" && !strings.HasPrefix(word, "/"):
				b.wants["Depends"] = append(b.wants["Depends"], []relation{parseApkRelation(word)})
			}
		}
	}
	return b
}
