package slim

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

// fullConfig is a config with every field, and a secret in every place where
// the build of an image leaves one behind.
const fullConfig = `
-- layer --
file t
file left "s3cret"
file etc/passwd "root:x:0:0::/root:/bin/sh\nweb:x:7:8::/srv:/bin/sh\n"
-- layer --
file .wh.left
file u
-- image --
{
 "architecture": "arm64", "variant": "v8", "os": "linux", "os.version": "1", "author": "an author",
 "created": "2021-03-04T05:06:07.123456789+02:00",
 "container": "s3cret", "docker_version": "s3cret",
 "container_config": {"Cmd": ["s3cret"]},
 "history": [
  {"created_by": "ARG TOKEN=s3cret", "empty_layer": true},
  {"created_by": "RUN |1 TOKEN=s3cret /bin/sh -c curl"},
  {"created_by": "RUN rm", "author": "s3cret", "comment": "s3cret"}
 ],
 "config": {
  "User": "web", "WorkingDir": "/srv", "Entrypoint": ["/t"], "Cmd": ["-x"], "Env": ["PATH=/bin", "LANG=C"],
  "Labels": {
   "org.opencontainers.image.title": "web", "org.opencontainers.image.base.name": "s3cret",
   "org.opencontainers.image.base.digest": "s3cret", "io.pare.version": "s3cret"
  },
  "ExposedPorts": {"8080/tcp": {}}, "Volumes": {"/data": {}}, "StopSignal": "SIGQUIT", "Shell": ["/bin/bash", "-c"],
  "OnBuild": ["RUN x"], "ArgsEscaped": true, "NetworkDisabled": true, "Tty": true, "OpenStdin": true,
  "Healthcheck": {"Test": ["CMD", "/t"], "Interval": 1000000000, "Timeout": 2000000000, "StartPeriod": 3, "Retries": 4},
  "Hostname": "s3cret", "Domainname": "s3cret", "Image": "s3cret", "MacAddress": "s3cret", "AttachStdout": true
 }
}
`

func built(t *testing.T, tree *layers.Tree, o Options) (*Plan, v1.Image) {
	t.Helper()
	plan := planned(t, tree, opened("/t", "/u"), o)
	img, err := Build(t.Context(), tree, plan, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return plan, img
}

func TestConfigIsCarriedOver(t *testing.T) {
	src := mutate.Annotations(testimage.New(t, fullConfig), map[string]string{
		"org.opencontainers.image.vendor": "v", "org.opencontainers.image.base.name": "s3cret", "io.pare.source.digest": "s3cret", "io.pare.rebase.layers": "s3cret",
	}).(v1.Image)
	tree := openImage(t, src)
	plan, img := built(t, tree, Options{Version: "1.2.3"})
	got, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]string{
		LabelSource: tree.Digest().String(), LabelProfile: plan.Profile.Digest, LabelOptions: plan.OptionsDigest, LabelVersion: "1.2.3",
		LabelOptionsText: `{"granularity":"auto","layers":"preserve","reach":"report","compression":"gzip"}`,
	}
	labels := map[string]string{"org.opencontainers.image.title": "web"}
	annotations := map[string]string{"org.opencontainers.image.vendor": "v"}
	for k, v := range made {
		labels[k], annotations[k] = v, v
	}
	want := &v1.ConfigFile{
		Architecture: "arm64", Variant: "v8", OS: "linux", OSVersion: "1", Author: "an author",
		Created: v1.Time{Time: time.Date(2021, 3, 4, 3, 6, 7, 123456789, time.UTC)},
		Config: v1.Config{
			User: "7:8", WorkingDir: "/srv", Entrypoint: []string{"/t"}, Cmd: []string{"-x"}, Env: []string{"PATH=/bin", "LANG=C"},
			Labels: labels, ExposedPorts: map[string]struct{}{"8080/tcp": {}}, Volumes: map[string]struct{}{"/data": {}},
			StopSignal: "SIGQUIT", Shell: []string{"/bin/bash", "-c"}, OnBuild: []string{"RUN x"},
			ArgsEscaped: true, NetworkDisabled: true, Tty: true, OpenStdin: true,
			Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "/t"}, Interval: time.Second, Timeout: 2 * time.Second, StartPeriod: 3, Retries: 4},
		},
		RootFS: got.RootFS, History: got.History,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("config (-want +got):\n%s", d)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(annotations, m.Annotations); d != "" {
		t.Errorf("annotations (-want +got):\n%s", d)
	}
	if len(got.History) != len(m.Layers) || len(got.RootFS.DiffIDs) != len(m.Layers) {
		t.Errorf("%d lines of history, %d diffIDs, %d layers", len(got.History), len(got.RootFS.DiffIDs), len(m.Layers))
	}
	for i, h := range got.History {
		if h.EmptyLayer || !h.Created.Equal(want.Created.Time) || !strings.HasPrefix(h.CreatedBy, "pare slim: ") || h.Author != "" || h.Comment != "" {
			t.Errorf("history %d: %+v", i, h)
		}
	}
}

