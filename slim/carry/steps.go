package carry

import (
	"fmt"
	"strings"

	"github.com/pare-image/pare/layers"
)

// maxSteps bounds the components of all symlinks that are followed, as for a
// slim: half a minute, and hundreds for each path of a large recording.
const maxSteps = 500_000_000

// steps counts what following symlinks took. A hostile image has very many
// that each lead through many more.
type steps int

func (s *steps) follow(t *layers.Tree, links []string) error {
	for _, l := range links {
		if e, ok := t.Lookup(l); ok {
			*s += steps(1 + strings.Count(e.Linkname, "/"))
		}
	}
	if *s > maxSteps {
		return fmt.Errorf("following symlinks: %w: those of this image take over %d steps", layers.ErrLimit, maxSteps)
	}
	return nil
}
