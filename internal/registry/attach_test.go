package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/attest"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
)

// attached are n artifacts about img.
func attached(t *testing.T, img v1.Image, n int) []v1.Image {
	t.Helper()
	id, err := slim.Identify(img)
	if err != nil {
		t.Fatal(err)
	}
	var out []v1.Image
	for i := range n {
		a, err := attest.Profile(img, &profile.Profile{Image: id.Image(), Accesses: []profile.Access{
			{Path: fmt.Sprintf("/%d", i), Kinds: []profile.Kind{profile.Open}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func digestOf(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func digests(t *testing.T, all []v1.Image) []string {
	t.Helper()
	var out []string
	for _, a := range all {
		out = append(out, digestOf(t, a).String())
	}
	slices.Sort(out)
	return out
}

// checkListed wants exactly these referrers, each to be had.
func checkListed(t *testing.T, c *Client, repo name.Repository, subject v1.Hash, want []v1.Image) {
	t.Helper()
	list, err := c.Referrers(t.Context(), repo.Digest(subject.String()))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list.List {
		got = append(got, d.Digest.String())
		a, err := list.Fetch(t.Context(), d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if raw, err := a.RawManifest(); err != nil || attest.TypeOf(raw) != attest.ProfileType || int64(len(raw)) != d.Size {
			t.Errorf("%s: type %q, %d bytes, listed with %d, error %v", d.Digest, attest.TypeOf(raw), len(raw), d.Size, err)
		}
	}
	if !slices.Equal(got, digests(t, want)) {
		t.Errorf("listed %q, want %q", got, digests(t, want))
	}
}

// withAPI gives the registry the referrers API; header says that its answers
// name the subject.
func (s *server) withAPI(header bool) {
	next := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	s.registry = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if header && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			b, _ := io.ReadAll(r.Body)
			var m v1.Manifest
			if json.Unmarshal(b, &m) == nil && m.Subject != nil {
				w.Header().Set("OCI-Subject", m.Subject.Digest.String())
			}
			r.Body = io.NopCloser(bytes.NewReader(b))
		}
		next.ServeHTTP(w, r)
	})
}

func TestAttach(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*server)
		tag    bool // is where the list is
		asks   int  // for the list by the referrers API, while attaching
	}{
		"no API":                  {func(*server) {}, true, 2},
		"the API":                 {func(s *server) { s.withAPI(false) }, false, 2},
		"the API, and it says so": {func(s *server) { s.withAPI(true) }, false, 0},
		"400 for the API":         {func(s *server) { s.add(&fault{path: "/referrers/", method: "GET", do: status(400)}) }, true, 2},
		"a page for the API": {func(s *server) {
			s.add(&fault{path: "/referrers/", method: "GET", do: status(200, "Content-Type: text/html")})
		}, true, 2},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			c.change(s)
			client, _ := testClient(t, Options{})
			img := image(t, 1, 100)
			subject, repo := digestOf(t, img), parseRef(t, s.host()+"/team/app:v1").Context()
			all := attached(t, img, 3)
			checkListed(t, client, repo, subject, nil)
			before := s.count("GET /v2/team/app/referrers/")
			for range 2 { // again changes nothing
				if err := client.Attach(t.Context(), repo, subject, all[:2]); err != nil {
					t.Fatal(err)
				}
			}
			if n := s.count("GET /v2/team/app/referrers/") - before; n != c.asks {
				t.Errorf("asked %d times for the list, want %d", n, c.asks)
			}
			checkListed(t, client, repo, subject, all[:2])
			if n := s.count("PUT /v2/team/app/manifests/sha256-"); c.tag && n != 1 || !c.tag && n != 0 {
				t.Errorf("%d writes of the tag", n)
			}
			if err := client.Attach(t.Context(), repo, subject, all[2:]); err != nil {
				t.Fatal(err)
			}
			checkListed(t, client, repo, subject, all)
		})
	}
}

// The list under the tag is what other clients expect, and what they put
// there stays.
func TestAttachKeepsOthers(t *testing.T) {
	s := serve(t)
	client, _ := testClient(t, Options{})
	img := image(t, 1, 100)
	subject, repo := digestOf(t, img), parseRef(t, s.host()+"/team/app:v1").Context()
	all := attached(t, img, 2)
	if err := client.Attach(t.Context(), repo, subject, all[:1]); err != nil {
		t.Fatal(err)
	}
	list := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","x":{"y":1},"manifests":[
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":7,"digest":%q,"artifactType":"a/b","annotations":{"k":"v"},"new":true},
		{"mediaType":"application/x","size":1,"digest":"sha512:%0128d"}]}`, digestOf(t, all[0]), 0)
	s.write(t, subject, "application/vnd.oci.image.index.v1+json", list)
	if err := client.Attach(t.Context(), repo, subject, all[1:]); err != nil {
		t.Fatal(err)
	}
	got := s.read(t, subject)
	for _, want := range []string{`"x":{"y":1}`, `"annotations":{"k":"v"},"new":true`, `"digest":"sha512:00`, `"artifactType":"` + attest.ProfileType, `"io.pare.profile.paths":"1"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	var m v1.IndexManifest
	if err := json.Unmarshal([]byte(got), &m); err != nil || len(m.Manifests) != 3 {
		t.Errorf("%v, %d entries", err, len(m.Manifests))
	}
}

