//go:build linux && (amd64 || arm64)

package sensor

import (
	"fmt"
	"testing"
)

// TestMemoryOfPaths: a program may ask for one place by ever other long names.
func TestMemoryOfPaths(t *testing.T) {
	var s store
	s.init(RecorderOptions{})
	kept := func() (n int) {
		for k := range s.seenIt {
			n += len(k.path)
		}
		return n
	}
	for i := range 3 * maxKnown / pathMax {
		s.remember(seenKey{path: fmt.Sprintf("/%0*d", pathMax-1, i)}, seenHere)
	}
	if n := kept(); n == 0 || n > maxKnown {
		t.Errorf("%d bytes are kept, at most %d", n, maxKnown)
	}
}
