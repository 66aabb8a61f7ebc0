package probe

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pare-image/pare/slim/profile"
)

// ErrNoPort says that a question named no port and that it is not clear which
// one speaks HTTP.
var ErrNoPort = errors.New("which port speaks HTTP is not clear")

// customary are the ports of HTTP, by whether with TLS, the likeliest first.
var customary = map[bool][]int{false: {80, 8080, 8000, 3000, 5000}, true: {443, 8443}}

// place gives an HTTP question that has no port the image's: the exposed one
// that something listens on, else the one that something listens on. Of
// several the one of custom counts, and without one nothing is guessed.
func (w Workload) place(p *profile.Probe, listening []int) error {
	if !portless(*p) {
		return nil
	}
	candidates := slices.DeleteFunc(slices.Sorted(slices.Values(w.Exposed)), func(port int) bool { return !slices.Contains(listening, port) })
	if len(candidates) == 0 {
		candidates = listening
	}
	for _, port := range customary[p.TLS] {
		if slices.Contains(candidates, port) {
			p.Port = port
			return nil
		}
	}
	if len(candidates) != 1 {
		return fmt.Errorf("asking %s: %w: the workload listens on %s; write the port, as in 'GET :8080/'", Line(*p), ErrNoPort, list(candidates))
	}
	p.Port = candidates[0]
	return nil
}
