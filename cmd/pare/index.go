package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/slim"
)

// slimIndex is an index over images that were made here.
type slimIndex struct {
	raw      []byte
	manifest *v1.IndexManifest
	images   map[v1.Hash]v1.Image
}

// indexOver makes the index over slim images: in the order of the source's,
// with its annotations and each one's platform.
func indexOver(src *reference.Source, all []built) (v1.ImageIndex, error) {
	from, err := src.Index.IndexManifest()
	if err != nil {
		return nil, err
	}
	m := &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Annotations: map[string]string{}}
	maps.Copy(m.Annotations, from.Annotations)
	maps.DeleteFunc(m.Annotations, func(k, _ string) bool { return strings.HasPrefix(k, "org.opencontainers.image.base.") })
	m.Annotations[slim.LabelSource] = src.Descriptor.Digest.String()
	m.Annotations[slim.LabelVersion] = programVersion()
	idx := &slimIndex{manifest: m, images: map[v1.Hash]v1.Image{}}
	for i := range all {
		d, err := partial.Descriptor(all[i].image)
		if err != nil {
			return nil, err
		}
		platform := all[i].desc.Platform
		if platform == nil {
			config, err := all[i].image.ConfigFile()
			if err != nil {
				return nil, err
			}
			platform = config.Platform()
		}
		m.Manifests = append(m.Manifests, v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: platform})
		idx.images[d.Digest] = all[i].image
	}
	idx.raw, err = json.Marshal(m)
	return idx, err
}

func (i *slimIndex) MediaType() (types.MediaType, error) {
	return cmp.Or(i.manifest.MediaType, types.OCIImageIndex), nil
}
func (i *slimIndex) Digest() (v1.Hash, error)                  { return partial.Digest(i) }
func (i *slimIndex) Size() (int64, error)                      { return partial.Size(i) }
func (i *slimIndex) RawManifest() ([]byte, error)              { return i.raw, nil }
func (i *slimIndex) IndexManifest() (*v1.IndexManifest, error) { return i.manifest, nil }

func (i *slimIndex) Image(h v1.Hash) (v1.Image, error) {
	if img, ok := i.images[h]; ok {
		return img, nil
	}
	return nil, fmt.Errorf("no image %s in the index", h)
}

func (i *slimIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	return nil, fmt.Errorf("no index %s in the index", h)
}
