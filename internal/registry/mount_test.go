package registry

import (
	"net/http"
	"slices"
	"strings"
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
// is read, and each other thing costs as few requests as there are.
func TestPushRearranges(t *testing.T) {
	s := serve(t, &fault{method: "POST", path: "/blobs/uploads/", do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Query().Get("mount") != "" { // its blobs are those of all repositories
			w.WriteHeader(http.StatusCreated)
			return
		}
		next.ServeHTTP(w, r)
	}})
	client, _ := testClient(t, Options{})
	img := rearranged(t, s, client)
	s.mu.Lock()
	before := len(s.requests)
	s.mu.Unlock()
	if err := client.Push(t.Context(), parseRef(t, s.host()+"/team/app:v1"), []v1.Image{img}, nil); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	var got []string
	for _, r := range s.requests[before:] {
		method, path, _ := strings.Cut(r, " ")
		switch {
		case strings.Contains(path, "/blobs/uploads/") && method == "POST":
			got = append(got, "POST upload")
		case strings.Contains(path, "/blobs/uploads/"):
			got = append(got, method+" blob")
		default:
			got = append(got, method+" "+path)
		}
	}
	s.mu.Unlock()
	slices.Sort(got)
	want := []string{
		"POST upload", "POST upload", "POST upload", "POST upload", // two mounts, the new layer, the config
		"PUT /v2/team/app/manifests/v1", "PUT blob", "PUT blob",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	checkThere(t, client, s, img)
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

// Each registry is asked once what it wants.
func TestPingOnce(t *testing.T) {
	s := serve(t)
	client, _ := testClient(t, Options{})
	rearranged(t, s, client)
	if n := s.count("GET /v2/"); n != s.count("GET /v2/base")+s.count("GET /v2/team")+1 {
		t.Errorf("%d requests of /v2/: %q", n, s.asked("GET"))
	}
}
