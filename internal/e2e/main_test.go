package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// TestMain serves testdata/run's demo and bench too, which need the same bed.
func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	if os.Getenv("PARE_E2E") == "check" {
		end(checkRemote(ctx, os.Getenv("PARE_E2E_APP")))
	}
	var run func(context.Context, *bed) error
	switch os.Getenv("PARE_E2E") {
	case "demo":
		run = func(ctx context.Context, b *bed) error { return demonstrate(ctx, b, os.Stdout) }
	case "bench":
		run = prepareBench
	case "bench-record":
		run = prepareBenchRecord
	default:
		os.Exit(m.Run())
	}
	b, err := newBed(func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	if err == nil {
		err = run(ctx, b)
	}
	end(err)
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
