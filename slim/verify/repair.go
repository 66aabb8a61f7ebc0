package verify

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// engineVerify is the engine of sessions that a verification adds.
const engineVerify = "verify"

// Repair is what was missing as a profile with a session of its own, to be
// united with the one that the slim image was made by, and where the source
// was seen to write; nil when nothing was that a slim can bring back. The same
// paths give the same session.
func Repair(r *Report, image profile.Image) (*profile.Profile, error) {
	all := map[string]profile.Access{}
	for _, a := range r.unforeseen {
		all[a.Path] = a
	}
	for i := range r.Missing {
		if r.Missing[i].HiddenBy == "" {
			a := r.Missing[i].access
			a.Kinds = sortedUnique(slices.Concat(a.Kinds, all[a.Path].Kinds))
			all[a.Path] = a
		}
	}
	p := &profile.Profile{Accesses: slices.Collect(maps.Values(all))}
	if len(p.Accesses) == 0 {
		return nil, nil
	}
	slices.SortFunc(p.Accesses, func(a, b profile.Access) int { return strings.Compare(a.Path, b.Path) })
	id, err := p.Digest()
	if err != nil {
		return nil, err
	}
	p.Image, p.Sessions = image, []profile.Session{{ID: id, Engine: engineVerify}}
	return p, nil
}

// DefaultRounds bounds a repair.
const DefaultRounds = 5

// Repaired is the outcome of [RepairLoop]: the last image and report, and the
// profile that they were made by.
type Repaired[B any] struct {
	Built   B
	Report  *Report
	Profile *profile.Profile
	Rounds  int // of build and verify
	Added   int // paths added to the profile
	// Stuck says that the last round brought nothing new, or that the rounds
	// were used up, and paths are still missing.
	Stuck bool
}

// RepairLoop builds and verifies until nothing is missing, until a round
// brings nothing new, or rounds times (0: [DefaultRounds]). build makes a slim
// image by a profile, verify runs it. An error of theirs ends it, with what
// there is so far.
func RepairLoop[B any](ctx context.Context, p *profile.Profile, rounds int,
	build func(context.Context, *profile.Profile) (B, error),
	verify func(context.Context, B, *profile.Profile) (*Report, error),
) (Repaired[B], error) {
	out := Repaired[B]{Profile: p}
	if rounds == 0 {
		rounds = DefaultRounds
	}
	for {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		var err error
		if out.Built, err = build(ctx, out.Profile); err != nil {
			return out, err
		}
		if out.Report, err = verify(ctx, out.Built, out.Profile); err != nil {
			return out, err
		}
		out.Rounds++
		more, err := Repair(out.Report, out.Profile.Image)
		if err != nil || more == nil {
			return out, err
		}
		added := unknown(out.Profile, more)
		if out.Stuck = added == 0 || out.Rounds == rounds; out.Stuck {
			return out, nil
		}
		if out.Profile, err = profile.Union(out.Profile, more); err != nil {
			return out, err
		}
		out.Added += added
	}
}

// unknown counts the paths of more that p does not know to exist, or to
// change.
func unknown(p, more *profile.Profile) int {
	n := 0
	for _, a := range more.Accesses {
		i, ok := slices.BinarySearchFunc(p.Accesses, a.Path, func(a profile.Access, path string) int { return strings.Compare(a.Path, path) })
		if !ok || !p.Accesses[i].Exists || isChange(&a) && !isChange(&p.Accesses[i]) {
			n++
		}
	}
	return n
}
