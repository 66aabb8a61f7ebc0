package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"
)

// smallBlob is what is sent at once: configs, and layers of a few files.
const smallBlob = 4 << 20

// errElsewhere says that a blob is not in the registry after all, so that all
// is to be pushed in the ordinary way.
var errElsewhere = errors.New("not all blobs are in the registry")

// onlyHere says whether most layers are in the registry of repo already: in
// repo, or in others that they can be mounted from.
func onlyHere(repo name.Repository, images []v1.Image) bool {
	here := false
	for _, img := range images {
		ls, err := img.Layers()
		if err != nil {
			return false
		}
		for _, l := range ls {
			if _, ok := mountable(repo, l); ok {
				here = true
			} else if n, err := l.Size(); err != nil || n > smallBlob {
				return false
			}
		}
	}
	return here
}

// mountable is the repository of repo's registry that a layer is of.
func mountable(repo name.Repository, l v1.Layer) (name.Repository, bool) {
	m, ok := l.(*remote.MountableLayer)
	if !ok || m.Reference.Context().RegistryStr() != repo.RegistryStr() {
		return name.Repository{}, false
	}
	return m.Reference.Context(), true
}

// whereIs is the repository of repo's registry that has a layer: repo itself,
// if this client has put it there.
func (c *Client) whereIs(repo name.Repository, d v1.Hash, l v1.Layer) (name.Repository, bool) {
	from, ok := mountable(repo, l)
	if have, known := c.placed.near(d, repo); known && (!ok || have == repo) {
		return have, true
	}
	return from, ok
}

// rearrange writes images whose layers the registry has, with as few requests
// as can be: layers of the repository itself are left alone, others are
// mounted, and what is new is small. The error is errElsewhere when the
// registry wants more.
func (c *Client) rearrange(ctx context.Context, ref name.Reference, images []v1.Image, idx v1.ImageIndex) error {
	repo := ref.Context()
	r, err := c.rearranging(ctx, repo, images)
	if err != nil {
		return err
	}
	if err := c.placeAll(ctx, r, images); err != nil {
		return err
	}
	if idx == nil {
		return r.putManifest(ctx, ref.Identifier(), images[0])
	}
	for _, img := range images {
		d, err := img.Digest()
		if err != nil {
			return err
		}
		if err := r.putManifest(ctx, d.String(), img); err != nil {
			return err
		}
	}
	return r.putManifest(ctx, ref.Identifier(), idx)
}

// rearranging is a connection that may write to repo and read those that
// layers are mounted from.
func (c *Client) rearranging(ctx context.Context, repo name.Repository, images []v1.Image) (*repository, error) {
	scopes := []string{repo.Scope(transport.PushScope)}
	for _, img := range images {
		ls, err := img.Layers()
		if err != nil {
			return nil, err
		}
		for _, l := range ls {
			d, err := l.Digest()
			if err != nil {
				return nil, err
			}
			if from, ok := c.whereIs(repo, d, l); ok && from != repo && !slices.Contains(scopes, from.Scope(transport.PullScope)) {
				scopes = append(scopes, from.Scope(transport.PullScope))
			}
		}
	}
	auth, err := authn.Resolve(ctx, c.opts.Keychain, repo)
	if err != nil {
		return nil, fmt.Errorf("reading credentials for %s: %w", repo.RegistryStr(), err)
	}
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, c.sending(), scopes)
	if err != nil {
		return nil, explainFor(repo.RegistryStr(), err)
	}
	return &repository{timing: c.timing, http: &http.Client{Transport: rt, CheckRedirect: safeRedirect}, name: repo, twoStep: &c.twoStep}, nil
}

// placeAll makes every layer and config a blob of the repository, each once.
func (c *Client) placeAll(ctx context.Context, r *repository, images []v1.Image) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	seen := map[v1.Hash]bool{}
	for _, img := range images {
		ls, err := img.Layers()
		if err != nil {
			return err
		}
		config, err := partial.ConfigLayer(img)
		if err != nil {
			return err
		}
		for _, l := range append(ls, config) {
			d, err := l.Digest()
			if err != nil {
				return err
			}
			if seen[d] {
				continue
			}
			seen[d] = true
			g.Go(func() error {
				if err := c.place(gctx, r, d, l); err != nil {
					return fmt.Errorf("blob %s: %w", d, explainFor(r.name.RegistryStr(), err))
				}
				return nil
			})
		}
	}
	return g.Wait()
}

func (c *Client) place(ctx context.Context, r *repository, d v1.Hash, l v1.Layer) error {
	from, ok := c.whereIs(r.name, d, l)
	if ok && from == r.name {
		return nil
	}
	err := errElsewhere
	if ok {
		err = r.mount(ctx, d, from)
	}
	if _, own := mountable(r.name, l); !own && errors.Is(err, errElsewhere) {
		err = r.send(ctx, d, l)
	}
	if err == nil {
		c.placed.add(d, r.name)
	}
	return err
}

