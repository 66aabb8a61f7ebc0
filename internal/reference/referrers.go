package reference

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/registry"
	"github.com/pare-image/pare/layers"
)

// emptyConfig is what the config of an artifact is; some registries take it
// for the artifact's type.
const emptyConfig = "application/vnd.oci.empty.v1+json"

// maxReferrers bounds how many manifests are fetched to see what they are.
const maxReferrers = 1000

// HoldsReferrers says whether such a place can hold artifacts that refer to
// an image.
func (r Ref) HoldsReferrers() bool {
	return r.Kind == Registry || r.Kind == OCI || r.Kind == OCIArchive
}

// CheckAttach says whether artifacts can be added where r leads: the error is
// an ErrDestination, an ErrFormat, or of the file system.
func CheckAttach(r Ref) error {
	switch r.Kind {
	case Registry:
		return nil
	case OCI:
		return checkLayout(r.Path)
	case OCIArchive:
		return fmt.Errorf("%w: nothing is added to an archive; copy the image to an OCI layout (oci:DIR:TAG) or a registry", ErrDestination)
	}
	return fmt.Errorf("%w: %s has no place for what refers to an image; copy the image to an OCI layout (oci:DIR:TAG) or a registry", ErrDestination, r.Kind)
}

// Attach stores artifacts about the manifest subject beside the image that r
// names, and returns their references by digest. One that is there already
// stays, once.
func Attach(ctx context.Context, r Ref, subject v1.Hash, artifacts []v1.Image, o Options) ([]Ref, error) {
	out, err := attach(ctx, r, subject, artifacts, o)
	if err != nil {
		return nil, fmt.Errorf("attaching to %s: %w", r, err)
	}
	return out, nil
}

func attach(ctx context.Context, r Ref, subject v1.Hash, artifacts []v1.Image, o Options) ([]Ref, error) {
	if err := CheckAttach(r); err != nil {
		return nil, err
	}
	if r.Kind == OCI {
		return attachToLayout(ctx, r, artifacts)
	}
	ref, err := o.Registry.Parse(r.Name)
	if err != nil {
		return nil, err
	}
	if err := o.Registry.Attach(ctx, ref.Context(), subject, artifacts); err != nil {
		return nil, err
	}
	var out []Ref
	for _, a := range artifacts {
		h, err := a.Digest()
		if err != nil {
			return nil, err
		}
		out = append(out, Ref{Kind: Registry, Name: ref.Context().Digest(h.String()).String()})
	}
	return out, nil
}

// attachToLayout adds entries without a tag to the layout's index, as other
// tools do.
func attachToLayout(ctx context.Context, r Ref, artifacts []v1.Image) ([]Ref, error) {
	abs, err := filepath.Abs(r.Path)
	if err != nil {
		return nil, err
	}
	var out []Ref
	for _, a := range artifacts {
		c, err := contentOf(a, nil)
		if err != nil {
			return nil, err
		}
		raw, err := a.RawManifest()
		if err != nil {
			return nil, err
		}
		c.top.ArtifactType = refersTo(raw).ArtifactType
		if err := addToLayout(ctx, abs, "", c); err != nil {
			return nil, err
		}
		out = append(out, Ref{Kind: OCI, Path: abs, Digest: c.top.Digest})
	}
	return out, nil
}

// Referrer is a manifest that refers to an image.
type Referrer struct {
	Ref   Ref // by digest
	Image v1.Image
}

