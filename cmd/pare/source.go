package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/internal/registry"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim"
)

// places are how images are reached in this run.
func (a *app) places(f *sourceFlags) (reference.Options, error) {
	o := registry.Options{
		Keychain: authn.DefaultKeychain, Insecure: f.insecure,
		Proxy: http.ProxyFromEnvironment, UserAgent: "pare/" + programVersion(),
	}
	if f.ca != "" {
		pem, err := readFile(f.ca, 16<<20)
		if err != nil {
			return reference.Options{}, fmt.Errorf("reading CA: %w", err)
		}
		o.CA = pem
	}
	client, err := registry.New(o)
	if err != nil {
		return reference.Options{}, err
	}
	docker := reference.Docker{Host: a.env("DOCKER_HOST")}
	if a.env("DOCKER_TLS_VERIFY") != "" {
		docker.CertPath = a.env("DOCKER_CERT_PATH")
	}
	return reference.Options{Registry: client, Docker: docker}, nil
}

// opened is a source with the images in it.
type opened struct {
	ref    reference.Ref
	source *reference.Source
	images []candidate
	// skipped are manifests of the index that are no images to read.
	skipped []layers.IndexItem
}

func (o *opened) Close() { o.source.Close() }

// candidate is one platform's image.
type candidate struct {
	image v1.Image
	desc  v1.Descriptor
	id    slim.Identity
}

func (c *candidate) platform() string {
	if c.id.Platform == "" {
		return "an unknown platform"
	}
	return c.id.Platform
}

// open finds the images that a reference names; with --platform, one.
func (a *app) open(ctx context.Context, text string, f *sourceFlags, places reference.Options) (*opened, error) {
	ref, err := reference.Parse(text)
	if err != nil {
		return nil, err
	}
	src, err := reference.Open(ctx, ref, places)
	if err != nil {
		return nil, err
	}
	o := &opened{ref: ref, source: src}
	if err := o.list(f.platform); err != nil {
		o.Close()
		return nil, fmt.Errorf("opening %s: %w", ref, err)
	}
	return o, nil
}

func (o *opened) list(platform string) error {
	if o.source.Image != nil {
		id, err := identify(o.source.Image)
		if err != nil {
			return err
		}
		o.images = []candidate{{image: o.source.Image, desc: o.source.Descriptor, id: id}}
		if platform != "" && !matchesPlatform(id.Platform, platform) {
			return fmt.Errorf("it is for %s, not for %s", id.Platform, platform)
		}
		return nil
	}
	items, err := layers.WalkIndex(o.source.Index)
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.Skip != nil {
			o.skipped = append(o.skipped, i)
			continue
		}
		if err := o.add(i, platform); err != nil {
			return fmt.Errorf("reading %s: %w", i.Descriptor.Digest, err)
		}
	}
	if len(o.images) == 0 {
		return o.noImage(items, platform)
	}
	return nil
}

// add takes an image of an index, unless it is of another platform.
func (o *opened) add(i layers.IndexItem, platform string) error {
	if platform != "" && i.Platform != nil && !matchesPlatform(i.Platform.String(), platform) {
		return nil
	}
	img, err := i.Image()
	if err != nil {
		return err
	}
	id, err := identify(img)
	if err != nil {
		return err
	}
	if platform == "" || matchesPlatform(id.Platform, platform) {
		o.images = append(o.images, candidate{image: img, desc: i.Descriptor, id: id})
	}
	return nil
}

// identify reads an image's identity, once its manifest is known to be one's.
func identify(img v1.Image) (slim.Identity, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return slim.Identity{}, err
	}
	if err := layers.CheckManifest(raw); err != nil {
		return slim.Identity{}, err
	}
	return slim.Identify(img)
}

// matchesPlatform says whether have is what was asked for; a variant that was
// not asked for does not matter.
func matchesPlatform(have, want string) bool {
	return have == want || strings.HasPrefix(have, want+"/")
}

func (o *opened) noImage(items []layers.IndexItem, platform string) error {
	var have []string
	for _, i := range items {
		if i.Skip == nil && i.Platform != nil {
			have = append(have, i.Platform.String())
		}
	}
	if platform == "" || len(have) == 0 {
		return errors.New("the index holds no image")
	}
	return fmt.Errorf("no image for %s; there is %s", platform, strings.Join(have, ", "))
}

// only is the one image, for commands that cannot take several.
func (o *opened) only() (*candidate, error) {
	if len(o.images) == 1 {
		return &o.images[0], nil
	}
	var have []string
	for i := range o.images {
		have = append(have, o.images[i].platform())
	}
	return nil, usagef("%s holds images for %s; choose one with --platform", o.ref, strings.Join(have, ", "))
}

// tree reads an image. What a registry sent otherwise than it promised is
// asked for once more: it may have been damaged on its way.
func (a *app) tree(ctx context.Context, o *opened, c *candidate, lo layers.Options) (*layers.Tree, error) {
	m, err := c.image.Manifest()
	if err != nil {
		return nil, err
	}
	var sizes []int64
	for _, l := range m.Layers {
		sizes = append(sizes, l.Size)
	}
	lo.Progress = a.term.metered("reading "+c.platform(), sizes)
	t, err := layers.Open(ctx, c.image, lo)
	if errors.Is(err, layers.ErrMismatch) && o.ref.Kind == reference.Registry && ctx.Err() == nil {
		a.term.note("%v; asking once more", err)
		t, err = layers.Open(ctx, c.image, lo)
	}
	a.term.endProgress()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", o.ref, err)
	}
	return t, nil
}

// storedSize is what the image's layers take as they are stored.
func storedSize(img v1.Image) (int64, error) {
	m, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	var n int64
	for _, l := range m.Layers {
		n += l.Size
	}
	return n, nil
}
