//go:build linux

package oracle

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// stacksFromEnv returns the first seed and the number of stacks.
func stacksFromEnv(t *testing.T) (first, n uint64) {
	t.Helper()
	first, n = 1, 200
	if testing.Short() {
		n = 20
	}
	for name, v := range map[string]*uint64{"PARE_ORACLE_SEED": &first, "PARE_ORACLE_STACKS": &n} {
		s := os.Getenv(name)
		if s == "" {
			continue
		}
		var err error
		if *v, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return first, n
}

// each runs work for every seed on all cores and returns the sum of what it
// counted. work names the seed in what it reports; a fatal failure ends only
// its worker.
func each(t *testing.T, first, n uint64, work func(t *testing.T, seed uint64, count *tally)) *tally {
	t.Helper()
	total := newTally()
	var next atomic.Uint64
	var mu sync.Mutex
	t.Run("stacks", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				count := newTally()
				for seed := next.Add(1) - 1; seed < n; seed = next.Add(1) - 1 {
					work(t, first+seed, count)
				}
				mu.Lock()
				defer mu.Unlock()
				total.add(count)
			})
		}
	})
	return total
}

// TestUmoci compares random stacks with umoci's view of them.
func TestUmoci(t *testing.T) {
	u := needUmoci(t)
	first, n := stacksFromEnv(t)
	var disagreements atomic.Int64
	total := each(t, first, n, func(t *testing.T, seed uint64, count *tally) {
		s := generate(seed, u.can)
		addTo(count.forms, s.forms())
		img := s.image(t)
		if diff := compare(ours(t, img), u.unpack(t, img), u.exclusions(s.dirTimes), count); len(diff) > 0 {
			disagreements.Add(1)
			t.Errorf("PARE_ORACLE_SEED=%d PARE_ORACLE_STACKS=1:\n%s\n%s", seed, strings.Join(diff, "\n"), s)
		}
	})
	t.Logf("%d stacks (seeds %d to %d), %d disagreements", n, first, first+n-1, disagreements.Load())
	logTally(t, total, u.exclusions(false))
	if n >= 20 {
		wantCompared(t, total, u.can)
	}
}

func logTally(t *testing.T, total *tally, exclude []exclusion) {
	t.Helper()
	var b strings.Builder
	for _, part := range []struct {
		title  string
		counts map[string]int
	}{{"entries:", total.forms}, {"\ncompared:", total.compared}} {
		b.WriteString(part.title)
		for _, k := range slices.Sorted(maps.Keys(part.counts)) {
			fmt.Fprintf(&b, "\n  %7d %s", part.counts[k], k)
		}
	}
	b.WriteString("\nexcluded:")
	for _, e := range exclude {
		fmt.Fprintf(&b, "\n  %7d %s: %s", total.excluded[e.name], e.name, e.reason)
	}
	t.Log(b.String())
}

// wantCompared fails on a comparison that was empty in any respect.
func wantCompared(t *testing.T, total *tally, can abilities) {
	t.Helper()
	fields := []string{"path", "type", "mode", "mtime of a file", "mtime of a directory", "hard-link group", "bytes", "link text"}
	if can.xattr {
		fields = append(fields, "xattr user.a")
	}
	if can.root {
		fields = append(fields, "owner", "device number")
	}
	if can.root && can.xattr {
		fields = append(fields, "xattr security.capability", "xattr trusted.t")
	}
	for _, f := range fields {
		if total.compared[f] == 0 {
			t.Errorf("nothing compared of %q", f)
		}
	}
	for _, f := range []string{
		"whiteout", "opaque marker", "named through a symlink", "hard link", "fifo",
		"directory over file", "file over directory", "directory over symlink", "symlink over directory", "directory over directory",
	} {
		if total.forms[f] == 0 {
			t.Errorf("no %s was generated", f)
		}
	}
}
