package reference

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/layers"
)

// Bounds on what is read at once; the same as of package layers.
const (
	maxManifest = 4 << 20
	maxConfig   = 8 << 20
)

// blobs opens blobs by digest. What comes is not verified: layers does that
// while it reads, and readBlob for what is read at once.
type blobs interface {
	openBlob(h v1.Hash) (io.ReadCloser, int64, error)
}

// readBlob reads a whole blob of the size that d promises, verified.
func readBlob(s blobs, d v1.Descriptor, max int64) ([]byte, error) {
	if d.Size < 0 || d.Size > max {
		return nil, fmt.Errorf("%w: blob %s of %d bytes, at most %d", layers.ErrLimit, d.Digest, d.Size, max)
	}
	f, size, err := s.openBlob(d.Digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: blob %s is missing", ErrFormat, d.Digest)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size != d.Size {
		return nil, &layers.MismatchError{What: fmt.Sprintf("size of %s", d.Digest), Want: fmt.Sprint(d.Size), Got: fmt.Sprint(size)}
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", d.Digest, err)
	}
	return b, verify(d.Digest, b)
}

func verify(want v1.Hash, b []byte) error {
	h, err := v1.Hasher(want.Algorithm)
	if err != nil {
		return err
	}
	h.Write(b)
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != want.Hex {
		return &layers.MismatchError{What: "digest", Want: want.String(), Got: want.Algorithm + ":" + got}
	}
	return nil
}

// storedImage is an image whose blobs are in a store.
type storedImage struct {
	store    blobs
	media    types.MediaType
	raw      []byte
	manifest *v1.Manifest
}

// newImage reads and checks the manifest that d names.
func newImage(s blobs, d v1.Descriptor) (v1.Image, error) {
	raw, err := readBlob(s, d, maxManifest)
	if err != nil {
		return nil, err
	}
	return parseImage(s, d.MediaType, raw)
}

func parseImage(s blobs, media types.MediaType, raw []byte) (v1.Image, error) {
	if err := layers.CheckManifest(raw); err != nil {
		return nil, err
	}
	return storedArtifact(s, media, raw)
}

// storedArtifact takes the manifest of anything.
func storedArtifact(s blobs, media types.MediaType, raw []byte) (v1.Image, error) {
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("parsing manifest: %w", err)
	}
	return partial.CompressedToImage(&storedImage{store: s, media: media, raw: raw, manifest: m})
}

func (i *storedImage) MediaType() (types.MediaType, error) { return i.media, nil }
func (i *storedImage) RawManifest() ([]byte, error)        { return i.raw, nil }
func (i *storedImage) Manifest() (*v1.Manifest, error)     { return i.manifest, nil }

func (i *storedImage) RawConfigFile() ([]byte, error) {
	return readBlob(i.store, i.manifest.Config, maxConfig)
}

func (i *storedImage) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, d := range append([]v1.Descriptor{i.manifest.Config}, i.manifest.Layers...) {
		if d.Digest == h {
			return &storedLayer{store: i.store, desc: d}, nil
		}
	}
	return nil, fmt.Errorf("%w: blob %s", ErrNotFound, h)
}

// storedLayer is one blob, as the manifest describes it.
type storedLayer struct {
	store blobs
	desc  v1.Descriptor
}

func (l *storedLayer) Digest() (v1.Hash, error)            { return l.desc.Digest, nil }
func (l *storedLayer) Size() (int64, error)                { return l.desc.Size, nil }
func (l *storedLayer) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }

// Descriptor keeps the annotations.
func (l *storedLayer) Descriptor() (*v1.Descriptor, error) { return &l.desc, nil }

func (l *storedLayer) Compressed() (io.ReadCloser, error) {
	rc, _, err := l.store.openBlob(l.desc.Digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: blob %s is missing", ErrFormat, l.desc.Digest)
	}
	return rc, err
}

// storedIndex is an index whose manifests are in a store.
type storedIndex struct {
	store    blobs
	media    types.MediaType
	raw      []byte
	manifest *v1.IndexManifest
}

func newIndex(s blobs, d v1.Descriptor) (*storedIndex, error) {
	raw, err := readBlob(s, d, maxManifest)
	if err != nil {
		return nil, err
	}
	return parseIndex(s, d.MediaType, raw)
}

func parseIndex(s blobs, media types.MediaType, raw []byte) (*storedIndex, error) {
	m, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("parsing index: %w", err)
	}
	return &storedIndex{store: s, media: media, raw: raw, manifest: m}, nil
}

func (i *storedIndex) MediaType() (types.MediaType, error)       { return i.media, nil }
func (i *storedIndex) Digest() (v1.Hash, error)                  { return partial.Digest(i) }
func (i *storedIndex) Size() (int64, error)                      { return partial.Size(i) }
func (i *storedIndex) RawManifest() ([]byte, error)              { return i.raw, nil }
func (i *storedIndex) IndexManifest() (*v1.IndexManifest, error) { return i.manifest, nil }

func (i *storedIndex) find(h v1.Hash) (v1.Descriptor, error) {
	n := slices.IndexFunc(i.manifest.Manifests, func(d v1.Descriptor) bool { return d.Digest == h })
	if n < 0 {
		return v1.Descriptor{}, fmt.Errorf("%w: %s", ErrNotFound, h)
	}
	return i.manifest.Manifests[n], nil
}

func (i *storedIndex) Image(h v1.Hash) (v1.Image, error) {
	d, err := i.find(h)
	if err != nil {
		return nil, err
	}
	return newImage(i.store, d)
}

func (i *storedIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	d, err := i.find(h)
	if err != nil {
		return nil, err
	}
	return newIndex(i.store, d)
}
