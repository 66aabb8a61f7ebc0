package layers

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Bounds on an index: real ones are one or two levels deep and name a few
// dozen manifests.
const (
	maxIndexDepth     = 4
	maxIndexManifests = 1000
)

// IndexItem is one manifest that an index names, in the order in which it
// names them.
type IndexItem struct {
	Descriptor v1.Descriptor
	// Platform is nil when the index does not say.
	Platform *v1.Platform
	// Skip says why this is no image to read: a [*NotImageError]; nil for images.
	Skip error

	parent v1.ImageIndex
}

// Image fetches the manifest. It is an error for skipped items.
func (i IndexItem) Image() (v1.Image, error) {
	if i.Skip != nil {
		return nil, i.Skip
	}
	return i.parent.Image(i.Descriptor.Digest)
}

// WalkIndex lists all manifests of an index and of the indexes in it, at most
// 4 deep and 1,000 in all. Attestations ("unknown/unknown", BuildKit's
// annotation) and artifacts are listed with the reason to skip them.
func WalkIndex(idx v1.ImageIndex) ([]IndexItem, error) {
	w := &indexWalk{}
	if err := w.walk(idx, 1); err != nil {
		return nil, fmt.Errorf("reading index: %w", err)
	}
	return w.items, nil
}

type indexWalk struct {
	items []IndexItem
	seen  int
}

func (w *indexWalk) walk(idx v1.ImageIndex, depth int) error {
	if depth > maxIndexDepth {
		return overLimit("indexes nested more than %d deep", maxIndexDepth)
	}
	raw, err := idx.RawManifest()
	if err != nil {
		return err
	}
	var m v1.IndexManifest
	if err := parseBounded("an index", raw, &m); err != nil {
		return err
	}
	for _, d := range m.Manifests {
		if w.seen++; w.seen > maxIndexManifests {
			return overLimit("more than %d manifests", maxIndexManifests)
		}
		if d.Size > maxManifest {
			return overLimit("a manifest of %d bytes, at most %d", d.Size, maxManifest)
		}
		if !d.MediaType.IsIndex() {
			w.items = append(w.items, IndexItem{Descriptor: d, Platform: d.Platform, Skip: skipReason(d), parent: idx})
			continue
		}
		child, err := idx.ImageIndex(d.Digest)
		if err != nil {
			return err
		}
		if err := w.walk(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// skipReason judges by the descriptor alone; the manifest itself is checked
// when it is read.
func skipReason(d v1.Descriptor) error {
	p := d.Platform
	switch {
	case d.Annotations["vnd.docker.reference.type"] == "attestation-manifest",
		p != nil && p.OS == "unknown" && p.Architecture == "unknown":
		return &NotImageError{Reason: "attestation", Detail: "an attestation about an image"}
	case d.MediaType.IsSchema1():
		return &NotImageError{Reason: "schema1", Detail: "a Docker schema 1 manifest; push the image again with a current tool"}
	case !d.MediaType.IsImage():
		return &NotImageError{Reason: "artifact", Detail: fmt.Sprintf("an entry of type %q", d.MediaType)}
	}
	return artifact(d.ArtifactType)
}
