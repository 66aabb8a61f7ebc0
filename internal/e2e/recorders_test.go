package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/verify"
)

// recordedInCore are the apps of CI's set that both engines record: the ones
// that drop root by themselves, and a batch job.
var recordedInCore = []string{"nginx", "shell"}

// TestRecorders records every image with pare's own engines: once with one
// request, once with the whole check. The slim image of the first is seen to
// be wanting, and is repaired; that of the second does all.
func TestRecorders(t *testing.T) {
	b, set := testBed(t)
	eachApp(t, b, set, recordedInCore, 30*time.Minute, func(ctx context.Context, t *testing.T, a *app) {
		s := must[*source](t, "making the image")(b.makeSource(ctx, a))
		for _, via := range b.recorders(a) {
			t.Run(via.engine, func(t *testing.T) {
				b.logf = t.Logf
				testRecorder(ctx, t, must[*recording](t, "preparing")(b.newRecording(a, s, via)))
			})
		}
	})
	if err := b.nothingLeft(t.Context()); err != nil {
		t.Error(err)
	}
}

func testRecorder(ctx context.Context, t *testing.T, r *recording) {
	began := time.Now()
	full := must[string](t, "recording the whole check")(r.full(ctx))
	p := must[*profile.Profile](t, "reading the profile")(readProfiles(full))
	t.Logf("whole check recorded in %.0f s: %d paths, %d lost", time.Since(began).Seconds(), len(p.Accesses), p.Lost())
	if p.Lost() > 0 {
		t.Error("events were lost")
	}
	t.Run("whole", func(t *testing.T) { testWhole(ctx, t, r, full) })
	t.Run("single", func(t *testing.T) { testSingle(ctx, t, r) })
}

// testWhole slims by the whole check.
func testWhole(ctx context.Context, t *testing.T, r *recording, full string) {
	s := must[*slimmed](t, "slimming")(r.slim(ctx, "full", full))
	report := must[*verify.Report](t, "verifying")(r.verify(ctx, s, full, r.whole()...))
	if !report.OK() {
		t.Errorf("the slim image differs: %s", words(report))
	}
	for _, n := range report.NotVerified {
		if strings.Contains(n, "fails on the source") {
			t.Error(n)
		}
	}
	if err := r.bed.works(ctx, r.app, s); err != nil {
		t.Error(err)
	}
}

// testSingle slims by a single request, has the whole check asked, and mends
// what is then missing.
func testSingle(ctx context.Context, t *testing.T, r *recording) {
	few := must[string](t, "recording a single request")(r.few(ctx))
	s := must[*slimmed](t, "slimming")(r.slim(ctx, "few", few))
	asks := must[[]string](t, "asking")(r.questions())
	report := must[*verify.Report](t, "verifying")(r.verify(ctx, s, few, append(asks, r.whole()...)...))
	if report.OK() {
		t.Fatal("the slim image of a single request passes the whole check")
	}
	if len(report.Missing) == 0 {
		t.Fatalf("nothing is said to be missing: %s", words(report))
	}
	t.Logf("of a single request: %s", words(report))
	args := append(append([]string{"--repair"}, r.start()...), asks...)
	mended := must[*slimmed](t, "repairing")(r.slim(ctx, "mended", few, append(args, r.whole()...)...))
	if err := r.bed.works(ctx, r.app, mended); err != nil {
		t.Error(err)
	}
}
