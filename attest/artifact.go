package attest

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The empty descriptor (image-spec manifest.md): the config of an artifact
// that has none.
const (
	emptyType = types.MediaType("application/vnd.oci.empty.v1+json")
	emptyJSON = "{}"
)

// artifact is a manifest and its blobs, in memory.
type artifact struct {
	raw   []byte
	blobs map[v1.Hash]v1.Layer
}

// newArtifact makes the artifact of one type with one blob, about subject.
// Same arguments, same bytes.
func newArtifact(kind string, subject v1.Descriptor, blob v1.Layer, title string, annotations map[string]string) (v1.Image, error) {
	config := static.NewLayer([]byte(emptyJSON), emptyType)
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: kind, Subject: &subject, Annotations: annotations,
	}
	a := &artifact{blobs: map[v1.Hash]v1.Layer{}}
	for _, l := range []v1.Layer{config, blob} {
		d, err := partial.Descriptor(l)
		if err != nil {
			return nil, err
		}
		a.blobs[d.Digest] = l
		if l == config {
			m.Config = *d
			continue
		}
		d.Annotations = map[string]string{"org.opencontainers.image.title": title} // the file's name for those who fetch it
		m.Layers = append(m.Layers, *d)
	}
	var err error
	if a.raw, err = json.Marshal(m); err != nil { // annotations sorted by key
		return nil, err
	}
	return partial.CompressedToImage(a)
}

func (a *artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (a *artifact) RawManifest() ([]byte, error)        { return a.raw, nil }
func (a *artifact) RawConfigFile() ([]byte, error)      { return []byte(emptyJSON), nil }

func (a *artifact) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	if l, ok := a.blobs[h]; ok {
		return l, nil
	}
	return nil, fmt.Errorf("no blob %s in the artifact", h)
}
