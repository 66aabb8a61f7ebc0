package reference

import (
	"context"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
)

// Artifact is something that refers to an image: a signature, an SBOM.
type Artifact struct {
	Digest string `json:"digest"`
	Type   string `json:"type,omitempty"`
}

// ListReferrers lists what refers to the manifest subject where r leads, by
// digest. Nothing of it is fetched from a registry.
func ListReferrers(ctx context.Context, r Ref, subject v1.Hash, o Options) ([]Artifact, error) {
	switch r.Kind {
	case Registry:
		ref, err := o.Registry.Parse(r.Name)
		if err != nil {
			return nil, err
		}
		list, err := o.Registry.Referrers(ctx, ref.Context().Digest(subject.String()))
		if err != nil {
			return nil, err
		}
		var out []Artifact
		for _, d := range list.List {
			out = append(out, Artifact{d.Digest.String(), d.ArtifactType})
		}
		return out, nil
	case OCI:
		root, err := os.OpenRoot(r.Path)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		return listLayoutReferrers(directory{root}, subject)
	}
	return nil, nil
}

func listLayoutReferrers(f files, subject v1.Hash) ([]Artifact, error) {
	raw, err := readFile(f, indexFile, maxManifest)
	if err != nil {
		return nil, err
	}
	idx, err := parseIndex(layoutBlobs{f}, "", raw)
	if err != nil {
		return nil, err
	}
	if n := len(idx.manifest.Manifests); n > maxReferrers {
		return nil, fmt.Errorf("%w: %d manifests, at most %d", layers.ErrLimit, n, maxReferrers)
	}
	var out []Artifact
	for _, d := range idx.manifest.Manifests {
		if d.MediaType.IsIndex() {
			continue
		}
		raw, err := readBlob(layoutBlobs{f}, d, maxManifest)
		if err != nil {
			continue // of which others complain
		}
		if m := refersTo(raw); m.Subject.Digest == subject {
			out = append(out, Artifact{d.Digest.String(), m.ArtifactType})
		}
	}
	return out, nil
}