// write and read reach the list under the tag as another client would.
func (s *server) write(t *testing.T, subject v1.Hash, media, body string) {
	t.Helper()
	req := httptest.NewRequest(http.MethodPut, "/v2/team/app/manifests/"+tagOf(subject), strings.NewReader(body))
	req.Header.Set("Content-Type", media)
	w := httptest.NewRecorder()
	if s.registry.ServeHTTP(w, req); w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

func (s *server) read(t *testing.T, subject v1.Hash) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.registry.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/team/app/manifests/"+tagOf(subject), nil))
	return w.Body.String()
}

// together holds back answers until n of the kind have been asked for, once.
func together(n int) func(http.ResponseWriter, *http.Request, http.Handler) {
	var wg sync.WaitGroup
	wg.Add(n)
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r) // all of them read before any of them writes
		wg.Done()
		wg.Wait()
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	}
}

// conditional gives a registry ETags, and has it heed them; refused counts.
func conditional(next http.Handler, refused *atomic.Int64) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !strings.Contains(r.URL.Path, "/manifests/sha256-") {
			next.ServeHTTP(w, r)
			return
		}
		now := httptest.NewRecorder()
		next.ServeHTTP(now, httptest.NewRequest(http.MethodGet, r.URL.Path, nil))
		etag := `"` + now.Header().Get("Docker-Content-Digest") + `"`
		have, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
		if r.Method == http.MethodPut && (have != "" && have != etag || none != "" && now.Code == http.StatusOK) {
			refused.Add(1)
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		if now.Code == http.StatusOK {
			w.Header().Set("ETag", etag)
		}
		next.ServeHTTP(w, r)
	})
}

// Pushers that read the list together, and so each write without the others,
// lose nothing.
func TestAttachTogether(t *testing.T) {
	const pushers = 4
	for title, heeds := range map[string]bool{"registry without conditions": false, "registry with conditions": true} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			var refused atomic.Int64
			if heeds {
				s.registry = conditional(s.registry, &refused)
			}
			img := image(t, 1, 100)
			subject, repo := digestOf(t, img), parseRef(t, s.host()+"/team/app:v1").Context()
			s.add(&fault{method: "GET", path: "/manifests/sha256-", times: pushers, do: together(pushers)})
			all := attached(t, img, pushers)
			var wg sync.WaitGroup
			for _, a := range all {
				tm := defaultTiming
				tm.settle = 100 * time.Millisecond
				client, err := newClient(Options{}, tm)
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					if err := client.Attach(t.Context(), repo, subject, []v1.Image{a}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			client, _ := testClient(t, Options{})
			checkListed(t, client, repo, subject, all)
			if n := s.count("PUT /v2/team/app/manifests/sha256-"); n <= pushers {
				t.Errorf("%d writes: nobody was in another's way", n)
			}
			if n := refused.Load(); heeds && n < pushers-1 { // all but the first had read too early
				t.Errorf("%d writes were refused", n)
			}
		})
	}
}

func TestAttachFails(t *testing.T) {
	statusIs := func(code int) func(error) bool {
		return func(err error) bool {
			var se *StatusError
			return errors.As(err, &se) && se.Status == code && se.Registry != ""
		}
	}
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	for title, c := range map[string]struct {
		fault fault
		api   bool
		want  func(error) bool
		text  string
	}{
		"may not push":              {fault{method: "POST", do: status(403)}, false, statusIs(403), "blob sha256:"},
		"may not write manifests":   {fault{method: "PUT", path: "/manifests/sha256:", do: status(403)}, false, statusIs(403), "team/app@sha256:"},
		"may not write tags":        {fault{method: "PUT", path: "/manifests/sha256-", do: status(403)}, false, statusIs(403), "team/app:sha256-"},
		"may not list":              {fault{method: "GET", path: "/referrers/", do: status(403)}, false, statusIs(403), "what refers to team/app@sha256:"},
		"the API is broken":         {fault{method: "GET", path: "/referrers/", do: status(500)}, false, statusIs(500), "what refers to team/app@sha256:"},
		"the tag is read-only":      {fault{method: "PUT", path: "/manifests/sha256-", do: status(405)}, false, statusIs(405), ""},
		"the list cannot be read":   {fault{method: "GET", path: "/manifests/sha256-", do: status(500)}, false, statusIs(500), ""},
		"every condition fails":     {fault{method: "PUT", path: "/manifests/sha256-", do: status(412)}, false, is(ErrContended), "10 times"},
		"the list is never updated": {fault{method: "GET", path: "/referrers/", do: status(200, "Content-Type: application/vnd.oci.image.index.v1+json")}, true, nil, "parsing the list"},
		"it is not listed": {fault{method: "GET", path: "/referrers/", do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			fmt.Fprint(w, `{"schemaVersion":2,"manifests":[]}`)
		}}, true, is(ErrUnlisted), "sha256:"},
		"it is forgotten": {fault{method: "PUT", path: "/manifests/sha256-", do: status(201)}, false, is(ErrContended), ""},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t, &c.fault)
			if c.api {
				s.withAPI(false)
			}
			client, _ := testClient(t, Options{})
			client.timing.backoff = time.Millisecond
			img := image(t, 1, 100)
			err := client.Attach(t.Context(), parseRef(t, s.host()+"/team/app:v1").Context(), digestOf(t, img), attached(t, img, 1))
			if err == nil || c.want != nil && !c.want(err) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Faults that pass are ridden out.
