package onbase

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/pare-image/pare/internal/testimage"
)

// dockerImage has the layers of archive under Docker's media types, and
// history with a line that made none.
func dockerImage(t *testing.T, history []v1.History, archive string) v1.Image {
	t.Helper()
	all, err := testimage.New(t, archive).Layers()
	if err != nil {
		t.Fatal(err)
	}
	img := empty.Image
	for _, l := range all {
		if img, err = mutate.Append(img, mutate.Addendum{Layer: l, MediaType: types.DockerLayer, Annotations: map[string]string{"toc": "x"}}); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.DeepCopy()
	cfg.History = history
	cfg.Config.Env = []string{"OF=base"}
	if img, err = mutate.ConfigFile(img, cfg); err != nil {
		t.Fatal(err)
	}
	return img
}

const twoLayers = "-- layer --\nfile a\n-- layer --\nfile b\n"

func TestStand(t *testing.T) {
	base := dockerImage(t, []v1.History{{CreatedBy: "one"}, {CreatedBy: "env", EmptyLayer: true}, {CreatedBy: "two"}}, twoLayers)
	upper, err := testimage.New(t, "-- layer --\nfile c\n").Layers()
	if err != nil {
		t.Fatal(err)
	}
	cfg := &v1.ConfigFile{OS: "linux", Architecture: "arm64", Config: v1.Config{User: "1:1"}}
	var digests []string
	for range 2 {
		img, err := Stand(base, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if img, err = mutate.Append(img, mutate.Addendum{Layer: upper[0], History: v1.History{CreatedBy: "pare slim"}}); err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Fatal(err)
		}
		checkStands(t, img, base)
		d, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d.String())
	}
	if digests[0] != digests[1] {
		t.Errorf("twice the same gives %q", digests)
	}
}

// checkStands holds that img has base's blobs first, OCI's media types, its
// own config, and a line of history for every layer.
func checkStands(t *testing.T, img, base v1.Image) {
	t.Helper()
	got, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	want, err := base.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Layers) != len(want.Layers)+1 || got.MediaType != types.OCIManifestSchema1 || got.Config.MediaType != types.OCIConfigJSON {
		t.Fatalf("%d layers, %s, %s", len(got.Layers), got.MediaType, got.Config.MediaType)
	}
	for i, l := range want.Layers {
		if g := got.Layers[i]; g.Digest != l.Digest || g.Size != l.Size || g.MediaType != types.OCILayer || g.Annotations["toc"] != "x" {
			t.Errorf("layer %d is %+v, the base's %+v", i, g, l)
		}
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var history []string
	for _, h := range cfg.History {
		history = append(history, h.CreatedBy)
	}
	if d := cmp.Diff([]string{"one", "env", "two", "pare slim"}, history); d != "" {
		t.Errorf("history (-want +got):\n%s", d)
	}
	if cfg.Config.User != "1:1" || len(cfg.Config.Env) > 0 || cfg.Architecture != "arm64" {
		t.Errorf("config %+v", cfg)
	}
}

// A history that does not match the layers says nothing of them.
func TestStandWithoutHistory(t *testing.T) {
	for _, history := range [][]v1.History{nil, {{CreatedBy: "one"}}, {{CreatedBy: "1"}, {CreatedBy: "2"}, {CreatedBy: "3"}}} {
		img, err := Stand(dockerImage(t, history, twoLayers), &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if len(cfg.History) != 2 || cfg.History[0].CreatedBy != "" || len(cfg.RootFS.DiffIDs) != 2 {
			t.Errorf("of %v: history %v", history, cfg.History)
		}
	}
}
