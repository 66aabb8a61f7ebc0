package e2e

import (
	"context"
	"os"
	"testing"
	"time"
)

func TestApps(t *testing.T) {
	set := os.Getenv("PARE_E2E")
	if set == "" {
		t.Skip("needs docker and root; run make test or make e2e")
	}
	b, err := newBed(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range selected(set) {
		t.Run(a.name, func(t *testing.T) {
			b.logf = t.Logf
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			defer cancel()
			s, err := b.makeSource(ctx, &a)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("source %s", s.registryRef())
			traces, err := b.record(ctx, &a, s)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(traces)
		})
	}
}
