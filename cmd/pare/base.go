package main

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/reference"
)

// openPinned opens the base that a flag names. A tag is refused unless it is
// to be resolved; then the digest is said.
func (a *app) openPinned(ctx context.Context, flag, text string, pin bool, places reference.Options) (*opened, error) {
	ref, err := reference.Parse(text)
	if err != nil {
		return nil, err
	}
	if !pinned(ref) && !pin {
		return nil, fmt.Errorf("%w: %s %s is a tag, which may be another image tomorrow; give its digest (@sha256:...), or resolve it with --pin", errCheck, flag, ref)
	}
	o, err := a.open(ctx, text, &sourceFlags{}, places)
	if err != nil {
		return nil, err
	}
	if !pinned(ref) {
		a.term.note("%s is %s", ref, o.source.Descriptor.Digest)
	}
	return o, nil
}

// pinned says whether a reference names its image by digest.
func pinned(r reference.Ref) bool {
	return r.Digest != (v1.Hash{}) || strings.Contains(r.Name, "@sha256:") || r.Kind == reference.DockerDaemon && strings.HasPrefix(r.Name, "sha256:")
}

// nameOf is what a base is called: without its digest.
func nameOf(r reference.Ref) string {
	if r.Kind != reference.Registry {
		r.Digest = v1.Hash{}
		return r.String()
	}
	name, _, _ := strings.Cut(r.Name, "@")
	return name
}

// index is the digest of the index that a base is of; zero for none.
func (o *opened) index() v1.Hash {
	if o.source.Index == nil {
		return v1.Hash{}
	}
	return o.source.Descriptor.Digest
}

// baseFor is the base for an image's platform. A single one is for every
// image: whether it fits is checked elsewhere.
func (o *opened) baseFor(c *candidate) (*candidate, error) {
	var have []string
	for i := range o.images {
		b := &o.images[i]
		if o.source.Index == nil || matchesPlatform(b.id.Platform, c.id.Platform) || matchesPlatform(c.id.Platform, b.id.Platform) {
			return b, nil
		}
		have = append(have, b.platform())
	}
	return nil, fmt.Errorf("%w: platform: the base %s has no image for %s; it has %s", errCheck, o.ref, c.platform(), strings.Join(have, ", "))
}
