package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/layers"
)

// Bounds on a list of referrers, over all its pages.
const (
	maxReferrers     = 10_000
	maxReferrerPages = 1_000
)

// errNoReferrersAPI says that a registry keeps no list of referrers; the
// clients then keep one, in a tag.
var errNoReferrersAPI = errors.New("no referrers API")

// errNoReferrersPath is the same of a registry that does not even know the
// path: it has none for any image. An error as the specification words them
// may only mean this one.
var errNoReferrersPath = fmt.Errorf("%w anywhere", errNoReferrersAPI)

// Referrers are the manifests that refer to an image, and the way to fetch
// them.
type Referrers struct {
	// List is sorted by digest. Descriptors are as the registry says, their
	// annotations left out. ArtifactType may be missing, or be the media type
	// of a config: some registries are wrong about it. That is also why no
	// registry is asked to filter.
	List []v1.Descriptor

	from *repository
}

// Referrers lists the manifests whose subject is d's digest: as the registry's
// referrers API has them, or where there is none as the tag "sha256-…" has
// them (distribution-spec, "Listing Referrers" and "Referrers Tag Schema"). A
// subject that is not there has none.
func (c *Client) Referrers(ctx context.Context, d name.Digest) (*Referrers, error) {
	subject, err := v1.NewHash(d.DigestStr())
	if err != nil {
		return nil, err
	}
	r, err := c.repository(ctx, d.Context(), transport.PullScope)
	if err != nil {
		return nil, err
	}
	host := d.Context().RegistryStr()
	var list []v1.Descriptor
	if err = errNoReferrersAPI; !c.silent.has(host) {
		list, err = r.listed(ctx, subject)
	}
	if errors.Is(err, errNoReferrersAPI) {
		if errors.Is(err, errNoReferrersPath) {
			c.silent.add(host)
		}
		var t *tagIndex
		if t, err = r.readTag(ctx, subject); err == nil {
			list = t.descriptors()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listing what refers to %s: %w", d, err)
	}
	return &Referrers{List: list, from: r}, nil
}

// Fetch reads a manifest of the list, verified; one that is gone is a
// StatusError of 404. Its blobs are fetched when they are asked for.
func (r *Referrers) Fetch(ctx context.Context, h v1.Hash) (v1.Image, error) {
	repo := r.from.name
	got, err := remote.Get(repo.Digest(h.String()), remote.WithContext(ctx), remote.WithTransport(r.from.http.Transport))
	if err != nil {
		return nil, explainFor(repo.RegistryStr(), err)
	}
	img, err := got.Image()
	if err != nil {
		return nil, err
	}
	return explained{img}, nil
}

// listed is the list of the referrers API, of all its pages.
func (r *repository) listed(ctx context.Context, subject v1.Hash) ([]v1.Descriptor, error) {
	var all []v1.Descriptor
	at := r.url("referrers", subject.String())
	for range maxReferrerPages {
		page, next, err := r.page(ctx, at)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); len(all) > maxReferrers {
			return nil, fmt.Errorf("%w: more than %d referrers", layers.ErrLimit, maxReferrers)
		}
		if next == nil {
			return inOrder(all), nil
		}
		at = next
	}
	return nil, fmt.Errorf("%w: a list of more than %d pages", layers.ErrLimit, maxReferrerPages)
}

// page fetches one page, and the address of the next; nil for the last.
func (r *repository) page(ctx context.Context, at *url.URL) ([]v1.Descriptor, *url.URL, error) {
	// The specification knows 404; the others are what registries of before
	// it, and proxies in front of them, answer to a path that they do not know.
	resp, err := r.get(ctx, http.MethodGet, at, []types.MediaType{types.OCIImageIndex}, http.StatusOK,
		http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode == http.StatusNotFound {
		if b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)); err == nil && !json.Valid(b) {
			return nil, nil, errNoReferrersPath
		}
	}
	if resp.StatusCode != http.StatusOK || types.MediaType(media) != types.OCIImageIndex {
		return nil, nil, errNoReferrersAPI
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	if err != nil {
		return nil, nil, err
	}
	if len(b) > maxManifest {
		return nil, nil, errTooLarge
	}
	var file struct {
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, nil, fmt.Errorf("parsing the list: %w", err)
	}
	next, err := nextPage(resp)
	return descriptors(file.Manifests), next, err
}

// nextPage reads a Link header (RFC 8288) to more of the list, which must be
// of the same registry: nobody else is asked with its credentials.
func nextPage(resp *http.Response) (*url.URL, error) {
	for link := range strings.SplitSeq(strings.Join(resp.Header.Values("Link"), ","), ",") {
		target, params, ok := strings.Cut(strings.TrimSpace(link), ">")
		if !ok || !strings.HasPrefix(target, "<") || !strings.Contains(strings.ReplaceAll(params, `"`, ""), "rel=next") {
			continue
		}
		from := firstRequest(resp.Request).URL
		u, err := from.Parse(target[1:])
		if err != nil {
			return nil, fmt.Errorf("the next page: %w", err)
		}
		if u.Host != from.Host {
			return nil, fmt.Errorf("the next page is at another registry, %s", u.Host)
		}
		u.Scheme = from.Scheme // behind a proxy, registries do not know theirs
		return u, nil
	}
	return nil, nil
}

// descriptors reads entries of a list, without those that name their manifest
// by a kind of digest that we do not know.
func descriptors(entries []json.RawMessage) []v1.Descriptor {
	var out []v1.Descriptor
	for _, e := range entries {
		var d v1.Descriptor
		if err := json.Unmarshal(e, &d); err == nil && d.Digest != (v1.Hash{}) {
			out = append(out, v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest, ArtifactType: d.ArtifactType})
		}
	}
	return out
}

// inOrder sorts by digest and leaves each once.
func inOrder(list []v1.Descriptor) []v1.Descriptor {
	slices.SortStableFunc(list, func(a, b v1.Descriptor) int { return cmp.Compare(a.Digest.String(), b.Digest.String()) })
	return slices.CompactFunc(list, func(a, b v1.Descriptor) bool { return a.Digest == b.Digest })
}
