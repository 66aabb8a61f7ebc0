package main

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/verify"
)

// findSource opens the image that was slimmed: the one that --source names,
// or the one that the slim image's label names, when its repository holds it.
// It is nil when there is none. With it comes the profile as it is of that
// image.
func (w *verification) findSource(ctx context.Context, s *verified, p *profile.Profile) (*verify.Subject, *profile.Profile, error) {
	if w.cmd.from != "" {
		src, err := w.open(ctx, w.cmd.from, s.one.id.Platform, true)
		if err != nil {
			return nil, nil, err
		}
		if p, err = w.profileOf(ctx, src, p); err != nil {
			return nil, nil, fmt.Errorf("--source %s: %w", src.ref, err)
		}
		return &src.subject, p, nil
	}
	label := s.subject.Tree.Config().Config.Labels[slim.LabelSource]
	at := besides(s.ref, label)
	if at == "" {
		return nil, p, nil
	}
	src, err := w.open(ctx, at, s.one.id.Platform, false)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, err
		}
		w.app.term.note("the source is not beside %s (%v); missing paths need it: --source IMAGE", s.ref, err)
		return nil, p, nil
	}
	if p, err = w.profileOf(ctx, src, p); err != nil {
		return nil, nil, fmt.Errorf("the source of %s, by its label %s: %w", s.ref, slim.LabelSource, err)
	}
	return &src.subject, p, nil
}

// profileOf is p, which must be of the source or, with --reuse-profile, is
// carried over to it.
func (w *verification) profileOf(ctx context.Context, src *verified, p *profile.Profile) (*profile.Profile, error) {
	err := slim.Check(p, src.one.id)
	if !isOther(err) || !w.cmd.reuse.reuse {
		return p, err
	}
	if p, err = w.cmd.reuse.complete(ctx, w.app, w.cmd.source, w.cache, p); err != nil {
		return nil, err
	}
	return w.app.carry(ctx, src.subject.Tree, src.one.id, p)
}

// besides is the reference of the image with a digest, as text, where another
// one is; "" when images there are not found by digest.
func besides(r reference.Ref, digest string) string {
	h, err := v1.NewHash(digest)
	if err != nil {
		return ""
	}
	switch r.Kind {
	case reference.Registry:
		n, err := name.ParseReference(r.Name)
		if err != nil {
			return ""
		}
		return n.Context().Digest(h.String()).String()
	case reference.OCI, reference.OCIArchive:
		return reference.Ref{Kind: r.Kind, Path: r.Path, Digest: h}.String()
	}
	return ""
}