func TestAttachSurvives(t *testing.T) {
	for title, f := range map[string]fault{
		"500 on the manifest":   {method: "PUT", path: "/manifests/sha256:", do: status(500)},
		"the manifest hangs up": {method: "PUT", path: "/manifests/sha256:", do: hangUp},
		"429 on the tag":        {method: "PUT", path: "/manifests/sha256-", do: status(429, "Retry-After: 3")},
		"503 on the list":       {method: "GET", path: "/referrers/", do: status(503)},
		"the list breaks off":   {method: "GET", path: "/manifests/sha256-", do: truncate(10)},
		"a condition fails":     {method: "PUT", path: "/manifests/sha256-", do: status(412)},
		"the write is lost":     {method: "PUT", path: "/manifests/sha256-", do: status(201)},
		"the tag hangs up, and took": {method: "PUT", path: "/manifests/sha256-", do: func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			f.times = 1
			s := serve(t, &f)
			client, _ := testClient(t, Options{})
			client.timing.backoff = time.Millisecond
			img := image(t, 1, 100)
			repo, all := parseRef(t, s.host()+"/team/app:v1").Context(), attached(t, img, 1)
			if err := client.Attach(t.Context(), repo, digestOf(t, img), all); err != nil {
				t.Fatalf("%v\nafter %q", err, s.asked(""))
			}
			if s.happened(&f) != 1 {
				t.Fatalf("the fault did not happen: %q", s.asked(""))
			}
			checkListed(t, client, repo, digestOf(t, img), all)
		})
	}
}

// A registry may take a moment to list what it took.
func TestAttachListedLate(t *testing.T) {
	s := serve(t, &fault{method: "GET", path: "/referrers/", times: 2, do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		fmt.Fprint(w, `{"schemaVersion":2,"manifests":[]}`)
	}})
	s.withAPI(false)
	client, clock := testClient(t, Options{})
	img := image(t, 1, 100)
	repo, all := parseRef(t, s.host()+"/team/app:v1").Context(), attached(t, img, 1)
	if err := client.Attach(t.Context(), repo, digestOf(t, img), all); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{time.Second, 2 * time.Second}; !slices.Equal(clock.waits, want) {
		t.Errorf("waited %v, want %v", clock.waits, want)
	}
	checkListed(t, client, repo, digestOf(t, img), all)
}

// A registry that gives ETags of a kind that no condition is about.
func TestAttachConditionOfNoUse(t *testing.T) {
	s := serve(t)
	next := s.registry
	s.registry = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Match")+r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		w.Header().Set("ETag", `"1"`)
		next.ServeHTTP(w, r)
	})
	client, _ := testClient(t, Options{})
	img := image(t, 1, 100)
	repo, all := parseRef(t, s.host()+"/team/app:v1").Context(), attached(t, img, 2)
	for _, a := range all {
		if err := client.Attach(t.Context(), repo, digestOf(t, img), []v1.Image{a}); err != nil {
			t.Fatal(err)
		}
	}
	checkListed(t, client, repo, digestOf(t, img), all)
}

// What is under the tag but no list is not written over.
func TestAttachTagTaken(t *testing.T) {
	s := serve(t)
	client, _ := testClient(t, Options{})
	img := image(t, 1, 100)
	subject, repo := digestOf(t, img), parseRef(t, s.host()+"/team/app:v1").Context()
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, subject, "application/vnd.docker.distribution.manifest.v2+json", string(raw))
	if err := client.Attach(t.Context(), repo, subject, attached(t, img, 1)); !errors.Is(err, errTagTaken) {
		t.Errorf("error %v", err)
	}
	if _, err := client.Referrers(t.Context(), repo.Digest(subject.String())); !errors.Is(err, errTagTaken) {
		t.Errorf("error %v", err)
	}
	if got := s.read(t, subject); got != string(raw) {
		t.Errorf("now %s", got)
	}
}

