package rebase

import (
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
)

// ErrNoBase says that the base of an image cannot be found.
var ErrNoBase = errors.New("the image's base is not known")

// Base is what is known of an image that others stand on: enough to find it
// in them, and to merge. Its layers are not needed: images have them.
type Base struct {
	// Name is how people call it, with its tag; "" when nobody said.
	Name string `json:"name,omitempty"`
	// Index is the digest of the index that it is of; "" for a single image.
	Index string `json:"index,omitempty"`
	// Digest is its manifest's; "" when only its layers are known.
	Digest   string   `json:"digest,omitempty"`
	Platform string   `json:"platform,omitempty"`
	DiffIDs  []string `json:"diffIds"`
	// Config is its config without rootfs; nil when it is not known.
	Config *v1.ConfigFile `json:"config,omitempty"`
	// From says how it was found: "--from", "annotation", "lock", "layers".
	From string `json:"-"`
}

// DescribeBase is the base that img is to others.
func DescribeBase(name string, index v1.Hash, img v1.Image) (Base, error) {
	b := Base{Name: name}
	d, err := img.Digest()
	if err != nil {
		return b, err
	}
	c, err := img.ConfigFile()
	if err != nil {
		return b, fmt.Errorf("reading config of %s: %w", d, err)
	}
	b.Digest, b.Platform = d.String(), layers.PlatformName(c)
	if index != (v1.Hash{}) && index != d {
		b.Index = index.String()
	}
	for _, id := range c.RootFS.DiffIDs {
		b.DiffIDs = append(b.DiffIDs, id.String())
	}
	b.Config = c.DeepCopy()
	b.Config.RootFS = v1.RootFS{Type: "layers"}
	return b, nil
}

// FindBase returns the candidate that the image stands on: whose layers,
// by diffID, are its lowest. Of several the one with most layers, and of
// those the first, counts. Compression does not matter, nor does it whether
// the base still is in any registry. The error is ErrNoBase.
func FindBase(app *v1.ConfigFile, candidates []Base) (Base, error) {
	var have []string
	for _, id := range app.RootFS.DiffIDs {
		have = append(have, id.String())
	}
	best := -1
	for i, c := range candidates {
		n := len(c.DiffIDs)
		if n == 0 || n > len(have) || !slices.Equal(have[:n], c.DiffIDs) {
			continue
		}
		if best < 0 || n > len(candidates[best].DiffIDs) {
			best = i
		}
	}
	if best < 0 {
		return Base{}, fmt.Errorf("%w: none of %d candidates has the image's lowest layers", ErrNoBase, len(candidates))
	}
	return candidates[best], nil
}
