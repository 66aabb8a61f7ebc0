package e2e

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"
)

// testBed is the bed and the set of images that testdata/run asks for.
func testBed(t *testing.T) (b *bed, set string) {
	t.Helper()
	set = os.Getenv("PARE_E2E")
	if set == "" {
		t.Skip("needs docker and root; run make test or make e2e")
	}
	return must[*bed](t, "finding what testdata/run has started")(newBed(t.Logf)), set
}

// eachApp runs a test for every app of the set; of CI's, for those that core
// names.
func eachApp(t *testing.T, b *bed, set string, core []string, limit time.Duration, test func(context.Context, *testing.T, *app)) {
	for _, a := range selected(set) {
		if set == "core" && !slices.Contains(core, a.name) {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			b.logf = t.Logf
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			test(ctx, t, &a)
		})
	}
}

// eachNamed runs a test for the apps of these names, where the whole set is
// asked for: it needs images that CI does not make.
func eachNamed(t *testing.T, names []string, limit time.Duration, test func(context.Context, *testing.T, *bed, app)) {
	b, set := testBed(t)
	if set != "full" {
		return
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			b.logf = t.Logf
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			test(ctx, t, b, apps[name])
		})
	}
}
