package e2e

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// coreMutations is how many of an app's files are taken away in CI's set.
const coreMutations = 4

// TestApps slims every image of the set that testdata/run asks for, and holds
// the results to the promises.
func TestApps(t *testing.T) {
	b, set := testBed(t)
	as := selected(set)
	if len(as) == 0 {
		t.Fatalf("PARE_E2E=%s selects no app", set)
	}
	var rows []row
	for _, a := range as {
		t.Run(a.name, func(t *testing.T) {
			b.logf = t.Logf
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
			defer cancel()
			rows = append(rows, testApp(ctx, t, b, &a, set == "full")...)
		})
	}
	if err := b.writeReport(rows); err != nil {
		t.Error(err)
	}
	t.Logf("\n%s%s", table(rows), details(rows))
}

// must ends the test of one app when a step that others build on failed.
func must[T any](t *testing.T, what string) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return v
	}
}

func testApp(ctx context.Context, t *testing.T, b *bed, a *app, full bool) (rows []row) {
	began := time.Now()
	t.Cleanup(func() {
		if t.Failed() {
			return // to be looked at
		}
		if err := b.discardUnpacked(); err != nil {
			t.Error(err)
		}
	})
	s := must[*source](t, "making the image")(b.makeSource(ctx, a))
	t.Logf("%s, built and pushed in %.0f s", s.registryRef(), time.Since(began).Seconds())
	traces := must[[]string](t, "recording")(b.record(ctx, a, s))
	profile := must[string](t, "importing the trace")(b.importProfile(ctx, a, s, traces))
	beforeRoot := must[string](t, "unpacking the source")(b.unpack(ctx, s.layout, sourceTag, a.name))
	before := must[map[string]node](t, "reading the source")(snapshot(beforeRoot))
	t.Logf("recorded and unpacked after %.0f s", time.Since(began).Seconds())
	for _, granularity := range []string{"auto", "file"} {
		t.Run(granularity, func(t *testing.T) {
			began := time.Now()
			r := row{app: a, source: s, beforeFiles: len(before)}
			r.result = must[*slimmed](t, "slimming")(b.slim(ctx, a, s, profile, granularity))
			root := must[string](t, "unpacking the result")(b.unpack(ctx, r.result.layout, granularity, a.name+"-"+granularity))
			after := must[map[string]node](t, "reading the result")(snapshot(root))
			r.afterFiles = len(after)
			testResult(ctx, t, b, &r, profile, beforeRoot, root, before, after)
			if full || granularity == "file" {
				t.Run("mutations", func(t *testing.T) { testMutations(ctx, t, b, &r, after, full) })
			}
			r.took = time.Since(began)
			rows = append(rows, r)
		})
	}
	return rows
}

// testResult holds one slim image to what is promised of all.
func testResult(ctx context.Context, t *testing.T, b *bed, r *row, profile, beforeRoot, afterRoot string, before, after map[string]node) {
	a, s, result := r.app, r.source, r.result
	for _, step := range []struct {
		name string
		run  func() error
	}{
		{"it works", func() error { return b.works(ctx, a, result) }},
		{"entries are the source's", func() error {
			r.comparison = compare(before, after, result.plan)
			return errors.Join(r.comparison.errs...)
		}},
		{"every byte is explained", func() error { return checkExplained(result.plan) }},
		{"packages", func() error { return checkPackages(ctx, beforeRoot, afterRoot, before, after) }},
		{"no secret", func() error {
			secret, err := b.secret()
			return errors.Join(err, checkSecret(s.image, result.image, secret))
		}},
		{"the same again", func() error { return b.again(ctx, a, s, profile, result) }},
		{"other tools accept it", func() error { return b.checkAccepted(ctx, result) }},
		{"docker loads the archive", func() error { return b.checkDockerArchive(ctx, a, s, profile, result) }},
		{"podman runs it", func() error { return b.worksInPodman(ctx, a, result) }},
	} {
		t.Run(step.name, func(t *testing.T) {
			if err := step.run(); err != nil {
				t.Error(err)
			}
		})
	}
}

// testMutations takes files away, one at a time, and wants a check to notice.
func testMutations(ctx context.Context, t *testing.T, b *bed, r *row, after map[string]node, full bool) {
	paths := r.app.mutate
	if !full {
		paths = paths[:min(len(paths), coreMutations)]
	}
	if len(paths) == 0 {
		t.Fatal("the app names no file to take away")
	}
	control := b.tryWithout(ctx, r.app, r.result, after, "/", -1)
	if control.noticed != "" || !errors.Is(control.err, errUnnoticed) {
		t.Fatalf("with a layer that removes nothing: noticed by %q, %v", control.noticed, control.err)
	}
	r.mutations = make([]without, len(paths))
	var wg sync.WaitGroup
	turn := make(chan struct{}, 3) // most of the time is waiting
	for i, path := range paths {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			r.mutations[i] = b.tryWithout(ctx, r.app, r.result, after, path, i)
		})
	}
	wg.Wait()
	for _, m := range r.mutations {
		if m.err != nil {
			t.Errorf("without %s: %v", m.path, m.err)
		} else {
			t.Logf("without %s: noticed by %s", m.path, m.noticed)
		}
	}
}
