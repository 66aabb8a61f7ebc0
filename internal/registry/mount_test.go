package registry

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// rearranged is an image of layers that two repositories of s have, and of
// one that is new.
func rearranged(t *testing.T, s *server, client *Client) v1.Image {
	t.Helper()
	var ls []v1.Layer
	for _, repo := range []string{"/base:1", "/team/app:1"} {
		ref := parseRef(t, s.host()+repo)
		if err := client.Push(t.Context(), ref, []v1.Image{image(t, 2, 1000)}, nil); err != nil {
			t.Fatal(err)
		}
		got, err := client.Get(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		more, err := got.Image.Layers()
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, more...)
	}
	fresh, err := image(t, 1, 1000).Layers()
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, append(ls, fresh...)...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := img.Digest(); err != nil { // which asks for configs
		t.Fatal(err)
	}
	return img
}

// Layers that the registry has are mounted, or left alone where they are; none
// is read, and each other thing costs as few requests as the registry allows.
func TestPushRearranges(t *testing.T) {
	const post, put, manifest = "POST upload", "PUT blob", "PUT /v2/team/app/manifests/v1"
	for name, x := range map[string]struct {
		single func(w http.ResponseWriter, r *http.Request, next http.Handler)
		want   []string // two mounts, the new layer, the config, the manifest
	}{
		"one request a blob": {single: func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) }, want: []string{post, post, post, post, manifest}},
		"two, the first of which is taken for such": {single: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.URL.RawQuery = ""
			next.ServeHTTP(w, r)
		}, want: []string{post, post, post, post, manifest, put, put}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, uploadFault(x.single))
			client, _ := testClient(t, Options{})
			img := rearranged(t, s, client)
			before := len(s.asked(""))
			if err := client.Push(t.Context(), parseRef(t, s.host()+"/team/app:v1"), []v1.Image{img}, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(x.want, writes(s.asked("")[before:])); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			checkThere(t, client, s, img)
		})
	}
}

// uploadFault mounts everything, as the server's blobs are those of all
// repositories, and has single answer blobs that come in one request.
func uploadFault(single func(http.ResponseWriter, *http.Request, http.Handler)) *fault {
	return &fault{method: "POST", path: "/blobs/uploads/", do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch q := r.URL.Query(); {
		case q.Has("mount"):
			w.WriteHeader(http.StatusCreated)
		case q.Has("digest"):
			single(w, r, next)
		default:
			next.ServeHTTP(w, r)
		}
	}}
}

// writes are requests without the names of blobs, sorted.
func writes(requests []string) []string {
	var out []string
	for _, r := range requests {
		method, path, _ := strings.Cut(r, " ")
		switch {
		case strings.Contains(path, "/blobs/uploads/") && method == "POST":
			out = append(out, "POST upload")
		case strings.Contains(path, "/blobs/uploads/"):
			out = append(out, method+" blob")
		default:
			out = append(out, method+" "+path)
		}
	}
	slices.Sort(out)
	return out
}

// A registry, or a proxy before it, that refuses a blob in one request gets it
// in two, and is not asked again; whom it refuses, it refuses.
func TestPushInOneRequestRefused(t *testing.T) {
	for status, want := range map[int]struct {
		singles int
		fails   bool
	}{http.StatusMethodNotAllowed: {2, false}, http.StatusRequestEntityTooLarge: {2, false}, http.StatusForbidden: {1, true}} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			var singles atomic.Int32
			s := serve(t, uploadFault(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				singles.Add(1)
				w.WriteHeader(status)
			}))
			client, _ := testClient(t, Options{})
			img := rearranged(t, s, client)
			var err error
			for _, to := range []string{"/team/app:v1", "/team/other:1"} {
				err = errors.Join(err, client.Push(t.Context(), parseRef(t, s.host()+to), []v1.Image{img}, nil))
			}
			if (err != nil) != want.fails {
				t.Fatal(err)
			}
			if n := int(singles.Load()); n < 1 || !want.fails && n > want.singles {
				t.Errorf("%d blobs in one request each", n)
			}
			if !want.fails {
				checkThere(t, client, s, img)
			}
		})
	}
}

// A registry that mounts nothing gets the blobs after all.
func TestPushWithoutMounting(t *testing.T) {
	refuse := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		q := r.URL.Query()
		q.Del("mount")
		q.Del("from")
		r.URL.RawQuery = q.Encode()
		next.ServeHTTP(w, r)
	}
	s := serve(t, &fault{method: "POST", path: "/blobs/uploads/", do: refuse})
	client, _ := testClient(t, Options{})
	img := rearranged(t, s, client)
	if err := client.Push(t.Context(), parseRef(t, s.host()+"/team/app:v1"), []v1.Image{img}, nil); err != nil {
		t.Fatal(err)
	}
	checkThere(t, client, s, img)
}

// Nor does one that calls mounting forbidden, or nothing it knows; whom it lets
// write nothing, it refuses.
func TestPushMountingRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		all    bool
	}{{"mounting is forbidden", http.StatusForbidden, false}, {"mounting is unknown", http.StatusMethodNotAllowed, false}, {"writing is forbidden", http.StatusForbidden, true}} {
		t.Run(c.name, func(t *testing.T) {
			var refuses atomic.Bool
			s := serve(t, &fault{method: "POST", path: "/blobs/uploads/", do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.URL.Query().Has("mount") || c.all && refuses.Load() {
					w.WriteHeader(c.status)
					return
				}
				next.ServeHTTP(w, r)
			}})
			client, _ := testClient(t, Options{})
			img := rearranged(t, s, client)
			refuses.Store(true)
			err := client.Push(t.Context(), parseRef(t, s.host()+"/team/app:v1"), []v1.Image{img}, nil)
			switch {
			case c.all && err == nil:
				t.Error("what is forbidden was done")
			case !c.all && err != nil:
				t.Error(err)
			case !c.all:
				checkThere(t, client, s, img)
			}
		})
	}
}

// Each registry is asked once what it wants.
func TestPingOnce(t *testing.T) {
	s := serve(t)
	client, _ := testClient(t, Options{})
	rearranged(t, s, client)
	if n := s.count("GET /v2/"); n != s.count("GET /v2/base")+s.count("GET /v2/team")+1 {
		t.Errorf("%d requests of /v2/: %q", n, s.asked("GET"))
	}
}
