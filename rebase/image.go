package rebase

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image is a manifest and a config, to the byte, over layers of others.
type image struct {
	manifest, config []byte
	layers           []v1.Layer
}

func (i *image) RawManifest() ([]byte, error)   { return i.manifest, nil }
func (i *image) RawConfigFile() ([]byte, error) { return i.config, nil }
func (i *image) Layers() ([]v1.Layer, error)    { return slices.Clone(i.layers), nil }
func (i *image) Size() (int64, error)           { return int64(len(i.manifest)), nil }
func (i *image) Digest() (v1.Hash, error)       { return partial.Digest(i) }
func (i *image) ConfigName() (v1.Hash, error)   { return partial.ConfigName(i) }

func (i *image) Manifest() (*v1.Manifest, error)     { return partial.Manifest(i) }
func (i *image) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(i) }

func (i *image) MediaType() (types.MediaType, error) {
	m, err := i.Manifest()
	if err != nil {
		return "", err
	}
	if m.MediaType == "" { // OCI manifests need not say
		return types.OCIManifestSchema1, nil
	}
	return m.MediaType, nil
}

func (i *image) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if c, err := i.ConfigName(); err == nil && c == h {
		return partial.ConfigLayer(i)
	}
	return i.find(h, v1.Layer.Digest)
}

func (i *image) LayerByDiffID(h v1.Hash) (v1.Layer, error) { return i.find(h, v1.Layer.DiffID) }

func (i *image) find(h v1.Hash, of func(v1.Layer) (v1.Hash, error)) (v1.Layer, error) {
	for _, l := range i.layers {
		if got, err := of(l); err == nil && got == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no layer %s in the image", h)
}

// source is an image as its manifest and config have it.
type source struct {
	image            v1.Image
	raw              []byte
	manifest, config *document
	descriptors      []json.RawMessage
	diffIDs          []json.RawMessage
	history          []json.RawMessage
	layers           []v1.Layer
}

func readSource(img v1.Image) (*source, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	rawConfig, err := img.RawConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading config: %w", err)
	}
	s := &source{image: img, raw: raw}
	if s.manifest, err = parseDocument(raw, ""); err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	if s.config, err = parseDocument(rawConfig, ""); err != nil {
		return nil, fmt.Errorf("reading config: %w", err)
	}
	rootfs, err := s.config.child("rootfs")
	if err != nil {
		return nil, fmt.Errorf("reading rootfs: %w", err)
	}
	for _, l := range []struct {
		from *document
		key  string
		to   *[]json.RawMessage
	}{{s.manifest, "layers", &s.descriptors}, {rootfs, "diff_ids", &s.diffIDs}, {s.config, "history", &s.history}} {
		if *l.to, err = l.from.list(l.key); err != nil {
			return nil, err
		}
	}
	if s.layers, err = img.Layers(); err != nil {
		return nil, err
	}
	if len(s.layers) != len(s.descriptors) || len(s.layers) != len(s.diffIDs) {
		return nil, fmt.Errorf("%d layers, %d descriptors and %d diffIDs", len(s.layers), len(s.descriptors), len(s.diffIDs))
	}
	return s, nil
}

// docker says that the manifest is one of Docker's schema 2.
func (s *source) docker() bool {
	return strings.Contains(canonical(s.manifest.get("mediaType")), "vnd.docker.")
}

// lower is the image of the n lowest layers alone, with what the history says
// of them: the old base as the image has it.
func (s *source) lower(n int) (v1.Image, error) {
	return s.stack(stacking{layers: s.layers[:n], descriptors: s.descriptors[:n], diffIDs: s.diffIDs[:n]})
}

// stacking is what goes onto each other.
type stacking struct {
	layers      []v1.Layer
	descriptors []json.RawMessage
	diffIDs     []json.RawMessage
	history     []json.RawMessage // nil: none
	config      *document         // "config"; nil: as it is
	annotations map[string]string // to set; "" takes one away
}

