package registry

import (
	"net/http"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// shelf is Documents in memory.
type shelf map[string][]byte

func (s shelf) Document(d string) ([]byte, bool) { b, ok := s[d]; return b, ok }
func (s shelf) SaveDocument(d string, b []byte)  { s[d] = b }
func (s shelf) openedBy(t *testing.T) *Client {
	t.Helper()
	c, _ := testClient(t, Options{})
	c.Keep(s)
	return c
}

// What an earlier run has read by digest is not asked for again; a tag is.
func TestKeep(t *testing.T) {
	s := serve(t)
	kept := shelf{}
	first := kept.openedBy(t)
	img := image(t, 1, 2000)
	digest := push(t, first, s, img)
	read := func(c *Client, ref string) {
		t.Helper()
		got, err := c.Get(t.Context(), parseRef(t, s.host()+"/team/app"+ref))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := got.Image.ConfigFile(); err != nil {
			t.Fatal(err)
		}
		if d, err := got.Image.Digest(); err != nil || d != digest {
			t.Fatalf("%s is %s, %v; want %s", ref, d, err, digest)
		}
	}
	read(first, "@"+digest.String())
	if len(kept) != 2 {
		t.Errorf("%d documents are kept, want the manifest and the config", len(kept))
	}
	before := s.count("GET /v2/team/")
	read(kept.openedBy(t), "@"+digest.String())
	if n := s.count("GET /v2/team/") - before; n != 0 {
		t.Errorf("%d requests for what was kept: %q", n, s.asked("GET"))
	}
	read(kept.openedBy(t), ":v1")
	if n := s.count("GET /v2/team/") - before; n != 1 {
		t.Errorf("%d requests for a tag, want its manifest: %q", n, s.asked("GET"))
	}
	// Nothing is believed that has another digest.
	for d := range kept {
		kept[d] = []byte(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}`)
	}
	read(kept.openedBy(t), "@"+digest.String())
	if n := s.count("GET /v2/team/") - before; n != 3 {
		t.Errorf("%d requests, want two more than before: %q", n, s.asked("GET"))
	}
}

func push(t *testing.T, c *Client, s *server, img v1.Image) v1.Hash {
	t.Helper()
	if err := c.Push(t.Context(), parseRef(t, s.host()+"/team/app:v1"), []v1.Image{img}, nil); err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A blob that this client has sent is mounted for the next image, and left
// alone where it is.
func TestPushPlaced(t *testing.T) {
	s := serve(t, &fault{method: "POST", path: "/blobs/uploads/", do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Query().Get("mount") != "" { // its blobs are those of all repositories
			w.WriteHeader(http.StatusCreated)
			return
		}
		next.ServeHTTP(w, r)
	}})
	client, _ := testClient(t, Options{})
	img := rearranged(t, s, client)
	own, err := image(t, 1, 1000).Layers()
	if err != nil {
		t.Fatal(err)
	}
	other, err := mutate.AppendLayers(img, own...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Digest(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		ref   string
		img   v1.Image
		posts int // mounts, and blobs in one request each; the manifest is put
	}{
		{"/new/app:v1", img, 4 + 1 + 1}, // the mounts, the new layer, the config
		{"/new/app:v2", other, 1 + 1},   // another layer and config
		{"/newer/app:v1", img, 5 + 1},   // layers and config are mounted
	} {
		posts, puts := s.count("POST"), s.count("PUT")
		if err := client.Push(t.Context(), parseRef(t, s.host()+step.ref), []v1.Image{step.img}, nil); err != nil {
			t.Fatal(err)
		}
		if posts, puts = s.count("POST")-posts, s.count("PUT")-puts; posts != step.posts || puts != 1 {
			t.Errorf("%s: %d POSTs and %d PUTs, want %d and 1: %q", step.ref, posts, puts, step.posts, s.asked("P"))
		}
	}
}

// A registry that knows no such path is asked once for a list of referrers;
// one that says so of an image, for each.
func TestReferrersOnce(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		asks   int
	}{
		"no such path":  {"404 page not found", 1},
		"no such image": {`{"errors":[{"code":"NAME_UNKNOWN"}]}`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &fault{method: "GET", path: "/referrers/", do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				w.WriteHeader(http.StatusNotFound)
				w.Write([]byte(c.answer))
			}})
			client, _ := testClient(t, Options{})
			digest := push(t, client, s, image(t, 1, 100))
			for range 2 {
				repo := parseRef(t, s.host()+"/team/app:v1").Context()
				if _, err := client.Referrers(t.Context(), repo.Digest(digest.String())); err != nil {
					t.Fatal(err)
				}
			}
			if n := s.count("GET /v2/team/app/referrers/"); n != c.asks {
				t.Errorf("asked %d times, want %d", n, c.asks)
			}
		})
	}
}
