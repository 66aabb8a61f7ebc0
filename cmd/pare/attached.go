package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pare-image/pare/attest"
	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/slim/profile"
)

// Bounds on the profiles attached to one image.
const (
	maxAttached      = 256
	maxAttachedBytes = 256 << 20
)

// errNotAttached says that an image has no profile beside it.
var errNotAttached = errors.New("no profile is attached")

// matchAttached gives each image the union of the profiles attached to it.
func (a *app) matchAttached(ctx context.Context, o *opened, places reference.Options) ([]job, []leftOut, error) {
	if !o.ref.HoldsReferrers() {
		return nil, nil, usagef("-p is missing: what was the image seen to need? (%s holds no attached profiles)", o.ref.Kind)
	}
	byImage := make([]recordings, len(o.images))
	found := false
	for i := range o.images {
		ps, err := a.attached(ctx, o, &o.images[i], places)
		if err != nil {
			return nil, nil, err
		}
		byImage[i].own, found = ps, found || len(ps) > 0
	}
	if !found {
		return nil, nil, fmt.Errorf("-p is missing, and %w to %s; record the image and give its profile with -p, or attach it: pare profile push %[2]s PROFILE", errNotAttached, o.ref)
	}
	return o.jobs(byImage, "no profile is attached to it; record it and attach its profile: pare profile push "+o.ref.String()+" PROFILE")
}

// attached reads the profiles attached to an image, in the order of their
// artifacts' digests, and says which they are. One that is not what it
// promises is an error: without it the union could be too small.
func (a *app) attached(ctx context.Context, o *opened, c *candidate, places reference.Options) ([]*profile.Profile, error) {
	var out []*profile.Profile
	var from []string
	var bytes int64
	gone, err := reference.Referrers(ctx, o.ref, c.id.Digest, attest.ProfileType, places, func(r reference.Referrer) error {
		n, err := storedSize(r.Image)
		if err != nil {
			return err
		}
		if bytes += n; len(out) == maxAttached || bytes > maxAttachedBytes {
			return fmt.Errorf("more than %d profiles or %s are attached to %s; merge them and name the result with -p", maxAttached, size(maxAttachedBytes), c.id.Digest)
		}
		p, err := attest.ReadProfile(r.Image, c.id)
		if err != nil {
			return fmt.Errorf("reading the profile %s: %w; delete it there, or name the profiles to use with -p", r.Ref, err)
		}
		out, from = append(out, p), append(from, artifactDigest(r.Ref))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the profiles attached to %s: %w", o.ref, err)
	}
	for _, h := range gone {
		a.term.warn("the profile %s is listed with %s but no longer there", h, o.ref)
	}
	if len(out) > 0 {
		a.term.note("%s: %s attached: %s", oneLine(c.platform()), count(len(out), "profile"), strings.Join(from, ", "))
	}
	return out, nil
}

// artifactDigest is the digest in a reference by digest.
func artifactDigest(r reference.Ref) string {
	s := r.String()
	return s[strings.LastIndexByte(s, '@')+1:]
}
