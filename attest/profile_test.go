package attest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
)

var update = flag.Bool("update", false, "rewrite golden files")

const app = `
-- layer --
dir app
file app/run 0755 "run"
`

// recorded is an image and a profile of it.
func recorded(t *testing.T) (v1.Image, slim.Identity, *profile.Profile) {
	t.Helper()
	img := testimage.New(t, app)
	id, err := slim.Identify(img)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 5, 6, 9, 8, 7, 0, time.FixedZone("", 2*3600))
	p := &profile.Profile{
		Image: id.Image(),
		Sessions: []profile.Session{
			{ID: "sha256:a", Engine: "builtin", Start: at.Add(-time.Hour)}, {ID: "sha256:b", Engine: "builtin", Start: at}, {ID: "sha256:c", Engine: "strace"},
		},
		Accesses: []profile.Access{{Path: "/app/run", Exists: true, Kinds: []profile.Kind{profile.Exec}}},
	}
	return img, id, p
}

func TestProfile(t *testing.T) {
	img, id, p := recorded(t)
	a, err := Profile(img, p)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := a.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/manifest.json", raw)
	if got := TypeOf(raw); got != ProfileType {
		t.Errorf("type %q", got)
	}
	again, err := Profile(testimage.New(t, app), p)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := digest(t, a), digest(t, again); x != y {
		t.Errorf("made twice: %v and %v", x, y)
	}
	back, err := ReadProfile(a, id)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(canonical(t, p), canonical(t, back)); d != "" {
		t.Error(d)
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(bytes.TrimSpace(want)), string(got)); d != "" {
		t.Error(d)
	}
}

