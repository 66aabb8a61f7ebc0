package verify

import (
	"slices"

	"github.com/pare-image/pare/slim/profile"
)

// collectUnforeseen is for a run that asks more than the recording did: what
// the source then changed calls for places to write to that nobody could know
// of. They are said to be wanting, and are what a repair adds.
func (v *verifier) collectUnforeseen(source *profile.Profile) error {
	var more []profile.Access
	for _, a := range source.Accesses {
		if isChange(&a) && !v.foreseen(a.Path) {
			more = append(more, a)
		}
	}
	if len(more) == 0 {
		return nil
	}
	// A session that does not say as whom: the benefit of the doubt.
	all, err := profile.Union(v.Profile, &profile.Profile{Accesses: more, Sessions: []profile.Session{{ID: engineVerify}}})
	if err != nil {
		return err
	}
	with, err := Derive(v.Slim.Tree, all, v.Overrides)
	if err != nil {
		return err
	}
	have := v.report.Conditions
	for _, w := range with.Writable {
		if slices.ContainsFunc(have.Writable, func(h Writable) bool { return h.path == w.path && h.How == w.How }) {
			continue
		}
		v.report.unforeseen = more
		u := Unmet{
			Path: w.Path, Text: w.Reason + ", when it was asked more than the recording asked",
			Next: "have slim --repair add it to the profile, or allow it with --" + w.How,
		}
		if !slices.Contains(have.Unmet, u) {
			have.Unmet = append(have.Unmet, u)
		}
	}
	return nil
}

func (v *verifier) foreseen(p string) bool {
	a, ok := (&search{baseline: v.Profile}).recorded(p)
	return ok && isChange(&a)
}

func isChange(a *profile.Access) bool {
	return a.Has(profile.Write, profile.Create, profile.Delete, profile.Rename)
}
