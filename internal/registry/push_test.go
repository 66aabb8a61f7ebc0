package registry

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
)

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func image(t *testing.T, layers int, size int64) v1.Image {
	t.Helper()
	img, err := random.Image(size, int64(layers))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// refuse reads a part of the body first, as a registry does that fails in the
// middle of an upload.
func refuse(code int, body string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		r.Body.Read(make([]byte, 1000))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

func TestPushSurvives(t *testing.T) {
	const lost = `{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"who?"}]}`
	const digest = `{"errors":[{"code":"DIGEST_INVALID","message":"other bytes"}]}`
	for _, c := range []struct {
		name  string
		fault fault
		wait  time.Duration // one of the waits; 0: remote's own
	}{
		{"429 on an upload", fault{method: "PATCH", do: status(429, "Retry-After: 9")}, 9 * time.Second},
		{"429 on the beginning of one", fault{method: "POST", do: status(429, "Retry-After: 9")}, 9 * time.Second},
		{"503 on the end of one", fault{method: "PUT", path: "/blobs/", do: status(503, "Retry-After: 9")}, 9 * time.Second},
		{"429 on the manifest", fault{method: "PUT", path: "/manifests/", do: status(429, "Retry-After: 9")}, 9 * time.Second},
		{"500 on an upload", fault{method: "PATCH", do: status(500)}, 0},
		{"500 in the middle of an upload", fault{method: "PATCH", do: refuse(500, "")}, 0},
		{"500 on the manifest", fault{method: "PUT", path: "/manifests/", do: status(500)}, 0},
		{"an upload hangs up", fault{method: "PATCH", do: hangUp}, 0},
		{"the manifest hangs up", fault{method: "PUT", path: "/manifests/", do: hangUp}, 0},
		{"the registry forgot the upload", fault{method: "PATCH", do: refuse(404, lost)}, 0},
		{"the registry got other bytes", fault{method: "PUT", path: "/blobs/", do: refuse(400, digest)}, 0},
		{"500 on the question whether a blob is there", fault{method: "HEAD", path: "/blobs/", do: status(500)}, time.Second},
		{"an upload is not read", fault{method: "PATCH", do: func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
			<-r.Context().Done()
		}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, &c.fault)
			c.fault.times = 1
			client, clock := testClient(t, Options{})
			if c.name == "an upload is not read" {
				client, clock = stallClient(t)
			}
			client.timing.backoff = time.Millisecond // remote's own waiting is real
			img := image(t, 2, 1<<20)
			ref := parseRef(t, s.host()+"/team/app:v1")
			if err := client.Push(t.Context(), ref, []v1.Image{img}, nil); err != nil {
				t.Fatalf("%v\nafter %q", err, s.asked(""))
			}
			if s.happened(&c.fault) != 1 {
				t.Fatalf("the fault did not happen: %q", s.asked(""))
			}
			if c.wait > 0 && (len(clock.waits) != 1 || clock.waits[0] != c.wait) {
				t.Errorf("waited %v, want %v", clock.waits, c.wait)
			}
			checkThere(t, client, s, img)
		})
	}
}

func checkThere(t *testing.T, client *Client, s *server, img v1.Image) {
	t.Helper()
	got, err := pull(t.Context(), client, parseRef(t, s.host()+"/team/app:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := img.Digest(); got != want {
		t.Errorf("digest %v, want %v", got, want)
	}
}

// A token that expires in the middle of a push is renewed once, whether the
// registry says so as RFC 6750 wants or not at all.
func TestPushRenewsToken(t *testing.T) {
	for name, bare := range map[string]bool{"with a challenge": false, "bare": true} {
		for _, method := range []string{"PATCH", "PUT", "POST"} {
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				g := serveGuarded(t)
				g.bare = bare
				g.add(&fault{method: method, times: 1, do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					g.expire()
					g.ServeHTTP(w, r)
				}})
				client, _ := testClient(t, Options{Keychain: login{testUser, testPassword}})
				img := image(t, 1, 1<<20)
				if err := client.Push(t.Context(), parseRef(t, g.host()+"/team/app:v1"), []v1.Image{img}, nil); err != nil {
					t.Fatal(err)
				}
				if n := g.tokens(); n < 2 || n > 3 { // two uploads may notice at once
					t.Errorf("%d tokens", n)
				}
				checkThere(t, client, g.server, img)
			})
		}
	}
}

