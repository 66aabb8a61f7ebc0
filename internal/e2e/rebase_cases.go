package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/rebase"
)

// A constructed case puts a small layer on a real base, in which one thing is
// as images have it that break when their base is swapped.
type constructed struct {
	name     string
	old, new v1.Image
	layer    []piece
	config   func(*v1.Config) // of the image; nil: the base's
	// findings and repairs are what the plan has to name: "NAME PATH" each, or
	// "NAME" for any path.
	findings, repairs []string
	also              func(*rebase.Plan) error // nil: nothing else
}

// piece is one entry of a layer.
type piece struct {
	name    string
	content string
	link    string // of a symlink
	mode    int64  // 0: 0755
}

// layerOf makes a layer, as OCI's media types have it.
func layerOf(pieces []piece) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, p := range pieces {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: p.name, Mode: p.mode, Size: int64(len(p.content)), Linkname: p.link}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if strings.HasSuffix(p.name, "/") {
			h.Typeflag = tar.TypeDir
		} else if p.link != "" {
			h.Typeflag = tar.TypeSymlink
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, p.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(buf.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

// onTop is an image of one more layer, or with another config.
func onTop(img v1.Image, pieces []piece, config func(*v1.Config)) (v1.Image, error) {
	if pieces != nil {
		l, err := layerOf(pieces)
		if err != nil {
			return nil, err
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			return nil, err
		}
	}
	if config == nil {
		return img, nil
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	changed := c.Config.DeepCopy()
	config(changed)
	return mutate.Config(img, *changed)
}

// emptyOCI has no layer, and OCI's media types.
func emptyOCI() v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
}

// put writes an image to the registry and returns its reference by digest.
func (b *bed) put(ctx context.Context, repo string, img v1.Image) (string, error) {
	d, err := img.Digest()
	if err != nil {
		return "", err
	}
	r, err := name.ParseReference(b.registry + "/" + repo + "@" + d.String())
	if err != nil {
		return "", err
	}
	return r.String(), remote.Write(r, img, remote.WithContext(ctx))
}

// plan has pare plan the case's move.
func (k *constructed) plan(ctx context.Context, b *bed) (*rebase.Plan, int, error) {
	img, err := onTop(k.old, k.layer, k.config)
	if err != nil {
		return nil, 0, err
	}
	var m move
	for _, x := range []struct {
		to  *string
		in  string
		img v1.Image
	}{{&m.image, "image", img}, {&m.from, "old", k.old}, {&m.onto, "new", k.new}} {
		if *x.to, err = b.put(ctx, "cases/"+x.in, x.img); err != nil {
			return nil, 0, err
		}
	}
	return b.planRebase(ctx, m, "cases")
}

// judge compares the plan with what has to be in it.
func (k *constructed) judge(p *rebase.Plan, exit int) error {
	forbids := slices.ContainsFunc(p.Findings, rebase.Finding.Forbids)
	if (exit == 3) != forbids || exit != 0 && exit != 3 {
		return fmt.Errorf("exit code %d with the findings %v", exit, p.Findings)
	}
	var findings, repairs []string
	for _, f := range p.Findings {
		findings = append(findings, f.Name, f.Name+" "+f.Path)
	}
	for _, r := range p.Repairs {
		repairs = append(repairs, r.Name, r.Name+" "+r.Path)
	}
	for _, want := range k.findings {
		if !slices.Contains(findings, want) {
			return fmt.Errorf("no finding %s, only %v", want, p.Findings)
		}
	}
	for _, want := range k.repairs {
		if !slices.Contains(repairs, want) {
			return fmt.Errorf("no repair %s, only %v", want, p.Repairs)
		}
	}
	if k.also == nil {
		return nil
	}
	return k.also(p)
}

// contentAt is a file of an image.
func contentAt(ctx context.Context, img v1.Image, p string) (string, error) {
	t, err := layers.Open(ctx, img, layers.Options{})
	if err != nil {
		return "", err
	}
	defer t.Close()
	r, err := t.Resolve(p)
	if err != nil {
		return "", err
	}
	b, err := t.ReadContent(r.Entry.Inode, 64<<20)
	return string(b), err
}