// Registries refuse a list with a manifest that was deleted.
func TestAttachAfterDeletion(t *testing.T) {
	s := serve(t)
	client, _ := testClient(t, Options{})
	img := image(t, 1, 100)
	subject, repo := digestOf(t, img), parseRef(t, s.host()+"/team/app:v1").Context()
	all := attached(t, img, 3)
	if err := client.Attach(t.Context(), repo, subject, all[:2]); err != nil {
		t.Fatal(err)
	}
	s.registry.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodDelete, "/v2/team/app/manifests/"+digestOf(t, all[0]).String(), nil))
	if err := client.Attach(t.Context(), repo, subject, all[2:]); err != nil {
		t.Fatal(err)
	}
	checkListed(t, client, repo, subject, all[1:])
}

// pages serves a list in pages; link makes the header to the page after n.
func pages(link func(n int) string, entries ...string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		n := 0
		fmt.Sscan(r.URL.Query().Get("page"), &n)
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json; charset=utf-8")
		if l := link(n); l != "" {
			w.Header().Set("Link", l)
		}
		fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[%s]}`, entries[min(n, len(entries)-1)])
	}
}

func TestReferrersPages(t *testing.T) {
	entry := func(n int) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:%064d","annotations":{"x":"y"}}`, n)
	}
	subject := "sha256:" + strings.Repeat("0", 64)
	relative := func(n int) string {
		if n == 2 {
			return ""
		}
		return fmt.Sprintf(`</v2/team/app/other/x>; rel="prev", </v2/team/app/referrers/%s?page=%d>; rel="next"`, subject, n+1)
	}
	endless := func(n int) string {
		return fmt.Sprintf(`<?page=%d>;rel=next`, n+1)
	}
	for title, c := range map[string]struct {
		do   func(http.ResponseWriter, *http.Request, http.Handler)
		want int
		text string
	}{
		"three":             {pages(relative, entry(3), entry(1)+","+entry(2), entry(3)), 3, ""},
		"without end":       {pages(endless, ""), 0, "more than 1000 pages"},
		"many entries":      {pages(endless, strings.TrimSuffix(strings.Repeat(entry(1)+",", 100), ",")), 0, "more than 10000 referrers"},
		"elsewhere":         {pages(func(int) string { return `<http://127.0.0.1:1/x>; rel="next"` }, entry(1)), 0, "at another registry, 127.0.0.1:1"},
		"no address":        {pages(func(int) string { return `<:>; rel="next"` }, entry(1)), 0, "the next page"},
		"not a list":        {pages(func(int) string { return "" }, `5`), 0, ""},
		"entries not known": {pages(func(int) string { return "" }, `{"digest":"md5:0"},{},`+entry(1)), 1, ""},
		"a huge page":       {pages(func(int) string { return "" }, strings.Repeat(" ", maxManifest)), 0, "limit"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t, &fault{method: "GET", path: "/referrers/", do: c.do})
			client, _ := testClient(t, Options{})
			ref, err := name.NewDigest(s.host() + "/team/app@" + subject)
			if err != nil {
				t.Fatal(err)
			}
			list, err := client.Referrers(t.Context(), ref)
			if c.text == "" && err != nil || c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)) {
				t.Errorf("error %v", err)
			}
			if err == nil && len(list.List) != c.want {
				t.Errorf("%d listed, want %d", len(list.List), c.want)
			}
		})
	}
}

// A token for pushing is asked for, and renewed when it expires meanwhile.
func TestAttachRenewsToken(t *testing.T) {
	g := serveGuarded(t)
	g.add(&fault{method: "PUT", path: "/manifests/sha256-", times: 1, do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		g.expire()
		g.ServeHTTP(w, r)
	}})
	client, _ := testClient(t, Options{Keychain: login{testUser, testPassword}})
	img := image(t, 1, 100)
	repo, all := parseRef(t, g.host()+"/team/app:v1").Context(), attached(t, img, 1)
	if err := client.Attach(t.Context(), repo, digestOf(t, img), all); err != nil {
		t.Fatal(err)
	}
	checkListed(t, client, repo, digestOf(t, img), all)
}

func TestAttachStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, &fault{method: "PUT", path: "/manifests/sha256-", do: func(http.ResponseWriter, *http.Request, http.Handler) { cancel() }})
	client, _ := testClient(t, Options{})
	img := image(t, 1, 100)
	err := client.Attach(ctx, parseRef(t, s.host()+"/team/app:v1").Context(), digestOf(t, img), attached(t, img, 1))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
