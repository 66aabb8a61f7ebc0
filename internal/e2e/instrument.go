package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// instrument makes of a source an image that records itself, in the
// registry, and returns its reference.
func (b *bed) instrument(ctx context.Context, s *source) (string, error) {
	out, err := b.runPare(ctx, "instrument", s.registryRef(), "-o", s.repo+":recording", "--insecure", b.registry, "--progress", "quiet")
	if err != nil {
		return "", err
	}
	d, err := lastDigest(out)
	return s.repo + "@" + d.String(), err
}

// recordsItself runs the image as docs/instrument.md says, with every check,
// and returns the profiles that it leaves.
func (b *bed) recordsItself(ctx context.Context, a *app, image string) (profiles []string, err error) {
	out, err := b.scratch("instrument-" + a.name)
	if err != nil {
		return nil, err
	}
	if _, err := b.docker(ctx, "pull", "--quiet", image); err != nil {
		return nil, err
	}
	recording := *a
	recording.runArgs = append(slices.Clone(a.runArgs), "--cap-add", "SYS_PTRACE", "--volume", out+":/pare/out")
	c, err := b.start(ctx, &recording, image, false)
	defer c.remove()
	if err != nil {
		return nil, err
	}
	c.through = []string{"/pare/pare", "sensor", "exec", "/pare/config.json", "--"}
	if err := c.waitReady(ctx, 60*time.Second); err != nil {
		return nil, err
	}
	if err := c.check(ctx); err != nil {
		return nil, fmt.Errorf("checking the image that records itself: %w", err)
	}
	if a.ready != nil {
		if _, err := c.stop(ctx); err != nil {
			return nil, err
		}
	}
	profiles, err = filepath.Glob(filepath.Join(out, "*.json"))
	if err == nil && len(profiles) == 0 {
		err = fmt.Errorf("no profile in %s: %s", out, c.lastWords())
	}
	return profiles, err
}

// sameAccesses wants every path of the image that strace saw in use in the
// other profile too: as it was asked for, or as what that led to, because
// strace tells of the one or the other. What a run made up, such as names in
// /tmp, is not in the image.
func sameAccesses(strace, other *profile.Profile, image map[string]node) error {
	seen := map[string]bool{}
	for _, x := range other.Accesses {
		seen[x.Path], seen[x.Resolved] = true, true
	}
	var missing []string
	for _, x := range strace.Accesses {
		if _, ok := image[x.Path]; ok && x.Exists && !seen[x.Path] {
			missing = append(missing, x.Path)
		}
	}
	var errs []error
	if n := other.Lost(); n != 0 {
		errs = append(errs, fmt.Errorf("%d events were lost", n))
	}
	if len(missing) > 0 {
		errs = append(errs, fmt.Errorf("%d paths of the image that strace saw are not in the profile: %s", len(missing), strings.Join(missing[:min(len(missing), 40)], " ")))
	}
	return errors.Join(errs...)
}

// readProfiles reads and merges.
func readProfiles(files ...string) (*profile.Profile, error) {
	var all []*profile.Profile
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		p, err := profile.Read(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, p)
	}
	return profile.Union(all...)
}
