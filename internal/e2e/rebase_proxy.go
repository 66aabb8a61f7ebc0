package e2e

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// countingProxy stands before the registry and notes every request.
type countingProxy struct {
	addr string // HOST:PORT
	stop func()

	mu   sync.Mutex
	seen []request
}

// request is one that a client made, with the sizes of the two bodies.
type request struct {
	method, path   string
	query          url.Values
	status         int
	sent, received int64
}

// startProxy serves what the registry at addr serves. Clients see one
// registry: it is told the name that they used.
func startProxy(addr string) (*countingProxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &countingProxy{addr: l.Addr().String()}
	behind := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: addr})
		r.Out.Host = r.In.Host
	}}
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &countedBody{ReadCloser: r.Body}
		r.Body = body
		c := &countedWriter{ResponseWriter: w, status: http.StatusOK}
		behind.ServeHTTP(c, r)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen = append(p.seen, request{r.Method, r.URL.Path, r.URL.Query(), c.status, body.n, c.n})
	})}
	go func() { _ = s.Serve(l) }()
	p.stop = func() { _ = s.Close() }
	return p, nil
}

// during returns the requests that are made while do runs; to be called by one
// at a time.
func (p *countingProxy) during(do func() error) ([]request, error) {
	p.take()
	err := do()
	return p.take(), err
}

func (p *countingProxy) take() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := p.seen
	p.seen = nil
	return seen
}

type countedBody struct {
	io.ReadCloser
	n int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

type countedWriter struct {
	http.ResponseWriter
	status int
	n      int64
}

func (w *countedWriter) WriteHeader(code int) {
	w.status = code
	w.ResponseWriter.WriteHeader(code)
}

func (w *countedWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

// traffic is what the requests of one command come to.
type traffic struct {
	requests int // all, besides reads of layers
	kinds    map[string]int
	reads    int   // of layers
	read     int64 // bytes of layers that were read
	uploads  map[string]int64
}

// sent is how many bytes of blobs were.
func (t traffic) sent() (n int64) {
	for _, u := range t.uploads {
		n += u
	}
	return n
}

// toMove is how many requests put something into the registry.
func (t traffic) toMove() int {
	return t.kinds["mount"] + t.kinds["upload POST"] + t.kinds["upload PUT"] + t.kinds["upload PATCH"] + t.kinds["manifest PUT"]
}

// trafficOf sorts requests, given which blobs are layers.
func trafficOf(seen []request, isLayer func(digest string) bool) traffic {
	t := traffic{kinds: map[string]int{}, uploads: map[string]int64{}}
	for _, r := range seen {
		name := r.path[strings.LastIndexByte(r.path, '/')+1:]
		if r.method == http.MethodGet && strings.Contains(r.path, "/blobs/") && isLayer(name) {
			t.reads++
			t.read += r.received
			continue
		}
		t.requests++
		t.kinds[r.kind()]++
		if d := r.query.Get("digest"); r.method != http.MethodGet && d != "" { // sent in vain too
			t.uploads[d] += r.sent
		}
	}
	return t
}

// kind says what a request is for.
func (r request) kind() string {
	switch {
	case strings.Contains(r.path, "/blobs/uploads/") && r.query.Has("mount") && r.status == http.StatusCreated:
		return "mount"
	case strings.Contains(r.path, "/blobs/uploads/"):
		return "upload " + r.method
	case strings.Contains(r.path, "/blobs/"):
		return "blob " + r.method
	case strings.Contains(r.path, "/manifests/sha256-"):
		return "referrers"
	case strings.Contains(r.path, "/manifests/"):
		return "manifest " + r.method
	case strings.Contains(r.path, "/referrers/"):
		return "referrers"
	case r.path == "/v2/":
		return "ping"
	}
	return "other"
}
