package registry

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pare-image/pare/layers"
)

// Source is what a reference names: an image or an index, the other is nil.
type Source struct {
	Image      v1.Image
	Index      v1.ImageIndex
	Descriptor v1.Descriptor
}

// Get fetches the manifest that ref names. Configs and layers are fetched
// when they are asked for; ctx holds for them too.
func (c *Client) Get(ctx context.Context, ref name.Reference) (*Source, error) {
	rt, err := c.connect(ctx, ref.Context(), transport.PullScope)
	if err != nil {
		return nil, explainFor(ref.Context().RegistryStr(), err)
	}
	d, err := remote.Get(ref, remote.WithContext(ctx), remote.WithTransport(rt))
	if err != nil {
		return nil, explainFor(ref.Context().RegistryStr(), err)
	}
	s := &Source{Descriptor: d.Descriptor}
	if d.MediaType.IsIndex() {
		idx, err := d.ImageIndex()
		if err != nil {
			return nil, err
		}
		s.Index = explainedIndex{idx}
		return s, nil
	}
	if err := layers.CheckManifest(d.Manifest); err != nil {
		return nil, err
	}
	img, err := d.Image()
	if err != nil {
		return nil, err
	}
	s.Image = explained{img}
	return s, nil
}

// connect asks the registry for its challenge and answers it. What comes back
// is the type by which remote knows that this is done.
func (c *Client) connect(ctx context.Context, repo name.Repository, scope string) (http.RoundTripper, error) {
	auth, err := authn.Resolve(ctx, c.opts.Keychain, repo)
	if err != nil {
		return nil, fmt.Errorf("reading credentials for %s: %w", repo.RegistryStr(), err)
	}
	res := &resume{timing: c.timing, next: &keep{documents: c.documents, next: &whole{timing: c.timing, next: c.sending()}}}
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, res, []string{repo.Scope(scope)})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", repo.RegistryStr(), err)
	}
	res.client = &http.Client{Transport: rt, CheckRedirect: safeRedirect}
	return rt, nil
}

// sending is the part of the chain that pulls and pushes share.
func (c *Client) sending() http.RoundTripper {
	var rt http.RoundTripper = &rewind{next: &reauth{next: c.base}}
	if c.opts.UserAgent != "" {
		rt = transport.NewUserAgent(rt, c.opts.UserAgent)
	}
	return rt
}
