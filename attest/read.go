package attest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
)

// ErrInvalid says that an artifact is not what its type promises: of another
// form, damaged, or about another image.
var ErrInvalid = errors.New("invalid artifact")

// Bounds of an artifact's manifest; ours has a few hundred bytes.
const maxManifest = 4 << 20

// TypeOf is the artifactType of a manifest; "" when it has none or cannot be
// read.
func TypeOf(raw []byte) string {
	m, err := parse(raw)
	if err != nil {
		return ""
	}
	return m.ArtifactType
}

func parse(raw []byte) (*v1.Manifest, error) {
	if len(raw) > maxManifest {
		return nil, fmt.Errorf("%w: a manifest of %d bytes, at most %d", ErrInvalid, len(raw), maxManifest)
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%w: parsing its manifest: %v", ErrInvalid, err)
	}
	return &m, nil
}

// ReadProfile reads the profile that an artifact attaches to the image of,
// and trusts nothing: form, media types, sizes and digests are checked, and
// what is read is bounded before it is. The error is an ErrInvalid, a
// slim.ErrProfileImage or slim.ErrEmptyProfile where the profile says that it
// is not of this image, or that of the store.
func ReadProfile(a v1.Image, of slim.Identity) (*profile.Profile, error) {
	raw, err := a.RawManifest()
	if err != nil {
		return nil, err
	}
	m, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if err := checkManifest(m, of.Digest); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalid, err)
	}
	b, err := readLayer(a, m.Layers[0])
	if err != nil {
		return nil, err
	}
	p, err := profile.Read(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := checkImage(p, of); err != nil {
		return nil, err
	}
	return p, nil
}

// checkManifest holds the form that Profile makes. URLs would have a client
// fetch from a host of somebody's choice.
func checkManifest(m *v1.Manifest, subject v1.Hash) error {
	switch {
	case m.SchemaVersion != 2 || m.MediaType != types.OCIManifestSchema1:
		return fmt.Errorf("a manifest of type %s, want %s", strconv.Quote(string(m.MediaType)), types.OCIManifestSchema1)
	case m.ArtifactType != ProfileType:
		return fmt.Errorf("of type %s, want %s", strconv.Quote(m.ArtifactType), ProfileType)
	case m.Subject == nil || m.Subject.Digest != subject:
		return fmt.Errorf("its subject is not %s", subject)
	case m.Config.MediaType != emptyType || m.Config.Size != int64(len(emptyJSON)):
		return fmt.Errorf("a config of type %s and %d bytes, want the empty one", strconv.Quote(string(m.Config.MediaType)), m.Config.Size)
	case len(m.Layers) != 1:
		return fmt.Errorf("%d layers, want the profile and nothing else", len(m.Layers))
	}
	switch l := m.Layers[0]; {
	case l.MediaType != profile.MediaType:
		return fmt.Errorf("a layer of type %s, want %s", strconv.Quote(string(l.MediaType)), profile.MediaType)
	case l.Size <= 0 || l.Size > maxProfile:
		return fmt.Errorf("a profile of %d bytes, at most %d", l.Size, maxProfile)
	case l.URLs != nil || l.Data != nil:
		return errors.New("a profile that lies elsewhere than in its blob")
	}
	return nil
}

// readLayer reads a blob of exactly the size and digest that d promises.
func readLayer(a v1.Image, d v1.Descriptor) ([]byte, error) {
	l, err := a.LayerByDigest(d.Digest)
	if err != nil {
		return nil, err
	}
	rc, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	// A size is a promise: memory is taken as bytes come.
	b, err := io.ReadAll(io.LimitReader(rc, d.Size+1))
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", d.Digest, err)
	}
	got, n, err := v1.SHA256(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if got != d.Digest || n != d.Size {
		return nil, fmt.Errorf("%w: blob %s holds other bytes than it promises", ErrInvalid, d.Digest)
	}
	return b, nil
}
