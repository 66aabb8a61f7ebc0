package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
)

// big is more than is read whole, so that resuming is what helps.
const big = 3 << 20

// pull reads everything that ref names and checks it against its digests.
func pull(ctx context.Context, c *Client, ref name.Reference) (v1.Hash, error) {
	s, err := c.Get(ctx, ref)
	if err != nil {
		return v1.Hash{}, err
	}
	if _, err := s.Image.RawConfigFile(); err != nil {
		return v1.Hash{}, err
	}
	ls, err := s.Image.Layers()
	if err != nil {
		return v1.Hash{}, err
	}
	for _, l := range ls {
		rc, err := l.Compressed()
		if err != nil {
			return v1.Hash{}, err
		}
		_, err = io.Copy(io.Discard, rc) // verified by remote as it is read
		rc.Close()
		if err != nil {
			return v1.Hash{}, err
		}
	}
	return s.Descriptor.Digest, nil
}

func TestPullSurvives(t *testing.T) {
	sec := func(s ...int) (out []time.Duration) {
		for _, n := range s {
			out = append(out, time.Duration(n)*time.Second)
		}
		return out
	}
	soon := time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		name  string
		fault fault
		waits []time.Duration // nil: not looked at

		stalls bool
	}{
		{"429 with Retry-After", fault{path: "/manifests/", times: 1, do: status(429, "Retry-After: 7")}, sec(7), false},
		{"429 with an hour to wait", fault{path: "/manifests/", times: 1, do: status(429, "Retry-After: 3600")}, sec(60), false},
		{"429 with a date", fault{path: "/manifests/", times: 1, do: status(429, "Retry-After: "+soon)}, nil, false},
		{"429 without", fault{path: "/manifests/", times: 2, do: status(429)}, sec(1, 2), false},
		{"503 with Retry-After on a blob", fault{path: "/blobs/", times: 1, do: status(503, "Retry-After: 3")}, sec(3), false},
		{"408", fault{path: "/blobs/", times: 1, do: status(408)}, sec(1), false},
		{"500 four times", fault{path: "/manifests/", times: 4, do: status(500)}, sec(1, 2, 4, 8), false},
		{"502", fault{path: "/blobs/", times: 1, do: status(502)}, sec(1), false},
		{"504", fault{path: "/blobs/", times: 1, do: status(504)}, sec(1), false},
		{"522", fault{path: "/blobs/", times: 1, do: status(522)}, sec(1), false},
		{"the first request hangs up", fault{path: "/v2/", times: 1, do: hangUp}, nil, false},
		{"the manifest hangs up", fault{path: "/manifests/", times: 2, do: hangUp}, nil, false},
		{"the manifest is cut off", fault{path: "/manifests/", times: 1, do: truncate(100)}, nil, false},
		{"the manifest stalls", fault{path: "/manifests/", times: 1, do: silence(100)}, nil, true},
		{"the answer never begins", fault{path: "/manifests/", times: 1, do: silence(0)}, nil, true},
		{"blobs hang up", fault{path: "/blobs/", times: 2, do: hangUp}, nil, false},
		{"a blob is cut off at once", fault{path: "/blobs/", times: 2, do: truncate(0)}, nil, false},
		{"a blob is cut off", fault{path: "/blobs/", times: 2, do: truncate(big / 2)}, nil, false},
		{"a blob stalls", fault{path: "/blobs/", times: 2, do: silence(200)}, nil, true},
		{"a small blob has a flipped bit", fault{path: "/blobs/", times: 1, do: flip(20)}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			ref, img := put(t, s, 1, big)
			if c.name == "a small blob has a flipped bit" { // the config: a layer's shows only at its end
				config, err := img.ConfigName()
				if err != nil {
					t.Fatal(err)
				}
				c.fault.path += config.String()
			}
			c.fault.method = http.MethodGet
			s.add(&c.fault)
			client, clock := testClient(t, Options{})
			if c.stalls {
				client, clock = stallClient(t)
			}
			got, err := pull(t.Context(), client, ref)
			if err != nil {
				t.Fatalf("%v\nafter %q", err, s.asked(""))
			}
			if want, _ := img.Digest(); got != want {
				t.Errorf("digest %v, want %v", got, want)
			}
			if s.happened(&c.fault) == 0 {
				t.Errorf("the fault never happened: %q", s.asked(""))
			}
			if c.waits != nil && !slices.Equal(clock.waits, c.waits) {
				t.Errorf("waited %v, want %v", clock.waits, c.waits)
			}
			if c.waits == nil && len(clock.waits) == 0 {
				t.Error("tried again at once, without waiting")
			}
		})
	}
}