func TestPushRenewsTokenOnce(t *testing.T) {
	f := &fault{method: "PATCH", do: status(401)}
	g := serveGuarded(t, f)
	client, _ := testClient(t, Options{Keychain: login{testUser, testPassword}})
	err := client.Push(t.Context(), parseRef(t, g.host()+"/team/app:v1"), []v1.Image{image(t, 0, 0)}, nil)
	var se *StatusError
	if !errors.As(err, &se) || se.Status != 401 {
		t.Errorf("error %v", err)
	}
	if n := g.happened(f); n != 2 || g.tokens() != 2 {
		t.Errorf("%d attempts, %d tokens; want 2 of each", n, g.tokens())
	}
}

func TestPullRenewsToken(t *testing.T) {
	g := serveGuarded(t)
	ref, img := put(t, g.server, 1, big)
	l, _ := layer(t, img)
	g.add(&fault{method: "GET", path: l.String(), times: 1, do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		g.expire() // for the request that resumes
		truncate(1<<20)(w, r, next)
	}})
	client, _ := testClient(t, Options{Keychain: login{testUser, testPassword}})
	if _, err := pull(t.Context(), client, ref); err != nil {
		t.Fatal(err)
	}
	if g.tokens() != 2 {
		t.Errorf("%d tokens", g.tokens())
	}
}

func TestWrongPassword(t *testing.T) {
	g := serveGuarded(t)
	client, clock := testClient(t, Options{Keychain: login{testUser, "wrong"}})
	_, err := client.Get(t.Context(), parseRef(t, g.host()+"/a:b"))
	if want := g.host() + " answered 401 Unauthorized for a token"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	var se *StatusError
	if !errors.As(err, &se) || se.Registry != g.host() {
		t.Errorf("the registry is not named in %+v", se)
	}
	if len(clock.waits) > 0 {
		t.Errorf("waited %v", clock.waits)
	}
}

func TestPushRefused(t *testing.T) {
	for _, code := range []int{401, 403, 404} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			s := serve(t, &fault{method: "POST", do: refuse(code, `{"errors":[{"code":"DENIED","message":"not yours"}]}`)})
			client, clock := testClient(t, Options{})
			img := image(t, 0, 0)
			config, _ := img.ConfigName()
			err := client.Push(t.Context(), parseRef(t, s.host()+"/team/app:v1"), []v1.Image{img}, nil)
			if len(clock.waits) > 0 {
				t.Errorf("waited %v", clock.waits)
			}
			for _, want := range []string{config.String(), fmt.Sprintf("%s answered %d", s.host(), code), "an upload to team/app", "not yours"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one with %q", err, want)
				}
			}
			if n := s.count("POST"); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// The manifest that the tag names is the last thing written, and an image
// that could not be pushed leaves no tag.
func TestManifestLast(t *testing.T) {
	s := serve(t)
	client, _ := testClient(t, Options{})
	a, b := image(t, 2, 1000), image(t, 1, 1000)
	idx := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: a}, mutate.IndexAddendum{Add: b})
	if err := client.Push(t.Context(), parseRef(t, s.host()+"/team/app:v1"), []v1.Image{a, b}, idx); err != nil {
		t.Fatal(err)
	}
	writes := append(s.asked("PUT"), "")
	if last := writes[len(writes)-2]; last != "PUT /v2/team/app/manifests/v1" {
		t.Errorf("last write %q of %q", last, writes)
	}
	if n := s.count("PUT /v2/team/app/manifests/"); n != 3 {
		t.Errorf("%d manifests", n)
	}

	broken := serve(t, &fault{method: "PATCH", do: status(400)})
	if err := client.Push(t.Context(), parseRef(t, broken.host()+"/team/app:v1"), []v1.Image{a, b}, idx); err == nil {
		t.Fatal("pushed without blobs")
	}
	if n := broken.count("PUT /v2/team/app/manifests/"); n != 0 {
		t.Errorf("%d manifests written", n)
	}
}

func TestPushCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, &fault{method: "PATCH", do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		cancel()
		<-r.Context().Done()
	}})
	client, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = client.Push(ctx, parseRef(t, s.host()+"/team/app:v1"), []v1.Image{image(t, 1, big)}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestProxy(t *testing.T) {
	asked := ""
	reg := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		reg.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	at, _ := url.Parse(proxy.URL)
	client, _ := testClient(t, Options{Insecure: []string{"far.example"}, Proxy: func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "https" {
			return nil, errors.New("not in this test")
		}
		return at, nil
	}})
	ref, err := client.Parse("far.example/a:b")
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Get(t.Context(), ref)
	var se *StatusError
	if !errors.As(err, &se) || se.Status != 404 || !strings.HasPrefix(asked, "http://far.example/v2/a/") {
		t.Errorf("the proxy was asked for %q; error %v", asked, err)
	}
}
