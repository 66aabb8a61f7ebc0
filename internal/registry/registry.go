// Package registry reads and writes images in registries
// (distribution-spec), on top of go-containerregistry's remote.
//
// What remote leaves open is added below it, as http.RoundTrippers, one a
// file, outermost first:
//
//	resume   a blob that breaks off is continued where it broke
//	keep     manifests and configs that an earlier run read are not asked for
//	whole    manifests and small blobs arrive whole, verified, or again
//	rewind   a request that is sent twice has its body twice
//	ping     each registry is asked once in a run what it wants of clients
//	reauth   a bare 401 makes remote fetch a new token, once
//	retry    waits and asks again where a registry or the network says "later"
//	stall    gives up on a connection that has gone quiet
//	guard    no credentials to a second host, no plain http unasked
//
// Faults that will not go away (401, 403, 404) are never retried: they come
// back at once as a [StatusError].
package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Options says how registries are reached; the zero value is anonymous, with
// the system's certificates and no proxy.
type Options struct {
	Keychain authn.Keychain
	// Insecure lists hosts ("host" or "host:port") that may be spoken to in
	// plain http, or with a certificate that nobody vouches for.
	Insecure []string
	// CA holds certificates (PEM) that are trusted besides the system's.
	CA        []byte
	Proxy     func(*http.Request) (*url.URL, error)
	UserAgent string
}

// ErrCA says that a CA file holds no certificate.
var ErrCA = errors.New("no certificate in PEM form")

// Client speaks to any number of registries.
type Client struct {
	opts   Options
	timing timing
	base   http.RoundTripper // ping and below, shared by all connections

	documents Documents // nil: none are kept
	placed    placed
	silent    hostSet // have no referrers API
	twoStep   hostSet // take no blob in one request
}

// timing is how long things are waited for; tests shorten it.
type timing struct {
	retries    int           // of one request
	backoff    time.Duration // before the first retry; doubled for each further one
	retryAfter time.Duration // at most so long when a registry names a time
	stall      time.Duration // without a byte
	answer     time.Duration // from the end of an upload to the answer
	settle     time.Duration // after a write that others may overwrite
	sleep      func(context.Context, time.Duration) error
}

var defaultTiming = timing{
	retries: 4, backoff: time.Second, retryAfter: 60 * time.Second,
	stall: 30 * time.Second, answer: 5 * time.Minute, settle: 300 * time.Millisecond, sleep: sleep,
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// New returns a client; it connects to nothing yet.
func New(o Options) (*Client, error) { return newClient(o, defaultTiming) }

func newClient(o Options, tm timing) (*Client, error) {
	pool, err := certificates(o.CA)
	if err != nil {
		return nil, err
	}
	if o.Keychain == nil {
		o.Keychain = authn.NewMultiKeychain()
	}
	g := &guard{
		insecure: o.Insecure,
		verified: connections(o.Proxy, &tls.Config{RootCAs: pool}),
		trusting: connections(o.Proxy, &tls.Config{InsecureSkipVerify: true}),
	}
	return &Client{opts: o, timing: tm, base: &ping{next: &retry{timing: tm, next: &stall{timing: tm, next: g}}}}, nil
}

// certificates are the system's and those of extra; nil for the system's alone.
func certificates(extra []byte) (*x509.CertPool, error) {
	if extra == nil {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // none on this system: only the given ones
	}
	if !pool.AppendCertsFromPEM(extra) {
		return nil, fmt.Errorf("reading CA: %w", ErrCA)
	}
	return pool, nil
}

func connections(proxy func(*http.Request) (*url.URL, error), c *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     c,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		// A blob's bytes are those that its digest is of.
		DisableCompression: true,
	}
}

// Parse reads "host/repo:tag" or "host/repo@sha256:…"; without a host it is
// one of Docker Hub, as everywhere.
func (c *Client) Parse(ref string) (name.Reference, error) {
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	if insecureHost(c.opts.Insecure, r.Context().RegistryStr()) {
		return name.ParseReference(ref, name.Insecure)
	}
	return r, nil
}

// insecureHost says whether host ("name:port" or "name") is one of list; an
// element without a port stands for every port.
func insecureHost(list []string, host string) bool {
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	return slices.Contains(list, host) || slices.Contains(list, bare)
}
