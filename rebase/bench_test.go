package rebase

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/pare-image/pare/layers"
)

// BenchmarkMove measures, on a real image and real bases and with warm
// indexes, a whole plan and the checks alone. PARE_BENCH_IMAGES is three OCI
// layouts of one image each, joined by ":": the image, the old base, the new
// one; PARE_BENCH_CACHE a directory for indexes. TestRebase of internal/e2e
// sets both.
func BenchmarkMove(b *testing.B) {
	dirs := strings.Split(os.Getenv("PARE_BENCH_IMAGES"), ":")
	if len(dirs) != 3 {
		b.Skip("PARE_BENCH_IMAGES is not set")
	}
	app, old, base := layoutImage(b, dirs[0]), layoutImage(b, dirs[1]), layoutImage(b, dirs[2])
	cache, err := layers.OpenCache(os.Getenv("PARE_BENCH_CACHE"), 0)
	if err != nil {
		b.Fatal(err)
	}
	from, err := DescribeBase("old", v1.Hash{}, old)
	if err != nil {
		b.Fatal(err)
	}
	onto, err := DescribeBase("new", v1.Hash{}, base)
	if err != nil {
		b.Fatal(err)
	}
	o := Options{Dir: b.TempDir(), Open: func(ctx context.Context, img v1.Image) (*layers.Tree, error) {
		return layers.Open(ctx, img, layers.Options{Cache: cache, Scratch: b.TempDir(), Want: WantContent})
	}}
	plan := func() {
		if _, err := NewPlan(b.Context(), app, from, base, onto, o); err != nil {
			b.Fatal(err)
		}
	}
	plan()
	b.Run("plan", func(b *testing.B) {
		for b.Loop() {
			plan()
		}
	})
	b.Run("checks", func(b *testing.B) {
		var busy time.Duration
		for b.Loop() {
			b.StopTimer()
			m := &move{options: o, oldBase: from, onto: onto}
			if err := m.prepare(b.Context(), app, base); err != nil {
				b.Fatal(err)
			}
			began := processorTime()
			b.StartTimer()
			if _, err := m.scene.check(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			busy += processorTime() - began
			if err := m.close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(busy)/float64(b.N), "cpu-ns/op")
	})
}

// processorTime is what this process has used: on a busy machine it says more
// than the clock.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// prepare is a plan up to its checks.
func (m *move) prepare(ctx context.Context, app, base v1.Image) error {
	for _, step := range []func() error{
		func() error { return m.read(app, base) },
		func() error { return m.openTrees(ctx) },
		m.mergeConfig,
		func() error { return m.merger.run(ctx) },
		func() error { return m.build(ctx) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func layoutImage(b *testing.B, dir string) v1.Image {
	b.Helper()
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		b.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		b.Fatal(err)
	}
	img, err := idx.Image(m.Manifests[0].Digest)
	if err != nil {
		b.Fatal(err)
	}
	return img
}
