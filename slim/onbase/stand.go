package onbase

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Stand returns an image with base's layers, to which others can be appended,
// and cfg as its config (but for rootfs and history, which follow from the
// layers). The blobs are base's own, so that a registry that has them gets
// none; manifest, config and layers are of OCI's media types whatever base's
// are, as one manifest of both kinds is refused by some engines.
func Stand(base v1.Image, cfg *v1.ConfigFile) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	cfg = cfg.DeepCopy()
	cfg.RootFS, cfg.History = v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}}, nil
	img, err := mutate.ConfigFile(img, cfg)
	if err != nil {
		return nil, err
	}
	added, err := addenda(base)
	if err != nil {
		return nil, fmt.Errorf("reading the base: %w", err)
	}
	return mutate.Append(img, added...)
}

// addenda are base's layers with their lines of history, and between them the
// lines that made no layer. History that does not match the layers is left
// out: it would put pare's own lines to the wrong layers.
func addenda(base v1.Image) ([]mutate.Addendum, error) {
	m, err := base.Manifest()
	if err != nil {
		return nil, err
	}
	cfg, err := base.ConfigFile()
	if err != nil {
		return nil, err
	}
	all, err := base.Layers()
	if err != nil {
		return nil, err
	}
	if len(all) != len(m.Layers) {
		return nil, fmt.Errorf("%d layers, and the manifest names %d", len(all), len(m.Layers))
	}
	var out []mutate.Addendum
	next := 0
	add := func(h v1.History) {
		d := m.Layers[next]
		out = append(out, mutate.Addendum{Layer: all[next], History: h, URLs: d.URLs, Annotations: d.Annotations, MediaType: ociType(d.MediaType)})
		next++
	}
	if historyOf(cfg) != len(all) {
		for range all {
			add(v1.History{Created: cfg.Created, Comment: "a layer of the base"})
		}
		return out, nil
	}
	for _, h := range cfg.History {
		if h.EmptyLayer {
			out = append(out, mutate.Addendum{History: h})
			continue
		}
		add(h)
	}
	return out, nil
}

// historyOf counts the lines of history that made a layer.
func historyOf(cfg *v1.ConfigFile) int {
	n := 0
	for _, h := range cfg.History {
		if !h.EmptyLayer {
			n++
		}
	}
	return n
}

// ociType is OCI's name for a media type of Docker's; the bytes are the same.
func ociType(t types.MediaType) types.MediaType {
	switch t {
	case types.DockerLayer:
		return types.OCILayer
	case types.DockerUncompressedLayer:
		return types.OCIUncompressedLayer
	case types.DockerForeignLayer:
		return types.OCIRestrictedLayer
	}
	return t
}