// stack is an image with the manifest and config of s, but for what st says.
func (s *source) stack(st stacking) (v1.Image, error) {
	config, err := parseDocument(s.config.bytes(), "")
	if err != nil {
		return nil, err
	}
	rootfs, err := config.child("rootfs")
	if err != nil {
		return nil, err
	}
	if err := rootfs.set("diff_ids", st.diffIDs, nil); err != nil {
		return nil, err
	}
	if err := config.setChild("rootfs", rootfs, nil); err != nil {
		return nil, err
	}
	if st.history != nil || s.history != nil {
		if err := config.set("history", nonNil(st.history), nil); err != nil {
			return nil, err
		}
	}
	if st.config != nil {
		if err := config.setChild("config", st.config, nil); err != nil {
			return nil, err
		}
	}
	return s.wrap(st, config.bytes())
}

func nonNil(list []json.RawMessage) []json.RawMessage {
	if list == nil {
		return []json.RawMessage{}
	}
	return list
}

// wrap makes the manifest over a config.
func (s *source) wrap(st stacking, config []byte) (v1.Image, error) {
	manifest, err := parseDocument(s.manifest.bytes(), "")
	if err != nil {
		return nil, err
	}
	h, size, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, err
	}
	d, err := manifest.child("config")
	if err != nil {
		return nil, err
	}
	d.remove("data") // the old config, if it was embedded
	for key, v := range map[string]any{"digest": h.String(), "size": size} {
		if err := d.set(key, v, []string{"mediaType", "size", "digest"}); err != nil {
			return nil, err
		}
	}
	if err := manifest.setChild("config", d, nil); err != nil {
		return nil, err
	}
	if err := manifest.set("layers", nonNil(st.descriptors), nil); err != nil {
		return nil, err
	}
	if err := annotate(manifest, st.annotations); err != nil {
		return nil, err
	}
	return &image{manifest: manifest.bytes(), config: config, layers: st.layers}, nil
}

// annotate sets annotations; "" takes one away.
func annotate(manifest *document, set map[string]string) error {
	if len(set) == 0 {
		return nil
	}
	all, err := manifest.child("annotations")
	if err != nil {
		return err
	}
	for _, k := range sortedKeys(set) {
		if set[k] == "" {
			all.remove(k)
		} else if err := all.set(k, set[k], nil); err != nil {
			return err
		}
	}
	slices.SortStableFunc(all.members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	if len(all.members) == 0 {
		manifest.remove("annotations")
		return nil
	}
	return manifest.setChild("annotations", all, nil)
}

// Media types of layers in Docker's schema 2 and in OCI's, pairwise.
var layerTypes = [][2]types.MediaType{
	{types.DockerLayer, types.OCILayer},
	{types.DockerUncompressedLayer, types.OCIUncompressedLayer},
	{types.DockerForeignLayer, types.OCIRestrictedLayer},
}

// adopt is a layer's descriptor of another image as the image's own manifest
// would have it: its family of media types, its order of members. zstd has no
// type of Docker's.
func (s *source) adopt(raw json.RawMessage) (json.RawMessage, error) {
	d, err := parseDocument(compacted(raw), "")
	if err != nil {
		return nil, fmt.Errorf("reading a layer's descriptor: %w", err)
	}
	var media types.MediaType
	if err := json.Unmarshal(d.get("mediaType"), &media); err != nil {
		return nil, fmt.Errorf("reading a layer's media type: %w", err)
	}
	for _, pair := range layerTypes {
		if i := slices.Index(pair[:], media); i >= 0 {
			to := pair[1]
			if s.docker() {
				to = pair[0]
			}
			if err := d.set("mediaType", to, nil); err != nil {
				return nil, err
			}
			return json.RawMessage(d.likeFirst(s.descriptors)), nil
		}
	}
	if s.docker() {
		return nil, fmt.Errorf("a layer of the new base is %q, which an image with Docker's media types cannot have; make the image anew with OCI's, or choose a base with gzip layers", string(media))
	}
	return json.RawMessage(d.likeFirst(s.descriptors)), nil
}

// likeFirst is the document with its members in the order of the first of
// others.
func (d *document) likeFirst(others []json.RawMessage) []byte {
	if len(others) > 0 {
		if first, err := parseDocument(others[0], ""); err == nil {
			slices.SortStableFunc(d.members, func(a, b member) int {
				return place(first, a.key) - place(first, b.key)
			})
		}
	}
	return d.bytes()
}

func place(d *document, key string) int {
	if i := d.index(key); i >= 0 {
		return i
	}
	return len(d.members)
}

func compacted(raw json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}
