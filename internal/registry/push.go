package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"
)

const uploads = 4 // at a time

// Push writes images, and idx over them when it is not nil, under ref. Blobs
// go first, the manifest that ref names last: the tag moves when all is there.
// Layers that the registry has are not sent, nor looked for.
func (c *Client) Push(ctx context.Context, ref name.Reference, images []v1.Image, idx v1.ImageIndex) error {
	mounts := true
	if onlyHere(ref.Context(), images) {
		err := c.rearrange(ctx, ref, images, idx)
		if err == nil || !errors.Is(err, errElsewhere) {
			if err != nil {
				err = fmt.Errorf("pushing to %s: %w", ref.Context(), explainFor(ref.Context().RegistryStr(), err))
			}
			return err
		}
		mounts = false // what could be mounted was
	}
	p, err := c.pusher(ctx, ref.Context())
	if err != nil {
		return err
	}
	for _, img := range images {
		if err := pushBlobs(ctx, p, ref.Context(), img, mounts); err != nil {
			return fmt.Errorf("pushing to %s: %w", ref.Context(), err)
		}
	}
	var top remote.Taggable = idx
	if idx == nil {
		top = images[0]
	}
	if err := p.Push(ctx, ref, top); err != nil {
		return fmt.Errorf("pushing to %s: %w", ref.Context(), explainFor(ref.Context().RegistryStr(), err))
	}
	return nil
}

func (c *Client) pusher(ctx context.Context, repo name.Repository) (*remote.Pusher, error) {
	auth, err := authn.Resolve(ctx, c.opts.Keychain, repo)
	if err != nil {
		return nil, fmt.Errorf("reading credentials for %s: %w", repo.RegistryStr(), err)
	}
	return remote.NewPusher(
		remote.WithContext(ctx), remote.WithAuth(auth), remote.WithTransport(c.sending()), remote.WithJobs(uploads),
		remote.WithRetryBackoff(remote.Backoff{Duration: c.timing.backoff, Factor: 2, Steps: c.timing.retries + 1}),
		remote.WithRetryStatusCodes(), remote.WithRetryPredicate(pushAgain))
}

// pushBlobs uploads an image's layers and config, or mounts layers where it
// may; the errors name them.
func pushBlobs(ctx context.Context, p *remote.Pusher, repo name.Repository, img v1.Image, mounts bool) error {
	ls, err := img.Layers()
	if err != nil {
		return err
	}
	config, err := partial.ConfigLayer(img)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for _, l := range append(ls, config) {
		if m, ok := l.(*remote.MountableLayer); ok && !mounts {
			l = m.Layer
		}
		g.Go(func() error {
			d, err := l.Digest()
			if err != nil {
				return err
			}
			if err := p.Upload(gctx, repo, l); err != nil {
				return fmt.Errorf("blob %s: %w", d, explainFor(repo.RegistryStr(), err))
			}
			return nil
		})
	}
	return g.Wait()
}

// pushAgain says whether an upload may fare better when it is begun anew.
func pushAgain(err error) bool {
	var gaveUp *gaveUpError
	var status *transport.Error
	switch {
	case err == nil, errors.As(err, &gaveUp), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &status):
		return transientStatus(status.StatusCode) || lostUpload(status)
	}
	return transient(err) || errors.Is(err, io.ErrClosedPipe)
}

// lostUpload says that a registry forgot an upload, as when it is restarted,
// or got other bytes than were sent.
func lostUpload(e *transport.Error) bool {
	for _, d := range e.Errors {
		switch d.Code {
		case transport.BlobUploadUnknownErrorCode, transport.BlobUploadInvalidErrorCode, transport.DigestInvalidErrorCode:
			return e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusRequestedRangeNotSatisfiable
		}
	}
	return false
}
