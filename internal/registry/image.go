package registry

import (
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pare-image/pare/layers"
)

// explained is a remote image whose refusals are StatusErrors.
type explained struct{ v1.Image }

func (i explained) RawConfigFile() ([]byte, error) {
	b, err := i.Image.RawConfigFile()
	return b, explain(err)
}

func (i explained) ConfigFile() (*v1.ConfigFile, error) {
	c, err := i.Image.ConfigFile()
	return c, explain(err)
}

func (i explained) Layers() ([]v1.Layer, error) {
	ls, err := i.Image.Layers()
	for n, l := range ls {
		ls[n] = explainLayer(l)
	}
	return ls, explain(err)
}

func (i explained) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	l, err := i.Image.LayerByDigest(h)
	return explainLayer(l), explain(err)
}

func (i explained) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	l, err := i.Image.LayerByDiffID(h)
	return explainLayer(l), explain(err)
}

type explainedLayer struct{ v1.Layer }

// explainLayer keeps a layer mountable, which remote tells by its type.
func explainLayer(l v1.Layer) v1.Layer {
	switch l := l.(type) {
	case nil:
		return nil
	case *remote.MountableLayer:
		return &remote.MountableLayer{Layer: explainedLayer{l.Layer}, Reference: l.Reference}
	}
	return explainedLayer{l}
}

func (l explainedLayer) Compressed() (io.ReadCloser, error) {
	rc, err := l.Layer.Compressed()
	if err != nil {
		return nil, explain(err)
	}
	return verified{rc}, nil
}

// verified gives the error of remote's own check a type that others know.
type verified struct{ io.ReadCloser }

func (v verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	if err != nil && strings.HasPrefix(err.Error(), "error verifying ") {
		err = fmt.Errorf("%w: %v", layers.ErrMismatch, err)
	}
	return n, err
}

func (l explainedLayer) Uncompressed() (io.ReadCloser, error) {
	rc, err := l.Layer.Uncompressed()
	return rc, explain(err)
}

func (l explainedLayer) DiffID() (v1.Hash, error) {
	h, err := l.Layer.DiffID()
	return h, explain(err)
}

// index is embedded under a name that its own method does not have.
type index = v1.ImageIndex

// explainedIndex is likewise for an index and what it names.
type explainedIndex struct{ index }

func (i explainedIndex) Image(h v1.Hash) (v1.Image, error) {
	img, err := i.index.Image(h)
	if err != nil {
		return nil, explain(err)
	}
	return explained{img}, nil
}

func (i explainedIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	idx, err := i.index.ImageIndex(h)
	if err != nil {
		return nil, explain(err)
	}
	return explainedIndex{idx}, nil
}
