package reference

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/atomicfile"
	"github.com/pare-image/pare/layers"
)

// Write stores img, or idx when that is not nil, under r and returns the
// reference by digest of what can be read there. Until all of it is written,
// r names what it named before; on an error nothing is left.
func Write(ctx context.Context, r Ref, img v1.Image, idx v1.ImageIndex, o Options) (Ref, error) {
	c, err := contentOf(img, idx)
	var at Ref
	if err == nil {
		at, err = write(ctx, r, c, o)
	}
	if err != nil {
		return Ref{}, fmt.Errorf("writing %s: %w", r, err)
	}
	return at, nil
}

func write(ctx context.Context, r Ref, c *content, o Options) (Ref, error) {
	if err := CheckDestination(ctx, r, c.idx != nil, o); err != nil {
		return Ref{}, err
	}
	switch r.Kind {
	case OCI:
		return writeLayout(ctx, r, c)
	case OCIArchive:
		return writeOCIArchive(ctx, r, c)
	case DockerArchive:
		return writeDockerArchive(ctx, r, c.images[0])
	case DockerDaemon:
		return o.Docker.write(ctx, r, c.images[0], o)
	}
	ref, err := o.Registry.Parse(r.Name)
	if err != nil {
		return Ref{}, err
	}
	if err := o.Registry.Push(ctx, ref, c.images, c.idx); err != nil {
		return Ref{}, err
	}
	return Ref{Kind: Registry, Name: ref.Context().Digest(c.top.Digest.String()).String()}, nil
}

// CheckDestination says before any work whether r can be written: the error
// is an ErrDestination, an ErrFormat, or of the file system. Nothing is
// changed. index says that more than one platform is to be written.
func CheckDestination(ctx context.Context, r Ref, index bool, o Options) error {
	if r.Digest != (v1.Hash{}) || r.Kind == DockerDaemon && imageID.MatchString(r.Name) {
		return fmt.Errorf("%w: a digest follows from what is written; give a tag", ErrDestination)
	}
	if index && !r.HoldsIndex() {
		return fmt.Errorf("%w: %s holds one platform; choose it with --platform, or write to a registry or an OCI layout", ErrDestination, r.Kind)
	}
	switch r.Kind {
	case OCI:
		return checkLayout(r.Path)
	case OCIArchive, DockerArchive:
		return checkArchive(ctx, r, o)
	case Registry:
		if _, err := name.NewTag(r.Name); err != nil {
			return fmt.Errorf("%w: a digest follows from what is written; give a tag", ErrDestination)
		}
	}
	return nil
}

// checkParent says whether files can be made beside path.
func checkParent(path string) error {
	parent := filepath.Dir(path)
	info, err := os.Stat(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no directory %s; make it first", ErrDestination, parent)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%w: %s is no directory", ErrDestination, parent)
	}
	return atomicfile.Try(path)
}

// checkArchive lets nothing be overwritten but an archive of the same name.
func checkArchive(ctx context.Context, r Ref, o Options) error {
	path, err := atomicfile.Resolve(r.Path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return checkParent(path)
	}
	if err != nil {
		return err
	}
	var tags []string
	list := func(f files, _ Ref) (*Source, error) {
		tags, err = listTags(f, r.Kind)
		return &Source{}, err
	}
	s, err := openArchive(ctx, r, o, list)
	if err != nil {
		return fmt.Errorf("%w: %s exists and is no %s; remove it or name another (%v)", ErrDestination, path, r.Kind, err)
	}
	s.Close()
	for i, t := range tags {
		if t != r.Name || t == "" && i > 0 {
			return fmt.Errorf("%w: %s also holds %s, which would be lost; name another file", ErrDestination, path, strings.Join(namesOf(tags), ", "))
		}
	}
	return checkParent(path)
}

