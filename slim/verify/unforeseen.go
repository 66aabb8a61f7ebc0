package verify

import (
	"slices"

	"github.com/pare-image/pare/slim/profile"
)

// collectUnforeseen is for a run that asks more than the recording did: what
// the source then changed calls for places to write to, and for files of the
// user's, that nobody could know of. A repair adds the changes; which places
// are wanting is said.
func (v *verifier) collectUnforeseen(source *profile.Profile) error {
	var more []profile.Access
	for _, a := range source.Accesses {
		if isChange(&a) {
			more = append(more, a)
		}
	}
	// A session that does not say as whom: the benefit of the doubt.
	asked := &profile.Profile{Accesses: more, Sessions: []profile.Session{{ID: engineVerify}}}
	unforeseen := v.unforeseen(asked)
	if len(unforeseen) == 0 {
		return nil
	}
	all, err := profile.Union(v.Profile, asked)
	if err != nil {
		return err
	}
	with, err := Derive(v.Slim.Tree, all, v.Overrides)
	if err != nil {
		return err
	}
	v.report.unforeseen = append(v.report.unforeseen, unforeseen...)
	v.report.Conditions.want(with.Writable)
	return nil
}

// want says which of the places are not among those that can be written.
func (c *Conditions) want(places []Writable) {
	for _, w := range places {
		u := Unmet{
			Path: w.Path, Text: w.Reason + ", when it was asked more than the recording asked",
			Next: "have slim --repair add it to the profile, or allow it with --" + w.How,
		}
		if !slices.Contains(c.Unmet, u) && !slices.ContainsFunc(c.Writable, func(h Writable) bool { return h.path == w.path && h.How == w.How }) {
			c.Unmet = append(c.Unmet, u)
		}
	}
}

// unforeseen are the changes in p the like of which the profile does not have:
// another name in a directory, under whatever name, is like one there, and a
// write to a file like another to it.
func (v *verifier) unforeseen(p *profile.Profile) []profile.Access {
	type like struct {
		path  string
		names bool // the directory changes, not what is in the file
	}
	of := func(c change) like {
		if c.from.Has(profile.Create, profile.Delete, profile.Rename) {
			return like{c.dir, true}
		}
		return like{c.itself, false}
	}
	seen := map[like]bool{}
	for _, c := range changes(v.Slim.Tree, v.Profile) {
		seen[of(c)] = true
	}
	var out []profile.Access
	for _, c := range changes(v.Slim.Tree, p) {
		if k := of(c); !seen[k] {
			seen[k] = true
			out = append(out, *c.from)
		}
	}
	return out
}

func isChange(a *profile.Access) bool {
	return a.Has(profile.Write, profile.Create, profile.Delete, profile.Rename)
}