// TestResume looks at how the rest of a blob is asked for.
func TestResume(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []*fault
		ranges []string // of the requests after the first
	}{
		{"from where it broke", []*fault{{times: 1, do: truncate(1 << 20)}}, []string{"bytes=1048576-SIZE"}},
		{"twice", []*fault{{times: 1, do: truncate(1 << 20)}, {times: 1, do: truncate(1 << 19)}}, []string{"bytes=1048576-SIZE", "bytes=1572864-SIZE"}},
		{"the server ignores ranges", []*fault{{times: 1, do: truncate(1 << 20)}, {times: 1, do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Range")
			next.ServeHTTP(w, r)
		}}}, []string{"bytes=1048576-SIZE"}},
		{"the server refuses ranges", []*fault{{times: 1, do: truncate(1 << 20)}, {times: 1, do: status(416)}}, []string{"bytes=1048576-SIZE", ""}},
		{"the server sends another range", []*fault{{times: 1, do: truncate(1 << 20)}, {times: 1, do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Range", "bytes 5-10/99")
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "others")
		}}}, []string{"bytes=1048576-SIZE", "bytes=1048576-SIZE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			ref, img := put(t, s, 1, big)
			l, size := layer(t, img)
			for _, f := range c.faults {
				f.method, f.path = http.MethodGet, l.String()
			}
			s.add(c.faults...)
			client, _ := testClient(t, Options{})
			if _, err := pull(t.Context(), client, ref); err != nil {
				t.Fatal(err)
			}
			prefix := "GET /v2/team/app/blobs/" + l.String()
			want := []string{prefix}
			for _, r := range c.ranges {
				want = append(want, strings.TrimSpace(prefix+" "+strings.Replace(r, "SIZE", fmt.Sprint(size-1), 1)))
			}
			if got := s.asked(prefix); !slices.Equal(got, want) {
				t.Errorf("asked\n%q, want\n%q", got, want)
			}
		})
	}
}

