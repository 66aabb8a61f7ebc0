package e2e

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/verify"
)

// smokeGranularities are tried from the smallest result on.
var smokeGranularities = []string{"file", "auto", "package"}

// smokeRow is what became of an app that was recorded by a few requests.
type smokeRow struct {
	app    *app
	before int64             // bytes of the source
	after  map[string]int64  // by granularity, like the others
	full   map[string]string // what the full check says, in short
	absent map[string]string // what verify says is missing, in short
}

// TestSmoke records every app that has a smoke workload by nothing else, and
// asks the results the full check: at auto all is there. At file it need not
// be; then verify says so, and names what is missing.
func TestSmoke(t *testing.T) {
	b, set := testBed(t)
	if set != "full" {
		return // it needs images that CI does not make
	}
	var rows []*smokeRow
	for _, a := range selected(set) {
		if a.smoke == nil {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			b.logf = t.Logf
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
			defer cancel()
			rows = append(rows, testSmoke(ctx, t, b, &a))
		})
	}
	t.Logf("\n%s", smokeTable(rows))
	if err := b.addToReport("\nrecorded by a smoke workload\n" + smokeTable(rows)); err != nil {
		t.Error(err)
	}
}

func testSmoke(ctx context.Context, t *testing.T, b *bed, a *app) *smokeRow {
	s := must[*source](t, "making the image")(b.makeSource(ctx, a))
	r := must[*recording](t, "preparing")(b.newRecording(a, s, b.recorders(a)[0]))
	smoke := must[string](t, "recording the smoke workload")(r.smoke(ctx))
	row := &smokeRow{app: a, after: map[string]int64{}, full: map[string]string{}, absent: map[string]string{}}
	for _, granularity := range smokeGranularities {
		t.Run(granularity, func(t *testing.T) { testSmokeAt(ctx, t, r, row, smoke, granularity) })
	}
	return row
}

// testSmokeAt slims by the smoke workload and holds verify to what the full
// check says of the result.
func testSmokeAt(ctx context.Context, t *testing.T, r *recording, row *smokeRow, smoke, granularity string) {
	plan := r.file("smoke-" + granularity + ".plan")
	s := must[*slimmed](t, "slimming")(r.slim(ctx, "smoke-"+granularity, smoke, "--granularity", granularity, "--plan", plan))
	s.plan = must[*slim.Plan](t, "reading the plan")(readPlan(plan))
	row.before, row.after[granularity] = s.plan.Summary.SourceBytes, s.plan.Summary.KeptBytes
	failures := r.bed.works(ctx, r.app, s)
	row.full[granularity] = outcome(r.app, failures)
	asks := must[[]string](t, "asking")(r.questions())
	report := must[*verify.Report](t, "verifying")(r.verify(ctx, s, smoke, append(asks, r.whole()...)...))
	row.absent[granularity] = absence(report.Missing)
	t.Logf("%s MB; full check: %v; missing: %s", mb(row.after[granularity]), failures, row.absent[granularity])
	if failures == nil {
		return
	}
	if granularity != "file" {
		t.Errorf("the full check fails: %v", failures)
	}
	if report.OK() || len(report.Missing) == 0 {
		t.Errorf("the full check fails, but verify says: %s, missing %d", report.Verdict, len(report.Missing))
	}
	if err := checkMissing(r.source, s, report.Missing); err != nil {
		t.Error(err)
	}
}

// smoke records the app's smoke workload and nothing else.
func (r *recording) smoke(ctx context.Context) (profile string, err error) {
	profile = r.file("smoke.json")
	var asks []string
	for _, q := range r.app.smoke {
		asks = append(asks, "--http", q)
	}
	return profile, r.record(ctx, profile, asks, nil)
}

// outcome is what an error of works says of the full check, in short.
func outcome(a *app, err error) string {
	if err == nil {
		return "passes"
	}
	if n := countFailures(err); n > 0 {
		return fmt.Sprintf("%d of %d fail", n, len(a.checks))
	}
	return "does not run"
}

// countFailures is how many failed checks an error joins.
func countFailures(err error) (n int) {
	switch e := err.(type) {
	case failure:
		return 1
	case interface{ Unwrap() []error }:
		for _, e := range e.Unwrap() {
			n += countFailures(e)
		}
	}
	return n
}

// checkMissing holds what verify says to the archives of both images: the
// source has each path, the slim image has not.
func checkMissing(s *source, r *slimmed, missing []verify.Missing) error {
	before, err := namesIn(s.image)
	if err != nil {
		return err
	}
	after, err := namesIn(r.image)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range missing {
		if len(m.Lacks) == 0 && m.HiddenBy == "" {
			errs = append(errs, fmt.Errorf("%s is missing, but nothing lacks for it", m.Path))
		}
		for _, p := range m.Lacks {
			if !before[p] || after[p] {
				errs = append(errs, fmt.Errorf("%s is said to be missing: in the source %v, in the slim image %v", p, before[p], after[p]))
			}
		}
	}
	return errors.Join(errs...)
}

// namesIn are the absolute paths in an image's merged archive.
func namesIn(img v1.Image) (map[string]bool, error) {
	archive := mutate.Extract(img)
	defer archive.Close()
	names := map[string]bool{}
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		names[filepath.Join("/", h.Name)] = true
	}
}

// absence is what verify says is missing, in short: how many paths the slim
// image lacks, and three of them.
func absence(missing []verify.Missing) string {
	var lacks []string
	for _, m := range missing {
		lacks = append(lacks, m.Lacks...)
	}
	slices.Sort(lacks)
	lacks = slices.Compact(lacks)
	text := strconv.Itoa(len(lacks))
	if len(lacks) == 0 {
		return text
	}
	return text + ": " + strings.Join(lacks[:min(len(lacks), 3)], ", ")
}

// smokeTable writes a line for each app and granularity.
func smokeTable(rows []*smokeRow) string {
	var b strings.Builder
	columns(&b, func(w io.Writer) {
		fmt.Fprintln(w, "image\tgranularity\tMB before\tafter\tfull check\tmissing paths")
		for _, r := range rows {
			for _, g := range smokeGranularities {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.app.name, g, mb(r.before), mb(r.after[g]), r.full[g], r.absent[g])
			}
		}
	})
	return b.String()
}