// What the source was built with is in no byte of the output, unpacked or not.
func TestNoSecretOfTheSourceIsLeft(t *testing.T) {
	img := mutate.Annotations(testimage.New(t, fullConfig), map[string]string{"org.opencontainers.image.base.name": "s3cret"}).(v1.Image)
	tree := openImage(t, img)
	for _, o := range []Options{{}, {Layers: LayersSquash, Compression: layers.Zstd}, {Compression: layers.EStargz}} {
		plan, out := built(t, tree, o)
		var all bytes.Buffer
		config, err1 := out.RawConfigFile()
		manifest, err2 := out.RawManifest()
		ls, err3 := out.Layers()
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
		all.Write(config)
		all.Write(manifest)
		for _, l := range ls {
			r, err := l.Uncompressed()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(&all, r); err != nil {
				t.Fatal(err)
			}
			r.Close()
		}
		if err := plan.Write(&all); err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(all.Bytes(), []byte("s3cret")); i >= 0 {
			t.Errorf("%+v: the secret is in %q", o, all.Bytes()[max(0, i-80):i+10])
		}
	}
}

func TestTimeOfTheImage(t *testing.T) {
	epoch := int64(1_000_000_000)
	for _, c := range []struct {
		name, created string
		o             Options
		want          time.Time
	}{
		{"the source's", `"2020-01-02T03:04:05Z"`, Options{}, time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)},
		{"asked for", `"2020-01-02T03:04:05Z"`, Options{SourceDateEpoch: &epoch}, time.Unix(epoch, 0)},
		{"the source says none", `"0001-01-01T00:00:00Z"`, Options{}, time.Unix(0, 0)},
	} {
		tree := open(t, "\n-- layer --\nfile t\nfile u\n-- image --\n"+`{"os":"linux","architecture":"amd64","created":`+c.created+"}")
		plan, img := built(t, tree, c.o)
		f, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if !f.Created.Equal(c.want) || !f.History[0].Created.Equal(c.want) {
			t.Errorf("%s: created %v, history %v", c.name, f.Created, f.History[0].Created)
		}
		for _, g := range plan.Generated {
			if !g.ModTime.Equal(c.want) {
				t.Errorf("%s: %s of %v", c.name, g.Path, g.ModTime)
			}
		}
	}
}

// An option, and nothing else, changes the options' digest; pare's version is
// a label of its own.
func TestOptionsDigest(t *testing.T) {
	digest := func(o Options) string {
		o, err := o.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		return o.digest()
	}
	base := digest(Options{})
	if base != digest(Options{Granularity: GranularityAuto, Layers: LayersPreserve, Compression: layers.Gzip, Version: "9"}) {
		t.Error("defaults made explicit, or the version, change the digest")
	}
	epoch := int64(0)
	seen := map[string]bool{base: true}
	for _, o := range []Options{
		{Granularity: GranularityFile},
		{Layers: LayersSquash},
		{User: "1:1"},
		{Keep: []string{"/a"}},
		{Drop: []string{"/a"}},
		{Own: []string{"/a"}},
		{Rules: "keep /a"},
		{Groups: []string{"ca"}},
		{Compression: layers.Zstd},
		{Allow: []string{FindingLowPort}},
		{SourceDateEpoch: &epoch},
	} {
		d := digest(o)
		if seen[d] {
			b, _ := json.Marshal(o)
			t.Errorf("%s has the digest of others", b)
		}
		seen[d] = true
	}
}
