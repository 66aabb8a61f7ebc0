package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
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

// repositoryOf is the whole name of the repository that a base is of; a base
// that is of none is called as it is.
func repositoryOf(text string) string {
	ref, err := reference.Parse(text)
	if err != nil || ref.Kind != reference.Registry {
		return text
	}
	n, err := name.ParseReference(ref.Name)
	if err != nil {
		return text
	}
	return n.Context().Name()
}

// placeOf is a reference by its whole name: two that are equal are one place.
func placeOf(ref reference.Ref) string {
	switch ref.Kind {
	case reference.Registry, reference.DockerDaemon:
		if n, err := name.ParseReference(ref.Name); err == nil {
			return string(ref.Kind) + ":" + n.Name()
		}
	default:
		ref.Path = filepath.Clean(ref.Path)
	}
	return ref.String()
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
