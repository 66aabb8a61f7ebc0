package e2e

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// instrumentedInCore are the apps of CI's set of which images that record
// themselves are made: one that drops root itself.
var instrumentedInCore = []string{"redis"}

// TestInstrument makes images that record themselves, runs them under plain
// docker, and slims the source by what they leave.
func TestInstrument(t *testing.T) {
	b, set := testBed(t)
	eachApp(t, b, set, instrumentedInCore, 15*time.Minute, func(ctx context.Context, t *testing.T, a *app) {
		testInstrument(ctx, t, b, a)
	})
}

func testInstrument(ctx context.Context, t *testing.T, b *bed, a *app) {
	s := must[*source](t, "making the image")(b.makeSource(ctx, a))
	image := must[string](t, "instrumenting")(b.instrument(ctx, s))
	if again := must[string](t, "instrumenting again")(b.instrument(ctx, s)); again != image {
		t.Errorf("instrumented twice: %s, then %s", image, again)
	}
	files := must[[]string](t, "recording")(b.recordsItself(ctx, a, image))
	got := must[*profile.Profile](t, "reading the profiles")(readProfiles(files...))
	t.Logf("%d profiles, %d sessions, %d paths, %d lost", len(files), len(got.Sessions), len(got.Accesses), got.Lost())
	for _, u := range got.Users {
		t.Logf("switched to %d:%d", u.UID, u.GID)
	}

	traces := must[[]string](t, "recording with strace")(b.record(ctx, a, s))
	strace := must[*profile.Profile](t, "reading strace's profile")(readProfiles(must[string](t, "importing the trace")(b.importProfile(ctx, a, s, traces))))
	root := must[string](t, "unpacking the source")(b.unpack(ctx, s.layout, sourceTag, a.name))
	nodes := must[map[string]node](t, "reading the source")(snapshot(root))
	if err := sameAccesses(strace, got, nodes); err != nil {
		t.Error(err)
	}

	merged := filepath.Join(filepath.Dir(files[0]), "merged")
	if _, err := b.runPare(ctx, append([]string{"profile", "merge", "-o", merged}, files...)...); err != nil {
		t.Fatal(err)
	}
	result := must[*slimmed](t, "slimming")(b.slim(ctx, a, s, merged, "file"))
	if err := b.works(ctx, a, result); err != nil {
		t.Error(err)
	}
}
