package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// without is a mutation: the slim image without one path, and who noticed.
type without struct {
	path    string
	noticed string // the check; "start" when it did not come up
	err     error  // nobody noticed, or it could not be tried
}

// errUnnoticed says that the checks are too weak, or the file is not needed.
var errUnnoticed = errors.New("no check noticed that it is gone")

// tryWithout removes path from the image by a layer with one whiteout, and
// runs it until a check fails. For "/" the layer removes nothing: a control.
func (b *bed) tryWithout(ctx context.Context, a *app, r *slimmed, after map[string]node, path string, n int) without {
	w := without{path: path}
	w.noticed, w.err = b.noticed(ctx, a, r, after, resolve(after, path), fmt.Sprintf("%s-without-%d", r.granularity, n))
	if w.err == nil && w.noticed == "" {
		w.err = errUnnoticed
	}
	return w
}

func (b *bed) noticed(ctx context.Context, a *app, r *slimmed, after map[string]node, path, tag string) (by string, err error) {
	if path == "" {
		return "", errors.New("the slim image does not have it")
	}
	img, err := whiteout(r.image, after, path)
	if err != nil {
		return "", err
	}
	ref, err := name.ParseReference(r.repo + ":" + tag)
	if err != nil {
		return "", err
	}
	if err := remote.Write(ref, img, remote.WithContext(ctx)); err != nil {
		return "", err
	}
	if _, err := b.docker(ctx, "pull", "--quiet", ref.String()); err != nil {
		return "", err
	}
	c, err := b.start(ctx, a, ref.String(), false)
	defer c.remove()
	if err != nil {
		return c.cannotStart(err)
	}
	return c.firstFailure(ctx)
}

// cannotStart tells a program that is gone from an engine that is broken.
func (c *container) cannotStart(err error) (string, error) {
	if s := err.Error(); strings.Contains(s, "no such file or directory") || strings.Contains(s, "executable file not found") {
		return "start", nil
	}
	return "", err
}

// firstFailure gives time, and every check a second chance: a busy machine is
// not to be taken for a missing file.
func (c *container) firstFailure(ctx context.Context) (by string, err error) {
	if err := c.waitReady(ctx, 30*time.Second); err != nil {
		return "start", ctx.Err()
	}
	for _, k := range c.app.checks {
		err := c.one(ctx, k)
		if err != nil {
			err = c.one(ctx, k)
		}
		if err != nil {
			return k.name, ctx.Err()
		}
	}
	return "", nil
}

// whiteout adds a layer that removes p, with p's parents as they are: docker
// makes parents that a layer does not list 0600.
func whiteout(img v1.Image, nodes map[string]node, p string) (v1.Image, error) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for i := 1; i < len(p); i++ {
		if p[i] != '/' {
			continue
		}
		dir := nodes[p[:i]]
		if err := tw.WriteHeader(&tar.Header{
			Typeflag: tar.TypeDir, Name: p[1:i] + "/", Mode: int64(dir.mode & 0o7777),
			Uid: int(dir.uid), Gid: int(dir.gid), ModTime: time.Unix(0, dir.mtime),
		}); err != nil {
			return nil, err
		}
	}
	if dir, file := path.Split(p[1:]); file != "" {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: dir + ".wh." + file, Mode: 0o644}); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(buf.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(img, l)
}