func digest(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func canonical(t *testing.T, p *profile.Profile) string {
	t.Helper()
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What is attached must say that it is of the image.
func TestProfileOfAnother(t *testing.T) {
	other := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}.String()
	for name, c := range map[string]struct {
		change func(*profile.Profile)
		want   error
	}{
		"another config":   {func(p *profile.Profile) { p.Image.Config = other }, slim.ErrProfileImage},
		"another manifest": {func(p *profile.Profile) { p.Image.Config, p.Image.Digest = "", other }, slim.ErrProfileImage},
		"another platform": {func(p *profile.Profile) { p.Image.Platform = "linux/s390x" }, slim.ErrProfileImage},
		"does not say":     {func(p *profile.Profile) { p.Image = profile.Image{} }, slim.ErrProfileImage},
		"nothing in it":    {func(p *profile.Profile) { p.Accesses = nil }, slim.ErrEmptyProfile},
		"packed anew":      {func(p *profile.Profile) { p.Image.Digest = other }, nil},
		"by digest alone":  {func(p *profile.Profile) { p.Image.Config = "" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			img, _, p := recorded(t)
			c.change(p)
			if _, err := Profile(img, p); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// forged is an artifact whose parts may be anything.
type forged struct {
	v1.Image
	raw  []byte
	blob []byte
}

func (f forged) RawManifest() ([]byte, error) { return f.raw, nil }

func (f forged) LayerByDigest(v1.Hash) (v1.Layer, error) {
	return static.NewLayer(f.blob, profile.MediaType), nil
}

func TestReadProfileHostile(t *testing.T) {
	zero := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	for name, change := range map[string]func(m *v1.Manifest, f *forged){
		"no JSON":            func(_ *v1.Manifest, f *forged) { f.raw = []byte("{") },
		"null":               func(_ *v1.Manifest, f *forged) { f.raw = []byte("null") },
		"too long":           func(_ *v1.Manifest, f *forged) { f.raw = bytes.Repeat([]byte(" "), maxManifest+1) },
		"an index":           func(m *v1.Manifest, _ *forged) { m.MediaType = types.OCIImageIndex },
		"schema 1":           func(m *v1.Manifest, _ *forged) { m.SchemaVersion = 1 },
		"another type":       func(m *v1.Manifest, _ *forged) { m.ArtifactType = "application/spdx+json" },
		"no subject":         func(m *v1.Manifest, _ *forged) { m.Subject = nil },
		"another subject":    func(m *v1.Manifest, _ *forged) { m.Subject.Digest = zero },
		"a config":           func(m *v1.Manifest, _ *forged) { m.Config.MediaType = types.OCIConfigJSON },
		"a large config":     func(m *v1.Manifest, _ *forged) { m.Config.Size = 1 << 40 },
		"no layer":           func(m *v1.Manifest, _ *forged) { m.Layers = nil },
		"two layers":         func(m *v1.Manifest, _ *forged) { m.Layers = append(m.Layers, m.Layers[0]) },
		"an image's layer":   func(m *v1.Manifest, _ *forged) { m.Layers[0].MediaType = types.OCILayer },
		"negative size":      func(m *v1.Manifest, _ *forged) { m.Layers[0].Size = -1 },
		"a huge profile":     func(m *v1.Manifest, _ *forged) { m.Layers[0].Size = maxProfile + 1 },
		"a foreign layer":    func(m *v1.Manifest, _ *forged) { m.Layers[0].URLs = []string{"http://169.254.169.254/"} },
		"data in place":      func(m *v1.Manifest, _ *forged) { m.Layers[0].Data = []byte("{}") },
		"a longer blob":      func(_ *v1.Manifest, f *forged) { f.blob = append(f.blob, ' ') },
		"a shorter blob":     func(_ *v1.Manifest, f *forged) { f.blob = f.blob[:len(f.blob)-1] },
		"a flipped bit":      func(_ *v1.Manifest, f *forged) { f.blob[len(f.blob)/2] ^= 1 },
		"a size too small":   func(m *v1.Manifest, _ *forged) { m.Layers[0].Size-- },
		"another digest":     func(m *v1.Manifest, _ *forged) { m.Layers[0].Digest = zero },
		"no profile, though": func(m *v1.Manifest, f *forged) { f.blob = []byte("[]"); describe(t, m, f.blob) },
		"an empty document":  func(m *v1.Manifest, f *forged) { f.blob = []byte("{}"); describe(t, m, f.blob) },
		"digest not one":     func(m *v1.Manifest, f *forged) { m.Layers[0].Digest = v1.Hash{Algorithm: "../..", Hex: "x"} },
	} {
		t.Run(name, func(t *testing.T) {
			img, id, p := recorded(t)
			f, m := forge(t, img, p)
			change(m, &f)
			if f.raw == nil {
				f.raw = encode(t, m)
			}
			if got, err := ReadProfile(f, id); !errors.Is(err, ErrInvalid) || got != nil {
				t.Errorf("%v, error %v", got, err)
			}
		})
	}
}

// The subject is right, and the profile in it says that it is another's.
func TestReadProfileOfAnother(t *testing.T) {
	img, id, p := recorded(t)
	f, m := forge(t, img, p)
	p.Image.Config, p.Image.Digest = "", v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}.String()
	f.blob = []byte(canonical(t, p))
	describe(t, m, f.blob)
	f.raw = encode(t, m)
	if got, err := ReadProfile(f, id); !errors.Is(err, slim.ErrProfileImage) || got != nil {
		t.Errorf("%v, error %v", got, err)
	}
}

// forge returns what Profile would make, to be changed.
func forge(t *testing.T, img v1.Image, p *profile.Profile) (forged, *v1.Manifest) {
	t.Helper()
	a, err := Profile(img, p)
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return forged{Image: a, blob: []byte(canonical(t, p))}, m.DeepCopy()
}

func describe(t *testing.T, m *v1.Manifest, blob []byte) {
	t.Helper()
	d, err := partial.Descriptor(static.NewLayer(blob, profile.MediaType))
	if err != nil {
		t.Fatal(err)
	}
	m.Layers[0] = *d
}

func encode(t *testing.T, m *v1.Manifest) []byte {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzReadProfile(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"layers":[{"size":1,"digest":"sha256:x"}]}`), []byte("{}"))
	f.Add([]byte(`{"schemaVersion":2,"layers":null,"subject":{}}`), []byte{})
	img := testimage.New(f, app)
	id, err := slim.Identify(img)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw, blob []byte) {
		TypeOf(raw)
		if p, err := ReadProfile(forged{raw: raw, blob: blob}, id); (p == nil) == (err == nil) {
			t.Errorf("%v and %v", p, err)
		}
	})
}
