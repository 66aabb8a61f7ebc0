package layers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What is read into memory at once is bounded before it is parsed. The first
// is what registries accept as a manifest.
const (
	maxManifest = 4 << 20
	maxConfig   = 8 << 20
	maxLayers   = 1000
	maxHistory  = 10_000
)

// image is a manifest and its config, checked against each other.
type image struct {
	digest  v1.Hash
	config  *v1.ConfigFile
	sources []*layerSource
	history []*v1.History // by layer, nil when it does not match

	annotations map[string]string
}

// CheckManifest says whether raw is the manifest of a container image that
// can be read, before anything it names is fetched. The error is an ErrLimit
// or a [*NotImageError].
func CheckManifest(raw []byte) error {
	var m struct {
		SchemaVersion int           `json:"schemaVersion"`
		MediaType     string        `json:"mediaType"`
		ArtifactType  string        `json:"artifactType"`
		Config        v1.Descriptor `json:"config"`
		Manifests     []struct{}    `json:"manifests"`
		Layers        []struct {
			MediaType string `json:"mediaType"`
		} `json:"layers"`
	}
	if err := parseBounded("a manifest", raw, &m); err != nil {
		return err
	}
	switch {
	case m.SchemaVersion == 1 || strings.HasPrefix(m.MediaType, "application/vnd.docker.distribution.manifest.v1"):
		return &NotImageError{Reason: "schema1", Detail: "a Docker schema 1 manifest; push the image again with a current tool"}
	case m.Manifests != nil || types.MediaType(m.MediaType).IsIndex():
		return &NotImageError{Reason: "index", Detail: "an index of images; choose a platform"}
	case m.Config.Size > maxConfig:
		return overLimit("a config of %d bytes, at most %d", m.Config.Size, maxConfig)
	case len(m.Layers) > maxLayers:
		return overLimit("%d layers, at most %d", len(m.Layers), maxLayers)
	}
	for _, l := range m.Layers {
		if strings.HasPrefix(l.MediaType, "application/vnd.in-toto") {
			return &NotImageError{Reason: "attestation", Detail: "an attestation about an image"}
		}
		if strings.HasSuffix(l.MediaType, "+encrypted") {
			return &NotImageError{Reason: "encrypted", Detail: "its layers are encrypted"}
		}
	}
	if err := artifact(m.ArtifactType); err != nil {
		return err
	}
	return artifact(string(m.Config.MediaType))
}

// artifact judges the type of what a manifest describes; "" is none. Some
// registries give images the artifactType of their config.
func artifact(kind string) error {
	if kind == "" || types.MediaType(kind).IsConfig() {
		return nil
	}
	return &NotImageError{Reason: "artifact", Detail: fmt.Sprintf("an artifact of type %q", kind)}
}

// parseBounded parses JSON that is small enough.
func parseBounded(what string, raw []byte, into any) error {
	if len(raw) > maxManifest {
		return overLimit("%s of %d bytes, at most %d", what, len(raw), maxManifest)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("parsing %s: %w", what, err)
	}
	return nil
}

// readImage reads manifest and config within their limits and verifies both.
func readImage(img v1.Image) (*image, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	if err := CheckManifest(raw); err != nil {
		return nil, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("parsing manifest: %w", err)
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	if err := checkBytes("manifest digest", digest, raw); err != nil {
		return nil, err
	}
	config, err := readConfig(img, m.Config)
	if err != nil {
		return nil, err
	}
	i := &image{digest: digest, config: config, annotations: m.Annotations}
	if i.sources, err = sources(img, m, config); err != nil {
		return nil, err
	}
	i.history = matchHistory(config.History, len(i.sources))
	return i, nil
}

func checkBytes(what string, want v1.Hash, raw []byte) error {
	got, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	if got != want {
		return &MismatchError{What: what, Want: want.String(), Got: got.String()}
	}
	return nil
}

func readConfig(img v1.Image, d v1.Descriptor) (*v1.ConfigFile, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading config: %w", err)
	}
	if len(raw) > maxConfig {
		return nil, overLimit("a config of %d bytes, at most %d", len(raw), maxConfig)
	}
	if err := checkBytes("config digest", d.Digest, raw); err != nil {
		return nil, err
	}
	if err := checkHistory(raw); err != nil {
		return nil, err
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("parsing config: %w", err)
	}
	return config, nil
}

// checkHistory counts lines of history, each of which takes much more memory
// than it has bytes.
func checkHistory(raw []byte) error {
	var c struct {
		History []struct{} `json:"history"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("parsing config: %w", err)
	}
	if len(c.History) > maxHistory {
		return overLimit("%d lines of history, at most %d", len(c.History), maxHistory)
	}
	return nil
}

// sources pairs the manifest's layers with the config's diffIDs by position,
// never by digest: a layer may occur twice.
func sources(img v1.Image, m *v1.Manifest, config *v1.ConfigFile) ([]*layerSource, error) {
	ls, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading layers: %w", err)
	}
	if len(ls) != len(m.Layers) || len(config.RootFS.DiffIDs) != len(m.Layers) {
		return nil, fmt.Errorf("%w: %d layers, and %d diffIDs in the config", ErrMismatch, len(m.Layers), len(config.RootFS.DiffIDs))
	}
	var out []*layerSource
	for i, d := range m.Layers {
		out = append(out, &layerSource{index: i, layer: ls[i], digest: d.Digest, size: d.Size, diffID: config.RootFS.DiffIDs[i]})
	}
	return out, nil
}

// matchHistory gives each layer its line of history; none when the number of
// lines that made a layer is not the number of layers.
func matchHistory(all []v1.History, layers int) []*v1.History {
	out := make([]*v1.History, layers)
	n := 0
	for i := range all {
		if all[i].EmptyLayer {
			continue
		}
		if n < layers {
			out[n] = &all[i]
		}
		n++
	}
	if n != layers {
		return make([]*v1.History, layers)
	}
	return out
}

func (i *image) info(layer int, f facts) LayerInfo {
	s := i.sources[layer]
	c := f.compression
	if f.estargz {
		c = EStargz
	}
	return LayerInfo{
		Digest: s.digest, DiffID: s.diffID, Size: s.size,
		Unpacked: f.unpacked, Compression: string(c), History: i.history[layer],
	}
}
