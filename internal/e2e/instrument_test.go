package e2e

import (
	"context"
	"os"
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
	run := must[*selfRecorded](t, "recording")(b.recordsItself(ctx, a, image))
	got := must[*profile.Profile](t, "reading the profiles")(readProfiles(run.profiles...))
	t.Logf("%d profiles, %d sessions, %d paths, %d lost", len(run.profiles), len(got.Sessions), len(got.Accesses), got.Lost())
	for _, u := range got.Users {
		t.Logf("switched to %d:%d", u.UID, u.GID)
	}
	if got.Lost() > 0 {
		t.Error("events were lost")
	}
	if want := must[int](t, "running the source")(b.ends(ctx, a, s.id)); run.exit != want {
		t.Errorf("exit code %d, the source's is %d", run.exit, want)
	}
	followed := testWitnesses(ctx, t, b, a, s, run, got)

	merged := filepath.Join(filepath.Dir(run.profiles[0]), "merged")
	if _, err := b.runPare(ctx, append([]string{"profile", "merge", "-o", merged}, run.profiles...)...); err != nil {
		t.Fatal(err)
	}
	result := must[*slimmed](t, "slimming")(b.slim(ctx, a, s, merged, "file"))
	if err := b.works(ctx, a, result); err != nil {
		t.Error(err)
	}
	root := must[string](t, "unpacking the result")(b.unpack(ctx, result.layout, "file", a.name+"-instrumented"))
	for _, f := range followed {
		if _, err := os.Lstat(root + f); err != nil {
			t.Errorf("%s, which the kernel opened, is not in the slim image: %v", f, err)
		}
	}
}

// testWitnesses compares a recording with what strace and fanotify saw of the
// same run. followed are files that only the kernel opened.
func testWitnesses(ctx context.Context, t *testing.T, b *bed, a *app, s *source, run *selfRecorded, got *profile.Profile) (followed []string) {
	t.Helper()
	strace := must[*profile.Profile](t, "reading strace's profile")(readProfiles(must[string](t, "importing the trace")(b.importProfile(ctx, a, s, run.traces))))
	root := must[string](t, "unpacking the source")(b.unpack(ctx, s.layout, sourceTag, a.name))
	nodes := must[map[string]node](t, "reading the source")(snapshot(root))
	seen := reached(got)
	own, err := sameAccesses(strace, seen, nodes)
	if err != nil {
		t.Error(err)
	}
	opens, others := ofTheProgram(run.opens)
	followed, err = allRecorded(opens, seen, nodes)
	if err != nil {
		t.Error(err)
	}
	t.Logf("strace: %d paths in %d traces, %d only the sensor's own; fanotify: %d opens, %d files only by the kernel, not counting %v",
		len(strace.Accesses), len(run.traces), own, len(opens), len(followed), others)
	return followed
}
