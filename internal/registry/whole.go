package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
)

const (
	// maxManifest is what registries accept as a manifest; see also layers.CheckManifest.
	maxManifest = 4 << 20
	// maxWhole bounds blobs that are read at once: configs and small layers.
	maxWhole = 1 << 20
)

// whole reads manifests and small blobs to their end before anybody sees
// them, checks their digest, and asks again when they broke off or are not
// what was asked for.
type whole struct {
	timing timing
	next   http.RoundTripper
}

func (t *whole) RoundTrip(req *http.Request) (*http.Response, error) {
	o := objectOf(firstRequest(req))
	for n := 0; ; n++ {
		resp, err := t.next.RoundTrip(req)
		if err != nil || req.Method != http.MethodGet || resp.StatusCode != http.StatusOK || !o.small(resp) {
			return resp, err
		}
		err = readWhole(resp, o)
		if err == nil {
			return resp, nil
		}
		if req.Context().Err() != nil {
			return nil, req.Context().Err()
		}
		if n == t.timing.retries || err == errTooLarge {
			return nil, fmt.Errorf("reading %s from %s: %w", o, req.URL.Host, err)
		}
		if err := t.timing.sleep(req.Context(), t.timing.delay(n, nil)); err != nil {
			return nil, err
		}
	}
}

var errTooLarge = fmt.Errorf("%w: a manifest of more than %d bytes", layers.ErrLimit, maxManifest)

// readWhole replaces the answer's body by the bytes it holds.
func readWhole(resp *http.Response, o object) error {
	defer resp.Body.Close()
	if resp.ContentLength > maxManifest {
		return errTooLarge
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	if err != nil {
		return err
	}
	if len(b) > maxManifest {
		return errTooLarge
	}
	if o.digest.Algorithm == "sha256" {
		got, _, err := v1.SHA256(bytes.NewReader(b))
		if err == nil && got != o.digest {
			err = &layers.MismatchError{What: "digest", Want: o.digest.String(), Got: got.String()}
		}
		if err != nil {
			return err
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	resp.ContentLength = int64(len(b))
	return nil
}

// object is what a request of the distribution-spec is about.
type object struct {
	repository string
	kind       string // "manifests", "blobs"; "" for all else
	name       string // tag or digest
	digest     v1.Hash
}

// objectOf reads /v2/REPOSITORY/manifests/NAME and /v2/REPOSITORY/blobs/DIGEST.
func objectOf(req *http.Request) object {
	parts := strings.Split(req.URL.Path, "/")
	if n := len(parts); n >= 5 && parts[1] == "v2" && (parts[n-2] == "manifests" || parts[n-2] == "blobs") {
		o := object{repository: strings.Join(parts[2:n-2], "/"), kind: parts[n-2], name: parts[n-1]}
		if h, err := v1.NewHash(o.name); err == nil {
			o.digest = h
		}
		return o
	}
	return object{}
}

func (o object) String() string {
	switch {
	case o.kind == "":
		return "an answer"
	case o.digest != v1.Hash{}:
		return o.repository + "@" + o.name
	}
	return o.repository + ":" + o.name
}

func (o object) small(resp *http.Response) bool {
	return o.kind == "manifests" || o.kind == "blobs" && resp.ContentLength >= 0 && resp.ContentLength <= maxWhole
}

// resuming marks requests that resume makes itself.
type resuming struct{}

func isResuming(ctx context.Context) bool { return ctx.Value(resuming{}) != nil }
