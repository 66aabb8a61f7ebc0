package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/carry"
	"github.com/pare-image/pare/slim/profile"
)

// reuseFlags allow profiles of other images, on purpose.
type reuseFlags struct {
	reuse bool
	recordedOnFlag
}

func (f *reuseFlags) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.reuse, "reuse-profile", false, "take profiles of an earlier build too: carry them over to this image, and show what has changed since")
	f.recordedOnFlag.bind(cmd)
}

// check refuses flags that would have no effect.
func (f *reuseFlags) check() error {
	if f.recordedOn != "" && !f.reuse {
		return usagef("--recorded-on is for --reuse-profile")
	}
	return nil
}

// recordedOnFlag names the image of profiles that do not know enough of it.
type recordedOnFlag struct{ recordedOn string }

func (f *recordedOnFlag) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.recordedOn, "recorded-on", "", "the `IMAGE` that the profile was recorded on, to read what the profile does not say of it")
}

// complete adds to a profile what its image says, where that is named.
func (f *recordedOnFlag) complete(ctx context.Context, a *app, sf sourceFlags, cache *layers.Cache, p *profile.Profile) (*profile.Profile, error) {
	if f.recordedOn == "" {
		return p, nil
	}
	places, err := a.places(&sf)
	if err != nil {
		return nil, err
	}
	sf.platform = p.Image.Platform // --platform is about the image that is to be made smaller
	src, err := a.open(ctx, f.recordedOn, &sf, places)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	one, err := src.only()
	if err != nil {
		return nil, err
	}
	if err := slim.Check(p, one.id); err != nil {
		return nil, fmt.Errorf("--recorded-on %s: %w", src.ref, err)
	}
	out := *p
	if out.Image == (profile.Image{}) {
		out.Image = one.id.Image()
	}
	return a.remember(ctx, src, one, cache, &out)
}

// reusedOn is the index of the image that a profile of another one may be
// carried to: the one of its platform.
func (o *opened) reusedOn(p *profile.Profile, refused error) (int, error) {
	at := -1
	for i := range o.images {
		is, was := o.images[i].id.Platform, p.Image.Platform
		if was == "" || matchesPlatform(is, was) || matchesPlatform(was, is) {
			if at >= 0 {
				return 0, usagef("several images of %s are for %s; choose one with --platform", o.ref, oneLine(p.Image.Platform))
			}
			at = i
		}
	}
	if at < 0 {
		return 0, fmt.Errorf("%w; to another platform it goes by pare profile derive PROFILE %s --platform OS/ARCH", refused, o.ref)
	}
	return at, nil
}

// reused is the image that p, of another one, is to be carried to, and p with
// what --recorded-on adds to it.
func (a *app) reused(ctx context.Context, o *opened, g given, p *profile.Profile, refused error) (int, *profile.Profile, error) {
	i, err := o.reusedOn(p, refused)
	if err != nil || g.reuse.recordedOn == "" {
		return i, p, err
	}
	cache, err := g.cache.open(a.term)
	if err != nil {
		return 0, nil, err
	}
	p, err = g.reuse.complete(ctx, a, g.source, cache, p)
	return i, p, err
}

// carried is the job with the profiles of other images carried over to its own,
// of which t is the tree.
func (j job) carried(ctx context.Context, a *app, t *layers.Tree) (job, error) {
	if len(j.others) == 0 {
		return j, nil
	}
	all := j.given()
	if j.origin.Profiles == nil {
		var err error
		if j.origin.Profiles, err = digestsOf(all); err != nil {
			return j, err
		}
	}
	all = all[:len(all)-len(j.others)]
	for _, p := range j.others {
		q, err := a.carry(ctx, t, j.id, p)
		if err != nil {
			return j, err
		}
		all = append(all, q)
	}
	p, err := profile.Union(all...)
	j.profile, j.others = p, nil
	return j, err
}

// carry takes a profile over to the image of a tree.
func (a *app) carry(ctx context.Context, t *layers.Tree, id slim.Identity, p *profile.Profile) (*profile.Profile, error) {
	a.term.draw("carrying the profile over to " + shortDigest(id.Digest.String()))
	defer a.term.endProgress()
	db, err := pkgdb.Read(t)
	if err != nil {
		return nil, err
	}
	return carry.Carry(ctx, p, carry.Target{Image: id.Image(), Tree: t, Packages: db})
}

// given are the profiles of a job: the one of its image, and the others.
func (j job) given() []*profile.Profile {
	var all []*profile.Profile
	if j.profile != nil {
		all = append(all, j.profile)
	}
	return append(all, j.others...)
}

// digestsOf are the profiles' digests, sorted.
func digestsOf(all []*profile.Profile) ([]string, error) {
	var out []string
	for _, p := range all {
		d, err := p.Digest()
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	slices.Sort(out)
	return out, nil
}

// hint is the union of all profiles of a job, whatever they are of: what they
// name is likely to be wanted.
func (j job) hint() *profile.Profile {
	all := &profile.Profile{}
	for _, p := range j.given() {
		all.Accesses = append(all.Accesses, p.Accesses...)
	}
	return all
}

// isOther says that a profile was refused for being of another image.
func isOther(err error) bool { return errors.Is(err, slim.ErrProfileImage) }
