package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
)

func runChild(what, ref string) error {
	img, err := open(strings.TrimPrefix(ref, "oci:"))
	if err != nil {
		return err
	}
	switch what {
	case "export":
		return export(img)
	case "inflate":
		return inflate(img)
	}
	return fmt.Errorf("unknown child %q", what)
}

// open reads DIR:TAG of an OCI layout.
func open(ref string) (v1.Image, error) {
	i := strings.LastIndexByte(ref, ':')
	if i < 0 {
		return nil, errors.New("want oci:DIR:TAG")
	}
	dir, tag := ref[:i], ref[i+1:]
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	im, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range im.Manifests {
		if d.Annotations["org.opencontainers.image.ref.name"] == tag {
			return idx.Image(d.Digest)
		}
	}
	return nil, fmt.Errorf("no tag %q in %s", tag, dir)
}

// export is what crane.Export does with an image of more than one layer.
func export(img v1.Image) error {
	rc := mutate.Extract(img)
	defer rc.Close()
	_, err := io.Copy(os.Stdout, rc)
	return err
}

// inflate is the floor of any cold run: each blob read, hashed, inflated with
// the library pare uses, and hashed again, layers in parallel.
func inflate(img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(2)
	for _, l := range layers {
		g.Go(func() error {
			rc, err := l.Compressed()
			if err != nil {
				return err
			}
			defer rc.Close()
			blob, diff := sha256.New(), sha256.New()
			zr, err := gzip.NewReader(io.TeeReader(rc, blob))
			if err != nil {
				return err
			}
			_, err = io.Copy(diff, zr)
			return err
		})
	}
	return g.Wait()
}

func describe(ref string) error {
	img, err := open(ref)
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	var packed, unpacked int64
	for i, l := range layers {
		size, err := l.Size()
		if err != nil {
			return err
		}
		rc, err := l.Uncompressed()
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, rc)
		rc.Close()
		if err != nil {
			return err
		}
		fmt.Printf("layer %d: %.1f MB packed, %.1f MB unpacked\n", i, float64(size)/1e6, float64(n)/1e6)
		packed, unpacked = packed+size, unpacked+n
	}
	fmt.Printf("image: %.1f MB packed, %.1f MB unpacked, %d layers\n\n", float64(packed)/1e6, float64(unpacked)/1e6, len(layers))
	return nil
}