func layer(t *testing.T, img v1.Image) (v1.Hash, int64) {
	t.Helper()
	ls, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	h, err := ls[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	size, err := ls[0].Size()
	if err != nil {
		t.Fatal(err)
	}
	return h, size
}

// A connection that breaks more often than a request is retried, but brings
// something each time, is followed to the end.
func TestResumeWhileThereIsProgress(t *testing.T) {
	s := serve(t, &fault{method: "GET", path: "/blobs/", do: truncate(progressBytes + 1)})
	ref, _ := put(t, s, 1, 8*progressBytes)
	client, _ := testClient(t, Options{})
	if _, err := pull(t.Context(), client, ref); err != nil {
		t.Fatal(err)
	}
	if n := s.count("GET /v2/team/app/blobs/"); n < 8 {
		t.Errorf("%d requests for blobs: the fault did not happen", n)
	}
}

func TestPullGivesUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault fault
		want  string
	}{
		{"a blob that never comes", fault{path: "/blobs/", do: truncate(0)}, "(tried 5 times)"},
		{"a registry that only hangs up", fault{path: "/manifests/", do: hangUp}, "(tried 5 times)"},
		{"a registry that only says 503", fault{path: "/manifests/", do: status(503)}, "503"},
		{"a layer with a flipped bit", fault{path: "/blobs/", do: flip(1<<20 + 5)}, "checksum"},
		{"a manifest that is always cut off", fault{path: "/manifests/", do: truncate(10)}, "team/app:v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			ref, img := put(t, s, 1, big)
			if c.fault.path == "/blobs/" {
				l, _ := layer(t, img)
				c.fault.path += l.String()
			}
			c.fault.method = http.MethodGet
			s.add(&c.fault)
			client, _ := testClient(t, Options{})
			_, err := pull(t.Context(), client, ref)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if c.want == "checksum" && !errors.Is(err, layers.ErrMismatch) {
				t.Errorf("error %v is no ErrMismatch", err)
			}
			if n := s.happened(&c.fault); n > 8 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// Faults that stay: one request, nothing waited for, with host, status and
// what was asked for.
func TestPermanentFaults(t *testing.T) {
	for _, code := range []int{401, 403, 404} {
		for _, what := range []string{"/manifests/", "/blobs/"} {
			t.Run(fmt.Sprint(code, what), func(t *testing.T) {
				t.Parallel()
				f := &fault{method: "GET", path: what, do: status(code)}
				s := serve(t)
				ref, img := put(t, s, 1, 1000)
				s.add(f)
				client, clock := testClient(t, Options{})
				object := "team/app:v1"
				if what == "/blobs/" {
					config, _ := img.ConfigName()
					object = "team/app@" + config.String()
				}
				_, err := pull(t.Context(), client, ref)
				if len(clock.waits) > 0 {
					t.Errorf("waited %v", clock.waits)
				}
				want := fmt.Sprintf("%s answered %d %s for %s", s.host(), code, http.StatusText(code), object)
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error  %v\nwant …%s…", err, want)
				}
				var se *StatusError
				if !errors.As(err, &se) || se.Status != code || se.Host != s.host() {
					t.Errorf("no StatusError in %v", err)
				}
				if n := s.happened(f); n != 1 {
					t.Errorf("asked %d times", n)
				}
			})
		}
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	for _, c := range []struct{ name, ref, want string }{
		{"nothing listens", closed + "/a:b", "refused"},
		{"no such host", "registry.invalid/a:b", "registry.invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, clock := testClient(t, Options{})
			_, err := client.Get(t.Context(), parseRef(t, c.ref))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if len(clock.waits) > 0 {
				t.Errorf("waited %v for what does not change", clock.waits)
			}
		})
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, &fault{method: "GET", path: "/manifests/", do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.WriteHeader(503)
		cancel()
	}})
	ref, _ := put(t, s, 1, 10)
	tm := defaultTiming
	tm.backoff = time.Hour // by the real clock
	client, err := newClient(Options{}, tm)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(ctx, ref); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestManifestLimit(t *testing.T) {
	for name, chunked := range map[string]bool{"with a length": false, "without one": true} {
		t.Run(name, func(t *testing.T) {
			f := &fault{method: "GET", path: "/manifests/", do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
				w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
				if !chunked {
					w.Header().Set("Content-Length", fmt.Sprint(maxManifest+1))
				}
				w.Write(make([]byte, maxManifest+1))
			}}
			s := serve(t, f)
			client, _ := testClient(t, Options{})
			_, err := client.Get(t.Context(), parseRef(t, s.host()+"/a:b"))
			if n := s.happened(f); !errors.Is(err, layers.ErrLimit) || n != 1 {
				t.Errorf("error %v after %d requests", err, n)
			}
		})
	}
}

