package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// repository is a connection to one repository, for requests that remote has
// no function for.
type repository struct {
	timing timing
	http   *http.Client
	name   name.Repository
	// twoStep are the registries that take no blob in one request.
	twoStep *hostSet
}

func (c *Client) repository(ctx context.Context, repo name.Repository, scope string) (*repository, error) {
	rt, err := c.connect(ctx, repo, scope)
	if err != nil {
		return nil, explainFor(repo.RegistryStr(), err)
	}
	return &repository{timing: c.timing, http: &http.Client{Transport: rt, CheckRedirect: safeRedirect}, name: repo}, nil
}

// url is that of the repository's KIND ("manifests", "referrers") called id.
func (r *repository) url(kind, id string) *url.URL {
	return &url.URL{Scheme: r.name.Scheme(), Host: r.name.RegistryStr(), Path: fmt.Sprintf("/v2/%s/%s/%s", r.name.RepositoryStr(), kind, id)}
}

// get sends a request without a body. Answers of other codes than accept are
// StatusErrors; the body of one that is returned is to be closed.
func (r *repository) get(ctx context.Context, method string, at *url.URL, media []types.MediaType, accept ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return nil, err
	}
	for _, m := range media {
		req.Header.Add("Accept", string(m))
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, explainFor(r.name.RegistryStr(), err)
	}
	if err := transport.CheckError(resp, accept...); err != nil {
		resp.Body.Close()
		return nil, explainFor(r.name.RegistryStr(), err)
	}
	return resp, nil
}

// put writes a manifest under a tag or digest and returns the answer's
// headers. It begins anew where that may help: the same bytes under the same
// name are the same whoever wrote them.
func (r *repository) put(ctx context.Context, id string, media types.MediaType, raw []byte, header http.Header) (http.Header, error) {
	for n := 0; ; n++ {
		h, err := r.putOnce(ctx, id, media, raw, header)
		if !pushAgain(err) || n == r.timing.retries {
			return h, explainFor(r.name.RegistryStr(), err)
		}
		if err := r.timing.sleep(ctx, r.timing.delay(n, nil)); err != nil {
			return nil, err
		}
	}
}

func (r *repository) putOnce(ctx context.Context, id string, media types.MediaType, raw []byte, header http.Header) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, r.url("manifests", id).String(), bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Content-Type", string(media))
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := transport.CheckError(resp, http.StatusOK, http.StatusCreated, http.StatusAccepted); err != nil {
		return nil, err
	}
	io.CopyN(io.Discard, resp.Body, 64<<10)
	return resp.Header, nil
}