// namesOf is for people: quoted, and what has no name counted.
func namesOf(tags []string) []string {
	named := slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return t == "" })
	out := quoteAll(named)
	switch n := len(tags) - len(named); n {
	case 0:
	case 1:
		out = append(out, "an image without a name")
	default:
		out = append(out, fmt.Sprintf("%d images without a name", n))
	}
	return out
}

// listTags lists the names in an archive, and "" for each image without one.
func listTags(f files, k Kind) ([]string, error) {
	var tags []string
	if k == DockerArchive {
		images, err := readDockerManifest(f)
		tags = dockerTags(images)
		for _, d := range images {
			if len(d.RepoTags) == 0 {
				tags = append(tags, "")
			}
		}
		return tags, err
	}
	raw, err := readFile(f, indexFile, maxManifest)
	if err != nil {
		return nil, err
	}
	idx, err := parseIndex(layoutBlobs{f}, "", raw)
	if err != nil {
		return nil, err
	}
	for _, d := range idx.manifest.Manifests {
		tags = append(tags, d.Annotations[refName])
	}
	return tags, nil
}

// content is what is to be written, as blobs.
type content struct {
	images []v1.Image
	idx    v1.ImageIndex // nil for one image
	top    v1.Descriptor
}

func contentOf(img v1.Image, idx v1.ImageIndex) (*content, error) {
	if idx == nil {
		top, err := describe(img)
		return &content{images: []v1.Image{img}, top: top}, err
	}
	top, err := describe(idx)
	if err != nil {
		return nil, err
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	c := &content{idx: idx, top: top}
	for _, d := range m.Manifests { // an index of indexes is nothing that pare makes
		child, err := idx.Image(d.Digest)
		if err != nil {
			return nil, err
		}
		c.images = append(c.images, child)
	}
	return c, nil
}

// blob is one file of a layout.
type blob struct {
	digest v1.Hash
	size   int64
	open   func() (io.ReadCloser, error)
}

func bytesBlob(h v1.Hash, b []byte) blob {
	return blob{digest: h, size: int64(len(b)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(string(b))), nil
	}}
}

// blobs lists everything, each digest once.
func (c *content) blobs() ([]blob, error) {
	seen := map[v1.Hash]bool{}
	var out []blob
	add := func(b blob) {
		if !seen[b.digest] {
			seen[b.digest] = true
			out = append(out, b)
		}
	}
	for _, img := range c.images {
		if err := imageBlobs(img, add); err != nil {
			return nil, err
		}
	}
	if c.idx != nil {
		raw, err := c.idx.RawManifest()
		if err != nil {
			return nil, err
		}
		add(bytesBlob(c.top.Digest, raw))
	}
	return out, nil
}

func imageBlobs(img v1.Image, add func(blob)) error {
	ls, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range ls {
		h, err := l.Digest()
		if err != nil {
			return err
		}
		size, err := l.Size()
		if err != nil {
			return err
		}
		add(blob{digest: h, size: size, open: l.Compressed})
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	h, err := img.ConfigName()
	if err != nil {
		return err
	}
	add(bytesBlob(h, config))
	raw, err := img.RawManifest()
	if err != nil {
		return err
	}
	if h, err = img.Digest(); err != nil {
		return err
	}
	add(bytesBlob(h, raw))
	return nil
}

// copyTo writes the blob and refuses bytes that are not the digest's.
func (b blob) copyTo(ctx context.Context, w io.Writer) error {
	rc, err := b.open()
	if err != nil {
		return err
	}
	defer rc.Close()
	return copyVerified(ctx, w, rc, b.digest, b.size)
}

// copyVerified copies what must have the given digest, and size unless that is -1.
func copyVerified(ctx context.Context, w io.Writer, r io.Reader, want v1.Hash, size int64) error {
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), &contextReader{ctx, r})
	if err != nil {
		return err
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != want.Hex || size >= 0 && n != size {
		return &layers.MismatchError{What: "digest", Want: want.String(), Got: "sha256:" + got}
	}
	return nil
}
