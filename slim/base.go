package slim

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/onbase"
)

// AnnotationBaseName and AnnotationBaseDigest say what an image stands on
// (image-spec, annotations.md).
const (
	AnnotationBaseName   = "org.opencontainers.image.base.name"
	AnnotationBaseDigest = "org.opencontainers.image.base.digest"
)

// Whose file counts where nothing else says.
const (
	PreferSource = onbase.PreferSource
	PreferBase   = onbase.PreferBase
)

// Base is an image that the output stands on.
type Base struct {
	// Name is how people call it, with its tag; "" when nobody said.
	Name string `json:"name,omitempty"`
	// Index is the digest of the index that it is of; "" for a single image.
	Index string `json:"index,omitempty"`
	// Digest is its manifest's.
	Digest string `json:"digest"`

	Image v1.Image     `json:"-"`
	Tree  *layers.Tree `json:"-"` // of Image
}

// NewBase is the base that an image is; index is that of the index that it is
// of, zero for none. The tree is the caller's to close.
func NewBase(name string, index v1.Hash, img v1.Image, t *layers.Tree) *Base {
	b := &Base{Name: name, Digest: t.Digest().String(), Image: img, Tree: t}
	if index != (v1.Hash{}) {
		b.Index = index.String()
	}
	return b
}

// recorded is the base as a plan has it.
func (b *Base) recorded() *Base {
	if b == nil {
		return nil
	}
	return &Base{Name: b.Name, Index: b.Index, Digest: b.Digest}
}

// annotations name the base: by the digest of its index, where it is of one.
func (b *Base) annotations() map[string]string {
	if b == nil {
		return nil
	}
	out := map[string]string{AnnotationBaseDigest: b.Digest}
	if b.Index != "" {
		out[AnnotationBaseDigest] = b.Index
	}
	if b.Name != "" {
		out[AnnotationBaseName] = b.Name
	}
	return out
}

// check refuses (ErrPlan) a base that is not the one of a plan.
func (b *Base) check(p *Plan) error {
	want := p.Options.Base
	switch {
	case want == nil && b == nil:
		return nil
	case want == nil:
		return fmt.Errorf("%w: made for no base, this one is %s", ErrPlan, b.Digest)
	case b == nil:
		return fmt.Errorf("%w: made for the base %s, and none is given", ErrPlan, want.Digest)
	case want.Digest != b.Digest || b.Tree.Digest().String() != b.Digest:
		return fmt.Errorf("%w: made for the base %s, this one is %s", ErrPlan, want.Digest, b.Digest)
	}
	for i, l := range b.Tree.Layers() {
		if i >= len(p.Layers) || !p.Layers[i].Base || p.Layers[i].SourceDiffID != l.DiffID.String() {
			return fmt.Errorf("%w: layer %d is not the base's (%s)", ErrPlan, i, l.DiffID)
		}
	}
	return nil
}

// WantBase is the hint for [layers.Options.Want] of a base: what a slim is
// likely to read of it, or to compare with the source's.
func WantBase(p string, h *layers.Header) bool {
	return pkgdb.IsDatabase(p) || below(p, "/etc") || h.Size <= smallConfig || isSharedObject(p)
}
