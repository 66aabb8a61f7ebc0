package reference

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/layers"
)

const (
	dockerManifest     = "manifest.json"
	dockerRepositories = "repositories"
	maxDockerImages    = 1000
)

// dockerImage is one element of manifest.json (moby image/tarexport).
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// dockerSource finds what r names in what `docker save` wrote, of any version
// since 1.10. Its images have no manifest: they get the one that follows from
// config and layers as they are stored, so that the same content has the same
// digest whatever it is called.
func dockerSource(f files, r Ref) (*Source, error) {
	images, err := readDockerManifest(f)
	if err != nil {
		return nil, err
	}
	if r.Digest != (v1.Hash{}) {
		return dockerByDigest(f, images, r.Digest)
	}
	d, err := chooseDocker(images, r.Name)
	if err != nil {
		return nil, err
	}
	return loadDocker(f, d)
}

func readDockerManifest(f files) ([]dockerImage, error) {
	raw, err := readFile(f, dockerManifest, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		if rc, _, err := f.open(dockerRepositories); err == nil {
			rc.Close()
			return nil, fmt.Errorf("%w: it was saved by a Docker before 1.10, whose images cannot be verified; load and save it with a current one", ErrFormat)
		}
		return nil, fmt.Errorf("%w: there is no %s, so docker save did not write it", ErrFormat, dockerManifest)
	}
	if err != nil {
		return nil, err
	}
	var images []dockerImage
	if err := json.Unmarshal(raw, &images); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", dockerManifest, err)
	}
	if len(images) == 0 || len(images) > maxDockerImages {
		return nil, fmt.Errorf("%w: %d images; want 1 to %d", ErrFormat, len(images), maxDockerImages)
	}
	return images, nil
}

func chooseDocker(images []dockerImage, tag string) (dockerImage, error) {
	if tag == "" && len(images) == 1 {
		return images[0], nil
	}
	var tags []string
	for _, d := range images {
		for _, t := range d.RepoTags {
			if n, err := dockerName(t); err == nil && n == tag {
				return d, nil
			}
			tags = append(tags, t)
		}
	}
	what := "one image"
	if tag != "" {
		what = tag
	}
	return dockerImage{}, notFound(what, tags)
}

func dockerByDigest(f files, images []dockerImage, h v1.Hash) (*Source, error) {
	for _, d := range images {
		s, err := loadDocker(f, d)
		if err != nil {
			return nil, err
		}
		if s.Descriptor.Digest == h {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%w: nothing has the digest %s", ErrNotFound, h)
}

// loadDocker makes the image's manifest.
func loadDocker(f files, d dockerImage) (*Source, error) {
	config, err := readFile(f, d.Config, maxConfig)
	if err != nil {
		return nil, missing(err)
	}
	cf, err := v1.ParseConfigFile(bytes.NewReader(config))
	if err != nil {
		return nil, fmt.Errorf("parsing config: %w", err)
	}
	if len(d.Layers) != len(cf.RootFS.DiffIDs) {
		return nil, fmt.Errorf("%w: %d layers, and %d diffIDs in the config", layers.ErrMismatch, len(d.Layers), len(cf.RootFS.DiffIDs))
	}
	h, size, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, err
	}
	s := &dockerStore{files: f, names: map[v1.Hash]string{h: d.Config}}
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: h, Size: size},
		Layers: []v1.Descriptor{},
	}
	for i, name := range d.Layers {
		l, err := s.addLayer(name, cf.RootFS.DiffIDs[i])
		if err != nil {
			return nil, fmt.Errorf("reading layer %d: %w", i, missing(err))
		}
		m.Layers = append(m.Layers, l)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	img, err := parseImage(s, m.MediaType, raw)
	if err != nil {
		return nil, err
	}
	desc, err := describe(img)
	return &Source{Image: img, Descriptor: desc}, err
}

func missing(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %q is missing", ErrFormat, pe.Path)
	}
	return err
}

// dockerStore finds an archive's files by the digests that they have.
type dockerStore struct {
	files
	names map[v1.Hash]string
}

func (s *dockerStore) openBlob(h v1.Hash) (io.ReadCloser, int64, error) {
	name, ok := s.names[h]
	if !ok {
		return nil, 0, &fs.PathError{Op: "open", Path: h.String(), Err: fs.ErrNotExist}
	}
	return s.open(name)
}

// addLayer finds a layer's digest: a tar's is its diffID, which is checked
// when it is read; a blob's is its name, likewise; for other compressed ones
// it takes a reading.
func (s *dockerStore) addLayer(name string, diffID v1.Hash) (v1.Descriptor, error) {
	f, size, err := s.open(name)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer f.Close()
	head := make([]byte, 4)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: types.OCIUncompressedLayer, Size: size, Digest: diffID}
	if c := compressionOf(head[:n]); c != layers.Uncompressed {
		d.MediaType = map[layers.Compression]types.MediaType{layers.Gzip: types.OCILayer, layers.Zstd: types.OCILayerZStd}[c]
		if d.Digest, err = compressedDigest(name, io.MultiReader(bytes.NewReader(head[:n]), f)); err != nil {
			return d, err
		}
	}
	s.names[d.Digest] = name
	return d, nil
}

func compressedDigest(name string, r io.Reader) (v1.Hash, error) {
	if dir, hex := path.Split(archiveName(name)); dir == blobsDir+"/sha256/" {
		return v1.NewHash("sha256:" + hex)
	}
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return v1.Hash{}, err
	}
	return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", h.Sum(nil))}, nil
}

// dockerTags are all names in an archive, sorted.
func dockerTags(images []dockerImage) []string {
	var tags []string
	for _, d := range images {
		for _, t := range d.RepoTags {
			if n, err := dockerName(t); err == nil {
				t = n
			}
			tags = append(tags, strings.TrimSpace(t))
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}