// Referrers calls each for every artifact of one artifactType whose subject
// is the manifest of that digest, where r leads; in the order of their
// digests. gone are those which are listed but no longer there. What each is
// given can be read until it returns.
func Referrers(ctx context.Context, r Ref, subject v1.Hash, artifactType string, o Options, each func(Referrer) error) (gone []v1.Hash, err error) {
	switch {
	case !r.HoldsReferrers():
		return nil, nil
	case r.Kind == Registry:
		return registryReferrers(ctx, r, subject, artifactType, o, each)
	case r.Kind == OCIArchive:
		s, err := openArchive(ctx, r, o, func(f files, _ Ref) (*Source, error) {
			gone, err = layoutReferrers(f, r, subject, artifactType, each)
			return &Source{}, err
		})
		if err != nil {
			return nil, err
		}
		return gone, s.Close()
	}
	root, err := os.OpenRoot(r.Path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return layoutReferrers(directory{root}, r, subject, artifactType, each)
}

func registryReferrers(ctx context.Context, r Ref, subject v1.Hash, artifactType string, o Options, each func(Referrer) error) ([]v1.Hash, error) {
	ref, err := o.Registry.Parse(r.Name)
	if err != nil {
		return nil, err
	}
	repo := ref.Context()
	list, err := o.Registry.Referrers(ctx, repo.Digest(subject.String()))
	if err != nil {
		return nil, err
	}
	return readOfType(list.List, artifactType, func(d v1.Descriptor) error {
		at := repo.Digest(d.Digest.String()).String()
		img, err := list.Fetch(ctx, d.Digest)
		var se *registry.StatusError
		if errors.As(err, &se) && se.Status == 404 {
			return errGone
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", at, err)
		}
		return callEach(Ref{Kind: Registry, Name: at}, img, subject, artifactType, each)
	})
}

// errGone says that a manifest is listed but not there.
var errGone = errors.New("listed but not there")

// layoutReferrers finds what a layout's index holds, whatever it is tagged.
func layoutReferrers(f files, r Ref, subject v1.Hash, artifactType string, each func(Referrer) error) ([]v1.Hash, error) {
	raw, err := readFile(f, indexFile, maxManifest)
	if err != nil {
		return nil, err
	}
	idx, err := parseIndex(layoutBlobs{f}, "", raw)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(slices.Clone(idx.manifest.Manifests), func(d v1.Descriptor) bool { return d.MediaType.IsIndex() })
	slices.SortStableFunc(list, func(a, b v1.Descriptor) int { return cmp.Compare(a.Digest.String(), b.Digest.String()) })
	list = slices.CompactFunc(list, func(a, b v1.Descriptor) bool { return a.Digest == b.Digest })
	return readOfType(list, artifactType, func(d v1.Descriptor) error {
		img, err := layoutArtifact(layoutBlobs{f}, d)
		if err != nil && d.ArtifactType == artifactType {
			return fmt.Errorf("reading %s: %w", d.Digest, err)
		}
		if err != nil {
			return nil // something else, of which others complain
		}
		return callEach(Ref{Kind: r.Kind, Path: r.Path, Digest: d.Digest}, img, subject, artifactType, each)
	})
}

func layoutArtifact(s blobs, d v1.Descriptor) (v1.Image, error) {
	raw, err := readBlob(s, d, maxManifest)
	if err != nil {
		return nil, err
	}
	return storedArtifact(s, d.MediaType, raw)
}

// readOfType calls read for what may be of the type: what says so, and what does
// not say.
func readOfType(list []v1.Descriptor, artifactType string, read func(v1.Descriptor) error) (gone []v1.Hash, err error) {
	list = slices.DeleteFunc(list, func(d v1.Descriptor) bool {
		return !slices.Contains([]string{artifactType, "", emptyConfig}, d.ArtifactType)
	})
	if len(list) > maxReferrers {
		return nil, fmt.Errorf("%w: %d artifacts refer to the image, at most %d", layers.ErrLimit, len(list), maxReferrers)
	}
	for _, d := range list {
		err := read(d)
		if errors.Is(err, errGone) {
			gone = append(gone, d.Digest)
		} else if err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// callEach passes on what is of the type and about the subject.
func callEach(at Ref, img v1.Image, subject v1.Hash, artifactType string, each func(Referrer) error) error {
	raw, err := img.RawManifest()
	if err != nil {
		return err
	}
	if m := refersTo(raw); m.ArtifactType != artifactType || m.Subject.Digest != subject {
		return nil
	}
	return each(Referrer{Ref: at, Image: img})
}

// artifactManifest is the part of a manifest that makes it an artifact.
type artifactManifest struct {
	ArtifactType string `json:"artifactType"`
	Subject      struct {
		Digest v1.Hash `json:"digest"`
	} `json:"subject"`
}

// refersTo reads that part; it is empty when the manifest cannot be read.
func refersTo(raw []byte) artifactManifest {
	var m artifactManifest
	if json.Unmarshal(raw, &m) != nil {
		return artifactManifest{}
	}
	return m
}
