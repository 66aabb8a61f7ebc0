package docker

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	defaultHost = "unix:///var/run/docker.sock"
	// version of the API that this package is written for: Docker 20.10 and
	// every later one that still takes it.
	version = "1.41"
	// callWait bounds a request whose answer is short, so that a daemon that
	// hangs is not waited for without end.
	callWait  = 2 * time.Minute
	maxAnswer = 16 << 20
)

// client speaks the Docker Engine API.
type client struct {
	http *http.Client
	base string // http://docker
	host string // as the user knows it

	mu      sync.Mutex
	version string // negotiated; "" before
	podman  bool
}

// ErrHost says that Options.Host cannot be used.
var ErrHost = errors.New("invalid address of the Docker Engine")

func newClient(host, certPath string) (*client, error) {
	host = cmp.Or(host, defaultHost)
	u, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("%w: %q; want unix:///path or tcp://host:port", ErrHost, host)
	}
	t := &http.Transport{DisableCompression: true, MaxIdleConns: 8, IdleConnTimeout: 30 * time.Second}
	c := &client{http: &http.Client{Transport: t}, base: "http://docker", host: host}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	switch u.Scheme {
	case "unix":
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", u.Path)
		}
	case "tcp", "http", "https":
		t.DialContext = dialer.DialContext
		c.base = "http://" + u.Host
		if certPath != "" || u.Scheme == "https" {
			c.base = "https://" + u.Host
			t.TLSClientConfig, err = clientTLS(certPath)
		}
	case "ssh":
		err = fmt.Errorf("%w: %q: ssh is not spoken here; forward the socket (ssh -L /tmp/docker.sock:/var/run/docker.sock HOST) and use unix:///tmp/docker.sock", ErrHost, host)
	default:
		err = fmt.Errorf("%w: %q; want unix:///path or tcp://host:port", ErrHost, host)
	}
	return c, err
}

func clientTLS(dir string) (*tls.Config, error) {
	if dir == "" {
		return &tls.Config{}, nil
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, fmt.Errorf("reading the Docker client's certificate: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("reading the Docker client's CA: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool}, nil
}

// apiError is an answer that is no success.
type apiError struct {
	host, what, message string
	status              int
}

func (e *apiError) Error() string {
	// The message may quote names of the image: no control characters.
	return fmt.Sprintf("%s: the Docker Engine at %s answered %d: %s", e.what, e.host, e.status, printable(e.message))
}

// hasStatus says that err is an answer with one of these status codes.
func hasStatus(err error, codes ...int) bool {
	var e *apiError
	if !errors.As(err, &e) {
		return false
	}
	return slices.Contains(codes, e.status)
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.TrimSpace(s))
}

// do sends a request and returns an answer of status 1xx or 2xx, whose body
// the caller closes. The path has no version.
func (c *client) do(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	c.mu.Lock()
	v := c.version
	c.mu.Unlock()
	if v != "" {
		v = "/v" + v
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+v+path, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	resp, err := c.http.Do(req)
	what := "asking " + method + " " + strings.SplitN(path, "?", 2)[0]
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the made-up host of a socket
		}
		return nil, fmt.Errorf("%s of the Docker Engine at %s: %w", what, c.host, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var answer struct{ Message string }
	if json.Unmarshal(b, &answer) != nil || answer.Message == "" {
		answer.Message = http.StatusText(resp.StatusCode)
	}
	return nil, &apiError{c.host, what, answer.Message, resp.StatusCode}
}

// call sends in as JSON, unless nil, and parses the answer into out, unless nil.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	var body io.Reader
	header := http.Header{}
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
		header.Set("Content-Type", "application/json")
	}
	resp, err := c.do(ctx, method, path, header, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		return err
	}
	if err := decode(resp.Body, out); err != nil {
		return fmt.Errorf("parsing what the Docker Engine at %s says of %s: %w", c.host, strings.SplitN(path, "?", 2)[0], err)
	}
	return nil
}

// make posts what makes something. It is not given up when ctx is done: the
// daemon would go on, and what it makes could then not be removed.
func (c *client) make(ctx context.Context, path string, in, out any) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return c.call(context.WithoutCancel(ctx), http.MethodPost, path, in, out)
}

// negotiate settles the API's version: ours, or the nearest that the daemon
// takes.
func (c *client) negotiate(ctx context.Context) error {
	c.mu.Lock()
	known := c.version != ""
	c.mu.Unlock()
	if known {
		return nil
	}
	var v struct {
		APIVersion, MinAPIVersion string
		Components                []struct{ Name string }
	}
	if err := c.call(ctx, "GET", "/version", nil, &v); err != nil {
		return err
	}
	use := version
	if v.APIVersion != "" && less(v.APIVersion, use) {
		use = v.APIVersion
	}
	if v.MinAPIVersion != "" && less(use, v.MinAPIVersion) {
		use = v.MinAPIVersion
	}
	if !apiVersion(use) {
		return fmt.Errorf("the Docker Engine at %s says its API version is %q", c.host, use)
	}
	c.mu.Lock()
	c.version = use
	for _, x := range v.Components {
		c.podman = c.podman || strings.HasPrefix(x.Name, "Podman")
	}
	c.mu.Unlock()
	return nil
}

// isPodman is known after negotiate.
func (c *client) isPodman() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.podman
}

func apiVersion(v string) bool {
	major, minor, ok := strings.Cut(v, ".")
	_, err := strconv.ParseUint(major, 10, 16)
	_, err2 := strconv.ParseUint(minor, 10, 16)
	return ok && err == nil && err2 == nil
}

// less compares API versions: 1.9 is before 1.41.
func less(a, b string) bool {
	am, an, _ := strings.Cut(a, ".")
	bm, bn, _ := strings.Cut(b, ".")
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	return cmp.Or(cmp.Compare(number(am), number(bm)), cmp.Compare(number(an), number(bn))) < 0
}

// decode parses an answer of bounded length.
func decode(r io.Reader, out any) error {
	return json.NewDecoder(io.LimitReader(r, maxAnswer)).Decode(out)
}

// isLocal says that the daemon is reached by a socket of this machine, which
// does not mean yet that it runs here.
func (c *client) isLocal() bool {
	u, err := url.Parse(c.host)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "unix" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
