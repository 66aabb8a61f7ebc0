package reference

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/layers"
)

// The files of an OCI layout (image-spec image-layout.md) and the annotation
// that holds a tag.
const (
	layoutFile = "oci-layout"
	indexFile  = "index.json"
	blobsDir   = "blobs"
	refName    = "org.opencontainers.image.ref.name"

	layoutVersion = `{"imageLayoutVersion":"1.0.0"}`
)

// directory is a layout on disk. No symlink leads out of it.
type directory struct{ root *os.Root }

func (d directory) open(name string) (io.ReadCloser, int64, error) {
	// Without O_NONBLOCK, a FIFO in place of a file would be waited for.
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is no regular file", ErrFormat, name)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func openLayout(r Ref) (*Source, error) {
	root, err := os.OpenRoot(r.Path)
	if err != nil {
		return nil, err
	}
	s, err := layoutSource(directory{root}, r)
	if err != nil {
		root.Close()
		return nil, err
	}
	s.close = root.Close
	return s, nil
}

// layoutBlobs finds blobs where a layout has them.
type layoutBlobs struct{ files }

func (l layoutBlobs) openBlob(h v1.Hash) (io.ReadCloser, int64, error) {
	name, err := blobName(h)
	if err != nil {
		return nil, 0, err
	}
	return l.open(name)
}

// blobName refuses what is no digest, so that it leads nowhere else.
func blobName(h v1.Hash) (string, error) {
	if _, err := v1.NewHash(h.String()); err != nil {
		return "", err
	}
	return path.Join(blobsDir, h.Algorithm, h.Hex), nil
}

// layoutSource finds what r names in a layout.
func layoutSource(f files, r Ref) (*Source, error) {
	raw, err := readFile(f, indexFile, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s, so this is no OCI layout", ErrFormat, indexFile)
	}
	if err != nil {
		return nil, err
	}
	idx, err := parseIndex(layoutBlobs{f}, types.OCIImageIndex, raw)
	if err != nil {
		return nil, err
	}
	d, whole, err := choose(idx, r)
	if err != nil {
		return nil, err
	}
	if whole {
		d, err = describe(idx)
		return &Source{Index: idx, Descriptor: d}, err
	}
	return sourceOf(layoutBlobs{f}, d)
}

func sourceOf(s blobs, d v1.Descriptor) (*Source, error) {
	if d.MediaType.IsIndex() {
		idx, err := newIndex(s, d)
		if err != nil {
			return nil, err
		}
		return &Source{Index: idx, Descriptor: d}, nil
	}
	img, err := newImage(s, d)
	if err != nil {
		return nil, err
	}
	return &Source{Image: img, Descriptor: d}, nil
}

// choose picks by tag or digest; without either the only entry. Several
// without tags but of different platforms are one index: whole is true.
func choose(idx *storedIndex, r Ref) (d v1.Descriptor, whole bool, err error) {
	if r.Digest != (v1.Hash{}) {
		d, err = findDigest(idx, r.Digest)
		return d, false, err
	}
	var all []v1.Descriptor
	var tags []string
	platforms := map[string]bool{}
	for _, d := range idx.manifest.Manifests {
		tag := d.Annotations[refName]
		if tag == r.Name && tag != "" {
			return d, false, nil
		}
		if t := types.MediaType(d.ArtifactType); t != "" && !t.IsConfig() {
			continue // something about an image, which does not make two of it
		}
		all = append(all, d)
		if tag != "" {
			tags = append(tags, tag)
		}
		if d.Platform != nil {
			platforms[d.Platform.String()] = true
		}
	}
	switch {
	case r.Name != "":
		return d, false, notFound(fmt.Sprintf("tag %q", r.Name), tags)
	case len(all) == 1:
		return all[0], false, nil
	case len(all) > 1 && len(tags) == 0 && len(platforms) == len(all):
		return d, true, nil
	}
	return d, false, notFound("one image", tags)
}

// findDigest looks through the layout's index and the indexes in it.
func findDigest(idx *storedIndex, h v1.Hash) (v1.Descriptor, error) {
	if d, err := idx.find(h); err == nil {
		return d, nil
	}
	items, err := layers.WalkIndex(idx)
	if err != nil {
		return v1.Descriptor{}, err
	}
	for _, i := range items {
		if i.Descriptor.Digest == h {
			return i.Descriptor, nil
		}
	}
	return v1.Descriptor{}, fmt.Errorf("%w: nothing has the digest %s", ErrNotFound, h)
}

// notFound says what is there instead.
func notFound(what string, have []string) error {
	const shown = 20
	if len(have) == 0 {
		return fmt.Errorf("%w: it does not hold %s, and has no tags", ErrNotFound, what)
	}
	rest := ""
	if len(have) > shown {
		rest = fmt.Sprintf(" and %d more", len(have)-shown)
		have = have[:shown]
	}
	return fmt.Errorf("%w: it does not hold %s; say which: %s%s", ErrNotFound, what, strings.Join(quoteAll(have), ", "), rest)
}

func quoteAll(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%q", s))
	}
	return out
}

// describe is the descriptor of something with a manifest.
func describe(m interface {
	MediaType() (types.MediaType, error)
	RawManifest() ([]byte, error)
},
) (v1.Descriptor, error) {
	raw, err := m.RawManifest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	media, err := m.MediaType()
	if err != nil {
		return v1.Descriptor{}, err
	}
	h, size, err := v1.SHA256(strings.NewReader(string(raw)))
	return v1.Descriptor{MediaType: media, Digest: h, Size: size}, err
}

// checkLayoutVersion refuses layouts that we do not know how to change.
func checkLayoutVersion(f files) error {
	b, err := readFile(f, layoutFile, 1<<10)
	if err != nil {
		return err
	}
	var v struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(b, &v); err != nil || !strings.HasPrefix(v.Version, "1.") {
		return fmt.Errorf("%w: %s says version %q; known is 1.0.0", ErrFormat, layoutFile, v.Version)
	}
	return nil
}
