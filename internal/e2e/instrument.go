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

// selfRecorded is one run of an image that records itself, and what others saw
// of the same run.
type selfRecorded struct {
	profiles []string
	traces   []string // strace's
	opens    []opened // fanotify's
	exit     int      // code of the first program
}

// recordsItself runs the image as docs/instrument.md says, with every check,
// under strace and fanotify too.
func (b *bed) recordsItself(ctx context.Context, a *app, image string) (*selfRecorded, error) {
	if err := b.watchOpens(ctx); err != nil {
		return nil, err
	}
	defer os.Remove(filepath.Join(b.trace, "watch"))
	c, out, err := b.startRecording(ctx, a, image)
	defer c.remove()
	if err != nil {
		return nil, err
	}
	r := &selfRecorded{}
	if r.exit, err = c.checkToEnd(ctx); err != nil {
		return nil, fmt.Errorf("checking the image that records itself: %w", err)
	}
	if r.profiles, err = filepath.Glob(filepath.Join(out, "*.json")); err != nil {
		return nil, err
	}
	if len(r.profiles) == 0 {
		return nil, fmt.Errorf("no profile in %s: %s", out, c.lastWords())
	}
	if r.traces, err = c.traces(ctx); err != nil {
		return nil, err
	}
	r.opens, err = c.opens(ctx)
	return r, err
}

// startRecording starts an image that records itself; out is where it will
// leave its profiles.
func (b *bed) startRecording(ctx context.Context, a *app, image string) (c *container, out string, err error) {
	recording := *a
	c = b.newContainer(a, b.dockerCLI)
	if out, err = b.scratch("instrument-" + a.name); err != nil {
		return c, "", err
	}
	if err := b.goBuild(ctx, "./internal/e2e/gate", filepath.Join(b.gateDir(), "gate"), false); err != nil {
		return c, "", err
	}
	if _, err := b.docker(ctx, "pull", "--quiet", image); err != nil {
		return c, "", err
	}
	recording.runArgs = append(slices.Clone(a.runArgs), "--cap-add", "SYS_PTRACE", "--volume", out+":/pare/out")
	c, err = b.start(ctx, &recording, image, true)
	c.through = []string{sensorPath, "sensor", "exec", "/pare/config.json", "--"}
	return c, out, err
}

// checkToEnd runs every check and stops what does not end by itself.
func (c *container) checkToEnd(ctx context.Context) (exit int, err error) {
	if err := c.waitReady(ctx, 2*time.Minute); err != nil {
		return 0, err
	}
	if err := c.check(ctx); err != nil {
		return 0, err
	}
	if c.app.ready == nil {
		return c.exit(ctx)
	}
	for _, s := range c.app.signals {
		if err := c.answers(ctx, s); err != nil {
			return 0, err
		}
	}
	return c.stop(ctx)
}

// answers sends a signal and waits for what the app does at it.
func (c *container) answers(ctx context.Context, s signal) error {
	said := func() (int, error) {
		stdout, stderr, err := c.logs(ctx)
		return strings.Count(stdout, s.log) + strings.Count(stderr, s.log), err
	}
	before, err := said()
	if err != nil {
		return err
	}
	if _, err := c.engine(ctx, "kill", "--signal", s.name, c.name); err != nil {
		return err
	}
	return poll(ctx, 20*time.Second, "an answer to SIG"+s.name, func(context.Context) error {
		n, err := said()
		if err == nil && n != before+1 {
			err = fmt.Errorf("%q is %d times in the log, was %d", s.log, n, before)
		}
		return err
	})
}

// ends runs an image without recording and says how it ends.
func (b *bed) ends(ctx context.Context, a *app, image string) (exit int, err error) {
	c, err := b.start(ctx, a, image, false)
	defer c.remove()
	if err != nil {
		return 0, err
	}
	if err := c.waitReady(ctx, time.Minute); err != nil {
		return 0, err
	}
	if a.ready == nil {
		return c.exit(ctx)
	}
	return c.stop(ctx)
}

// sameAccesses wants every path of the image that strace saw in use in the
// other profile too: as it was asked for, or as what that led to, because
// strace tells of the one or the other. What a run made up, such as names in
// /tmp, is not in the image.
func sameAccesses(strace *profile.Profile, seen map[string]bool, image map[string]node) (own int, err error) {
	var missing []string
	n := 0
	for _, x := range strace.Accesses {
		if _, ok := image[x.Path]; !ok || !x.Exists {
			continue
		}
		if slices.Equal(x.By, []string{sensorPath}) { // its own process, and nothing else
			own++
			continue
		}
		if n++; !seen[x.Path] {
			missing = append(missing, fmt.Sprintf("%s (by %s)", x.Path, strings.Join(x.By, " ")))
		}
	}
	switch {
	case n == 0:
		err = errors.New("strace saw nothing of the image in use")
	case len(missing) > 0:
		err = fmt.Errorf("%d paths of the image that strace saw are not in the profile: %s", len(missing), strings.Join(missing[:min(len(missing), 40)], ", "))
	}
	return own, err
}

// reached are the paths of a profile: as they were asked for, and what they
// led to.
func reached(p *profile.Profile) map[string]bool {
	seen := map[string]bool{}
	for _, x := range p.Accesses {
		seen[x.Path], seen[x.Resolved] = true, true
	}
	return seen
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
