package profile

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A trace is untrusted: what it costs to follow is bounded by its length,
// whatever its processes do.
func TestImportStraceStorms(t *testing.T) {
	var unknown strings.Builder
	unknown.WriteString("1 execve(\"/bin/app\", [\"app\"], 0x1 /* 0 vars */) = 0\n")
	for i := range 40_000 {
		fmt.Fprintf(&unknown, "%d open(\"/f\", O_RDONLY) = 3\n", 10+i)
	}
	var forks strings.Builder
	forks.WriteString("1 execve(\"/bin/app\", [\"app\"], 0x1 /* 0 vars */) = 0\n")
	for i := range 60_000 {
		fmt.Fprintf(&forks, "1 open(\"/d%d\", O_RDONLY) = %d\n", i, 3+i)
	}
	for i := range 4_000 {
		fmt.Fprintf(&forks, "1 fork() = %d\n%d close(3) = 0\n1 close(%d) = 0\n", 10+i, 10+i, 4+i)
	}
	forks.WriteString("4009 openat(59000, \"x\", O_RDONLY) = 3\n")
	for _, c := range []struct {
		name, trace string
		lost        bool
	}{{"unknown parents", unknown.String(), false}, {"forks with many files", forks.String(), true}} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			p, _, err := ImportStrace(strings.NewReader(c.trace), StraceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 2*time.Minute {
				t.Errorf("took %s", took)
			}
			if got := p.Lost() > 0; got != c.lost {
				t.Errorf("lost %d events", p.Lost())
			}
		})
	}
}
