package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What a caller tells apart.
var (
	// ErrUnlisted says that a registry took an artifact, and does not list it.
	ErrUnlisted = errors.New("the registry has the artifact but does not list it among the referrers")
	// ErrContended says that others kept writing the same list of referrers.
	ErrContended = errors.New("the list of referrers is being written by others")
)

// Attach pushes artifacts, all with the subject given, to repo, and returns
// when they are listed among its referrers: blobs first, then each manifest by
// its digest, then, where the registry keeps no list, the tag that holds it.
// What is there already is not written again.
func (c *Client) Attach(ctx context.Context, repo name.Repository, subject v1.Hash, artifacts []v1.Image) error {
	p, err := c.pusher(ctx, repo)
	if err != nil {
		return err
	}
	for _, a := range artifacts {
		if err := pushBlobs(ctx, p, repo, a, true); err != nil {
			return fmt.Errorf("pushing to %s: %w", repo, err)
		}
	}
	r, err := c.repository(ctx, repo, transport.PushScope)
	if err != nil {
		return err
	}
	var open []v1.Descriptor // those of which the registry did not say that it lists them
	for _, a := range artifacts {
		d, kept, err := r.putArtifact(ctx, subject, a)
		if err != nil {
			return fmt.Errorf("pushing to %s: %w", repo, err)
		}
		if !kept {
			open = append(open, d)
		}
	}
	if len(open) == 0 {
		return nil
	}
	if err := r.enlist(ctx, subject, open); err != nil {
		return fmt.Errorf("listing what refers to %s@%s: %w", repo, subject, err)
	}
	return nil
}

// putArtifact writes a manifest. kept says that the registry itself lists it:
// it then answers with the subject ("Pushing Manifests with Subject").
func (r *repository) putArtifact(ctx context.Context, subject v1.Hash, a v1.Image) (d v1.Descriptor, kept bool, err error) {
	raw, err := a.RawManifest()
	if err != nil {
		return d, false, err
	}
	m := struct {
		MediaType    types.MediaType   `json:"mediaType"`
		ArtifactType string            `json:"artifactType"`
		Annotations  map[string]string `json:"annotations"`
	}{}
	if err := json.Unmarshal(raw, &m); err != nil {
		return d, false, err
	}
	h, err := a.Digest()
	if err != nil {
		return d, false, err
	}
	answer, err := r.put(ctx, h.String(), m.MediaType, raw, nil)
	if err != nil {
		return d, false, err
	}
	// What a list says of a referrer ("Listing Referrers").
	d = v1.Descriptor{MediaType: m.MediaType, Digest: h, Size: int64(len(raw)), ArtifactType: m.ArtifactType, Annotations: m.Annotations}
	return d, answer.Get("OCI-Subject") == subject.String(), nil
}

// enlist sees to it that artifacts which are there are listed. A registry
// with the API, but without the header, is given time to do it.
func (r *repository) enlist(ctx context.Context, subject v1.Hash, add []v1.Descriptor) error {
	for n := 0; ; n++ {
		list, err := r.listed(ctx, subject)
		if errors.Is(err, errNoReferrersAPI) {
			return r.addToTag(ctx, subject, add)
		}
		if err != nil {
			return err
		}
		if len(missing(list, add)) == 0 {
			return nil
		}
		if n == r.timing.retries {
			return fmt.Errorf("%w: %s", ErrUnlisted, missing(list, add)[0].Digest)
		}
		if err := r.timing.sleep(ctx, r.timing.delay(n, nil)); err != nil {
			return err
		}
	}
}

// missing are those of want that list does not have.
func missing(list, want []v1.Descriptor) []v1.Descriptor {
	return slices.DeleteFunc(slices.Clone(want), func(w v1.Descriptor) bool {
		return slices.ContainsFunc(list, func(d v1.Descriptor) bool { return d.Digest == w.Digest })
	})
}