// send uploads a small blob.
func (r *repository) send(ctx context.Context, d v1.Hash, l v1.Layer) error {
	rc, err := l.Compressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	b, err := io.ReadAll(io.LimitReader(rc, smallBlob+1))
	if err != nil {
		return err
	}
	if len(b) > smallBlob {
		return errElsewhere
	}
	return r.again(ctx, func() error { return r.upload(ctx, d, b) })
}

// again begins anew where that may help.
func (r *repository) again(ctx context.Context, do func() error) error {
	for n := 0; ; n++ {
		err := do()
		if !pushAgain(err) || n == r.timing.retries {
			return err
		}
		if err := r.timing.sleep(ctx, r.timing.delay(n, nil)); err != nil {
			return err
		}
	}
}

// mount makes a blob of another repository one of this ("Mounting a blob from
// another repository"). A registry that will not begins an upload instead, or
// refuses; whether writing is refused altogether shows when the blob is sent.
func (r *repository) mount(ctx context.Context, d v1.Hash, from name.Repository) error {
	at := r.url("blobs", "uploads/")
	at.RawQuery = url.Values{"mount": {d.String()}, "from": {from.RepositoryStr()}}.Encode()
	return r.again(ctx, func() error {
		resp, err := r.ask(ctx, http.MethodPost, at, nil, http.StatusCreated, http.StatusAccepted)
		if err == nil && resp.StatusCode == http.StatusAccepted || unknownRequest(err) || forbidden(err) {
			err = errElsewhere
		}
		return err
	})
}

// forbidden says that a registry refused a request for who asks.
func forbidden(err error) bool {
	var status *transport.Error
	return errors.As(err, &status) && (status.StatusCode == http.StatusForbidden || status.StatusCode == http.StatusUnauthorized)
}

// upload sends a blob in one piece: in one request where the registry can
// ("Single POST"), else in two ("POST then PUT").
func (r *repository) upload(ctx context.Context, d v1.Hash, b []byte) error {
	begin := r.url("blobs", "uploads/")
	resp, err := r.begin(ctx, begin, d, b)
	if err != nil || resp.StatusCode == http.StatusCreated {
		return err
	}
	at, err := begin.Parse(resp.Header.Get("Location"))
	if err != nil {
		return fmt.Errorf("where to upload: %w", err)
	}
	q := at.Query()
	q.Set("digest", d.String())
	at.RawQuery = q.Encode()
	_, err = r.ask(ctx, http.MethodPut, at, b, http.StatusCreated)
	return err
}

// maxSinglePost bounds what is sent to registries of which it is not known that
// they take it: those built on distribution leave it unread, and up to here Go's
// server reads on, so that its answer is heard.
const maxSinglePost = 128 << 10

// begin sends a blob in one request, or begins its upload in two; the answer's
// status tells which (201, 202).
func (r *repository) begin(ctx context.Context, at *url.URL, d v1.Hash, b []byte) (*http.Response, error) {
	if host := r.name.RegistryStr(); len(b) <= maxSinglePost && !r.twoStep.has(host) {
		single := *at
		single.RawQuery = url.Values{"digest": {d.String()}}.Encode()
		resp, err := r.ask(ctx, http.MethodPost, &single, b, http.StatusCreated, http.StatusAccepted)
		if err == nil && resp.StatusCode == http.StatusCreated {
			return resp, nil
		}
		if err != nil && !unknownRequest(err) {
			return nil, err
		}
		if r.twoStep.add(host); err == nil {
			return resp, nil
		}
	}
	return r.ask(ctx, http.MethodPost, at, nil, http.StatusAccepted)
}

// unknownRequest says that a registry, or a proxy before it, refused a request
// for what it is; not for who asks, or when.
func unknownRequest(err error) bool {
	var status *transport.Error
	if !errors.As(err, &status) {
		return false
	}
	switch status.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusLengthRequired, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		return true
	}
	return false
}

// ask sends a request and reads the answer, whose headers it returns.
func (r *repository) ask(ctx context.Context, method string, at *url.URL, body []byte, accept ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := transport.CheckError(resp, accept...); err != nil {
		return nil, err
	}
	io.CopyN(io.Discard, resp.Body, 64<<10)
	return resp, nil
}

func (r *repository) putManifest(ctx context.Context, id string, m remote.Taggable) error {
	raw, err := m.RawManifest()
	if err != nil {
		return err
	}
	d, err := partial.Descriptor(m.(partial.Describable))
	if err != nil {
		return err
	}
	_, err = r.put(ctx, id, d.MediaType, raw, nil)
	var status *StatusError
	if errors.As(err, &status) && (status.Status == http.StatusBadRequest || status.Status == http.StatusNotFound) {
		return fmt.Errorf("%w: %w", errElsewhere, err)
	}
	return err
}
