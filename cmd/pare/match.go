package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
)

// job is one image with the profile that it is to be slimmed by.
type job struct {
	*candidate
	profile *profile.Profile // nil when there are only others
	// others are of other images, and are to be carried over: see carried.
	others []*profile.Profile
	origin slim.Origin
}

// given says which profiles a command was given, and how.
type given struct {
	files  []string
	reuse  reuseFlags
	source sourceFlags
	cache  cacheFlags
}

// recordings are the profiles of one image, and those to be carried to it.
type recordings struct{ own, others []*profile.Profile }

// leftOut is a manifest of the source that gets no slim image, and why.
type leftOut struct {
	Platform string `json:"platform,omitempty"`
	Digest   string `json:"digest"`
	Reason   string `json:"reason"`
}

// match gives each image the profile that it is to be slimmed by: of those in
// files, or when there are none, of those attached to it.
func (a *app) match(ctx context.Context, o *opened, g given, places reference.Options) ([]job, []leftOut, error) {
	if err := g.reuse.check(); err != nil {
		return nil, nil, err
	}
	if len(g.files) == 0 {
		return a.matchAttached(ctx, o, places)
	}
	byImage, err := a.sortByImage(ctx, o, g)
	if err != nil {
		return nil, nil, err
	}
	return o.jobs(byImage, "no profile is of it; record it and give its profile with a further -p")
}

// sortByImage reads profiles and gives each to the image that it was recorded
// on. A profile of no image here is an error, unless it may be reused.
func (a *app) sortByImage(ctx context.Context, o *opened, g given) ([]recordings, error) {
	byImage := make([]recordings, len(o.images))
	for _, name := range g.files {
		p, err := readProfile(name)
		if err != nil {
			return nil, err
		}
		i, err := o.imageOf(p)
		if err == nil {
			byImage[i].own = append(byImage[i].own, p)
			continue
		}
		if g.reuse.reuse && isOther(err) {
			i, p, err = a.reused(ctx, o, g, p, err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(name), err)
		}
		byImage[i].others = append(byImage[i].others, p)
	}
	return byImage, nil
}

// jobs merges the profiles of each image; one without any is left out.
func (o *opened) jobs(byImage []recordings, without string) ([]job, []leftOut, error) {
	var jobs []job
	var out []leftOut
	for i := range o.images {
		c := &o.images[i]
		r := byImage[i]
		if len(r.own)+len(r.others) == 0 {
			out = append(out, leftOut{c.id.Platform, c.desc.Digest.String(), without})
			continue
		}
		j := job{candidate: c, others: r.others}
		if len(r.own) > 0 {
			var err error
			if j.profile, err = profile.Union(r.own...); err != nil {
				return nil, nil, err
			}
		}
		jobs = append(jobs, j)
	}
	for _, s := range o.skipped {
		platform := ""
		if s.Platform != nil {
			platform = s.Platform.String()
		}
		out = append(out, leftOut{platform, s.Descriptor.Digest.String(), s.Skip.Error()})
	}
	return jobs, out, nil
}

// imageOf is the index of the image that p was recorded on.
func (o *opened) imageOf(p *profile.Profile) (int, error) {
	var is []int
	var refusals []error
	for i := range o.images {
		err := slim.Check(p, o.images[i].id)
		if errors.Is(err, slim.ErrEmptyProfile) {
			return 0, err
		}
		if err != nil {
			refusals = append(refusals, err)
			continue
		}
		is = append(is, i)
	}
	switch len(is) {
	case 1:
		return is[0], nil
	case 0:
		return 0, o.ofNone(p, refusals)
	}
	return 0, usagef("the profile does not say of which platform it is, and %s has %d; choose with --platform", o.ref, len(is))
}

// ofNone says that p is of no image here.
func (o *opened) ofNone(p *profile.Profile, refusals []error) error {
	if len(refusals) == 1 {
		return refusals[0]
	}
	recorded := strings.TrimSpace(p.Image.Platform + " " + p.Image.Digest)
	return fmt.Errorf("%w: recorded on %s, and none of the %d images of %s is that one; record one of these, or slim the one recorded",
		slim.ErrProfileImage, recorded, len(o.images), o.ref)
}
