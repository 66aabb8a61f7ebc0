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
	profile *profile.Profile
}

// leftOut is a manifest of the source that gets no slim image, and why.
type leftOut struct {
	Platform string `json:"platform,omitempty"`
	Digest   string `json:"digest"`
	Reason   string `json:"reason"`
}

// match gives each image the profile that it is to be slimmed by: of those in
// files, or when there are none, of those attached to it.
func (a *app) match(ctx context.Context, o *opened, files []string, places reference.Options) ([]job, []leftOut, error) {
	if len(files) == 0 {
		return a.matchAttached(ctx, o, places)
	}
	byImage, err := o.sortByImage(files)
	if err != nil {
		return nil, nil, err
	}
	return o.jobs(byImage, "no profile is of it; record it and give its profile with a further -p")
}

// sortByImage reads profiles and gives each to the image that it was recorded
// on. A profile of no image here is an error.
func (o *opened) sortByImage(files []string) ([][]*profile.Profile, error) {
	byImage := make([][]*profile.Profile, len(o.images))
	for _, name := range files {
		p, err := readProfile(name)
		if err != nil {
			return nil, err
		}
		i, err := o.imageOf(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(name), err)
		}
		byImage[i] = append(byImage[i], p)
	}
	return byImage, nil
}

// jobs merges the profiles of each image; one without any is left out.
func (o *opened) jobs(byImage [][]*profile.Profile, without string) ([]job, []leftOut, error) {
	var jobs []job
	var out []leftOut
	for i := range o.images {
		c := &o.images[i]
		if len(byImage[i]) == 0 {
			out = append(out, leftOut{c.id.Platform, c.desc.Digest.String(), without})
			continue
		}
		p, err := profile.Union(byImage[i]...)
		if err != nil {
			return nil, nil, err
		}
		jobs = append(jobs, job{c, p})
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
