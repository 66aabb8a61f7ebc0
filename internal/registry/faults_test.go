package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// fault does something to a request that match takes, the first times times
// (0: always), instead of the registry.
type fault struct {
	method, path string // path: a part of the request's; "" is any
	times        int
	do           func(w http.ResponseWriter, r *http.Request, next http.Handler)

	seen int
}

// server is an in-memory registry with faults, and a record of what was asked.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	faults   []*fault
	requests []string // "METHOD path", "Range" after it
	headers  []http.Header
	registry http.Handler
}

func serve(t *testing.T, faults ...*fault) *server {
	t.Helper()
	s := &server{faults: faults, registry: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	ctx, cancel := context.WithCancel(context.Background())
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(func() {
		cancel() // frees handlers that keep silent
		s.Close()
	})
	return s
}

func (s *server) host() string { return strings.TrimPrefix(s.URL, "http://") }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := s.note(r); f != nil {
		f.do(w, r, s.registry)
		return
	}
	s.registry.ServeHTTP(w, r)
}

// note records a request and finds the fault that takes it.
func (s *server) note(r *http.Request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
	s.headers = append(s.headers, r.Header.Clone())
	for _, f := range s.faults {
		if f.method == r.Method && strings.Contains(r.URL.Path, f.path) && (f.times == 0 || f.seen < f.times) {
			f.seen++
			return f
		}
	}
	return nil
}

// add puts faults in place that need to know the image.
func (s *server) add(faults ...*fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// happened is how often a fault did.
func (s *server) happened(f *fault) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.seen
}

// count is how many requests began with prefix.
func (s *server) count(prefix string) int { return len(s.asked(prefix)) }

func (s *server) asked(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.requests {
		if strings.HasPrefix(r, prefix) {
			out = append(out, r)
		}
	}
	return out
}

// status answers with a code, and headers "K: V".
func status(code int, headers ...string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		for _, h := range headers {
			k, v, _ := strings.Cut(h, ": ")
			w.Header().Set(k, v)
		}
		w.WriteHeader(code)
	}
}

// hangUp closes the connection without an answer.
func hangUp(w http.ResponseWriter, _ *http.Request, _ http.Handler) { panic(http.ErrAbortHandler) }

// truncate sends n bytes of the answer and closes the connection.
func truncate(n int) func(http.ResponseWriter, *http.Request, http.Handler) {
	return alter(func(b []byte) []byte { return b[:min(n, len(b))] })
}

// flip changes the byte at n of the answer's body.
func flip(n int) func(http.ResponseWriter, *http.Request, http.Handler) {
	return alter(func(b []byte) []byte { b[n] ^= 0x20; return b })
}

// alter sends a changed body under the headers of the right one.
func alter(change func([]byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
		w.WriteHeader(rec.Code)
		b := change(rec.Body.Bytes())
		w.Write(b)
		if len(b) < rec.Body.Len() {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
}

// silence sends n bytes of the answer and then nothing until the client goes.
func silence(n int) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
		if n > 0 {
			w.Write(rec.Body.Bytes()[:n])
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}
}

// clock records what was waited for, and waits for nothing.
type clock struct {
	mu    sync.Mutex
	waits []time.Duration
}

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = append(c.waits, d)
	return ctx.Err()
}

// testClient never really waits; tests of stalls shorten that limit.
func testClient(t *testing.T, o Options) (*Client, *clock) {
	t.Helper()
	c := &clock{}
	tm := defaultTiming
	tm.sleep = c.sleep
	client, err := newClient(o, tm)
	if err != nil {
		t.Fatal(err)
	}
	return client, c
}

// stallClient gives up on a quiet connection after half a second.
func stallClient(t *testing.T) (*Client, *clock) {
	t.Helper()
	c := &clock{}
	tm := defaultTiming
	tm.sleep, tm.stall, tm.answer = c.sleep, 500*time.Millisecond, 500*time.Millisecond
	client, err := newClient(Options{}, tm)
	if err != nil {
		t.Fatal(err)
	}
	return client, c
}

// put stores an image of layers of size bytes in s, past all faults, and
// returns its reference.
func put(t *testing.T, s *server, layers int, size int64) (name.Reference, v1.Image) {
	t.Helper()
	img, err := random.Image(size, int64(layers))
	if err != nil {
		t.Fatal(err)
	}
	direct := httptest.NewServer(s.registry)
	defer direct.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(direct.URL, "http://") + "/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	return parseRef(t, s.host()+"/team/app:v1"), img
}

func parseRef(t *testing.T, text string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// guarded is an issuer of tokens before a registry: a token is good until
// expire is called.
type guarded struct {
	*server
	mu     sync.Mutex
	issued int
	oldest int // tokens below are no longer good
	bare   bool
}

const testUser, testPassword = "someone", "secret"

func serveGuarded(t *testing.T, faults ...*fault) *guarded {
	t.Helper()
	g := &guarded{server: serve(t, faults...)}
	g.Config.Handler = g
	return g
}

func (g *guarded) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.oldest = g.issued
}

func (g *guarded) good(r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	var n int
	_, err := fmt.Sscanf(r.Header.Get("Authorization"), "Bearer token-%d", &n)
	return err == nil && n >= g.oldest && n < g.issued
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		g.token(w, r)
		return
	}
	if !g.good(r) {
		if !g.bare || r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+g.URL+`/token",service="registry"`)
		}
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	g.server.ServeHTTP(w, r)
}

func (g *guarded) token(w http.ResponseWriter, r *http.Request) {
	if user, pass, _ := r.BasicAuth(); user != testUser || pass != testPassword {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	json.NewEncoder(w).Encode(map[string]string{"token": fmt.Sprintf("token-%d", g.issued)})
	g.issued++
}

func (g *guarded) tokens() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.issued
}

// login is a keychain with one user's password.
type login struct{ user, password string }

func (l login) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: l.user, Password: l.password}, nil
}
