package slim

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

var provenanceOptions = Options{
	Granularity: GranularityFile, Layers: LayersSquash, Reach: ReachKeep, User: "5:6", Keep: []string{"/a b", "/<&>"}, Drop: []string{"/x"},
	Own: []string{"/"}, Rules: "keep /r\n", Groups: []string{"tz"}, Compression: layers.Zstd, Allow: []string{FindingUnusedPattern},
	Origin: Origin{
		Source: "sha256:" + strings.Repeat("1", 64), Base: "sha256:" + strings.Repeat("2", 64),
		Profiles: []string{"sha256:" + strings.Repeat("3", 64), "sha256:" + strings.Repeat("4", 64)},
	},
}

// What an image says is what it was made of, to the last option.
func TestProvenanceIsReadBack(t *testing.T) {
	for name, o := range map[string]Options{"defaults": {}, "all": provenanceOptions} {
		t.Run(name, func(t *testing.T) {
			o.Version = "1.2.3"
			tree := openImage(t, testimage.New(t, fullConfig))
			plan, img := built(t, tree, o)
			c, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			layer, err := testimage.Layer(nil, "gzip")
			if err != nil {
				t.Fatal(err)
			}
			on, err := mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "COPY . /app"}})
			if err != nil {
				t.Fatal(err)
			}
			more, err := on.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if !IsSlim(c) || IsSlim(more) {
				t.Errorf("slimmed: %t; what was built on it: %t", IsSlim(c), IsSlim(more))
			}
			got, err := ReadProvenance(c.Config.Labels)
			if err != nil {
				t.Fatal(err)
			}
			want := &Provenance{Source: tree.Digest().String(), Profile: plan.Profile.Digest, Options: plan.Options}
			want.Options.Version = ""
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// The origin is told apart from the options, whose digest says whether two
// images were made alike.
func TestOriginIsNoOption(t *testing.T) {
	o := provenanceOptions
	o.Origin = Origin{}
	if o.digest() != provenanceOptions.digest() {
		t.Error("the origin changes the options' digest")
	}
	if d := cmp.Diff((&Provenance{Source: "s", Profile: "p"}).Profiles(), []string{"p"}); d != "" {
		t.Error(d)
	}
	p := &Provenance{Source: "s", Profile: "p", Options: provenanceOptions}
	if p.Recorded() != p.Options.Origin.Source || len(p.Profiles()) != 2 {
		t.Errorf("recorded on %s, by %q", p.Recorded(), p.Profiles())
	}
}

func TestProvenanceIsRefused(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	o, err := provenanceOptions.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	whole := map[string]string{LabelSource: digest, LabelProfile: digest, LabelOptions: o.digest(), LabelOptionsText: o.text()}
	if _, err := ReadProvenance(whole); err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat("[", 30_000)
	for name, c := range map[string]struct{ label, value, want string }{
		"no profile":        {LabelProfile, "", LabelProfile},
		"no digest":         {LabelSource, "sha256:1\n", LabelSource},
		"origin":            {LabelOriginSource, digest + " " + digest, LabelOriginSource},
		"base":              {LabelOriginBase, "x", LabelOriginBase},
		"profiles":          {LabelOriginProfiles, digest + " x", LabelOriginProfiles},
		"no options":        {LabelOptionsText, "", "older pare"},
		"not JSON":          {LabelOptionsText, "{", LabelOptionsText},
		"deep":              {LabelOptionsText, deep, LabelOptionsText},
		"too long":          {LabelOptionsText, strings.Repeat(" ", maxOptionsText+1), LabelOptionsText},
		"two":               {LabelOptionsText, o.text() + "{}", "more data"},
		"an unknown option": {LabelOptionsText, `{"granulate":"file"}`, "granulate"},
		"a bad pattern":     {LabelOptionsText, `{"user":"nobody"}`, "user"},
		"others":            {LabelOptionsText, `{"granularity":"file"}`, LabelOptions},
	} {
		t.Run(name, func(t *testing.T) {
			labels := maps.Clone(whole)
			labels[c.label] = c.value
			_, err := ReadProvenance(labels)
			if !errors.Is(err, ErrProvenance) || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A rules file may be large; what every engine shows of an image stays small.
func TestLargeOptionsAreNotRecorded(t *testing.T) {
	plan, _ := built(t, openImage(t, testimage.New(t, fullConfig)), Options{Rules: strings.Repeat("# a comment\n", 10_000)})
	labels := plan.Config.Config.Labels
	if _, is := labels[LabelOptionsText]; is || labels[LabelOptions] != plan.OptionsDigest {
		t.Errorf("labels: %d bytes of options", len(labels[LabelOptionsText]))
	}
}