// A redirect may lead to another host: it gets the request, never the
// credentials, and when the place it named has expired, the registry is
// asked for a new one.
func TestRedirectToSecondHost(t *testing.T) {
	g := serveGuarded(t)
	ref, img := put(t, g.server, 1, big)
	l, _ := layer(t, img)
	var second *httptest.Server
	uses := 0
	second = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for k := range r.Header {
			if strings.Contains(k, "Auth") || strings.Contains(k, "Cookie") {
				t.Errorf("the second host got %s: %s", k, r.Header.Get(k))
			}
		}
		if r.URL.Query().Get("n") != fmt.Sprint(uses) {
			w.WriteHeader(http.StatusForbidden) // the address is good once
			return
		}
		uses++
		r.URL.Path = "/v2/team/app/blobs/" + l.String()
		if uses == 1 {
			truncate(1<<20)(w, r, g.registry)
			return
		}
		g.registry.ServeHTTP(w, r)
	}))
	defer second.Close()
	g.add(&fault{method: "GET", path: l.String(), do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, fmt.Sprintf("%s/store?n=%d", second.URL, uses), http.StatusTemporaryRedirect)
	}})
	client, _ := testClient(t, Options{Keychain: login{testUser, testPassword}})
	if _, err := pull(t.Context(), client, ref); err != nil {
		t.Fatal(err)
	}
	if uses != 2 || g.count("GET /v2/team/app/blobs/"+l.String()) != 2 {
		t.Errorf("%d uses, requests %q", uses, g.asked("GET"))
	}
}

func TestGuardDropsCredentials(t *testing.T) {
	var got http.Header
	next := roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return nil, errors.New("not sent")
	})
	g := &guard{verified: next, trusting: next}
	first := httptest.NewRequest("GET", "https://a.example/v2/", nil)
	for to, keeps := range map[string]bool{"https://a.example/x": true, "https://b.example/x": false, "https://a.example:444/x": false} {
		req := httptest.NewRequest("GET", to, nil)
		req.Response = &http.Response{Request: first}
		req.Header.Set("Authorization", "Bearer x")
		g.RoundTrip(req)
		if (got.Get("Authorization") != "") != keeps {
			t.Errorf("%s: credentials %q", to, got.Get("Authorization"))
		}
	}
}

func TestGuardRefusesPlainHTTP(t *testing.T) {
	for _, c := range []struct {
		url      string
		insecure []string
		refused  bool
	}{
		{"http://10.1.2.3/v2/", nil, true},
		{"http://registry.local:5000/v2/", nil, true},
		{"http://registry.local:5000/v2/", []string{"registry.local:5000"}, false},
		{"http://registry.local:5000/v2/", []string{"registry.local"}, false},
		{"http://registry.local:5000/v2/", []string{"registry.local:5001"}, true},
		{"http://127.0.0.1:5000/v2/", nil, false},
		{"http://[::1]:5000/v2/", nil, false},
		{"http://localhost:5000/v2/", nil, false},
		{"https://10.1.2.3/v2/", nil, false},
	} {
		sent := false
		next := roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = true
			return nil, errors.New("sent")
		})
		g := &guard{insecure: c.insecure, verified: next, trusting: next}
		_, err := g.RoundTrip(httptest.NewRequest("GET", c.url, nil))
		var plain *PlainHTTPError
		if errors.As(err, &plain) != c.refused || sent == c.refused {
			t.Errorf("%s with %q: %v", c.url, c.insecure, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCertificates(t *testing.T) {
	s := serve(t)
	secure := httptest.NewUnstartedServer(s)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	put(t, s, 1, 10)
	host := strings.TrimPrefix(secure.URL, "https://")
	ca := pemOf(secure.Certificate().Raw)
	for _, c := range []struct {
		name string
		opts Options
		want string
	}{
		{"unknown certificate", Options{}, "certificate"},
		{"trusted by --ca", Options{CA: ca}, ""},
		{"insecure by name", Options{Insecure: []string{host}}, ""},
		{"insecure is another", Options{Insecure: []string{"other:1"}}, "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, clock := testClient(t, c.opts)
			ref, err := client.Parse(host + "/team/app:v1")
			if err != nil {
				t.Fatal(err)
			}
			_, err = pull(t.Context(), client, ref)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if len(clock.waits) > 0 {
				t.Errorf("waited %v", clock.waits)
			}
		})
	}
	if _, err := New(Options{CA: []byte("no PEM")}); !errors.Is(err, ErrCA) {
		t.Errorf("a CA file without a certificate: %v", err)
	}
}
