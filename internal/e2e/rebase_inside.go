package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// worksIn runs an image in docker, pulled from the registry, with every check;
// unlike a slim one it is who it was.
func (b *bed) worksAsBefore(ctx context.Context, a *app, ref string, img v1.Image) error {
	if _, err := b.docker(ctx, "pull", "--quiet", ref); err != nil {
		return err
	}
	c, err := b.start(ctx, a, ref, false)
	defer c.remove()
	if err != nil {
		return err
	}
	if err := c.waitReady(ctx, 60*time.Second); err != nil {
		return err
	}
	err = errors.Join(c.check(ctx), c.checkHealth(ctx, img))
	if err != nil || a.ready == nil {
		return err
	}
	code, err := c.stop(ctx)
	if err == nil && code == 137 {
		err = fmt.Errorf("it did not stop on the image's signal within 30 s: %s", c.lastWords())
	}
	return err
}

// dpkgSays is what dpkg and apt say of the packages, run in the image.
func (b *bed) dpkgSays(ctx context.Context, ref string) ([]string, error) {
	out, err := stdout(ctx, nil, append(slices.Clone(b.dockerCLI), "run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh", ref, "-c",
		"export LC_ALL=C; dpkg --audit; dpkg --verify; apt-get -q check 2>&1 || true")...)
	if err != nil {
		return nil, err
	}
	var lines []string
	for l := range strings.Lines(string(out)) {
		lines = append(lines, strings.TrimRight(l, "\n"))
	}
	return lines, nil
}

// besidesTorn leaves out what apt says of the one relation that is known not to
// be met, which it has to say.
func besidesTorn(lines []string, torn string) ([]string, error) {
	n := len(lines)
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, torn) })
	if len(lines) != n-1 {
		return nil, fmt.Errorf("apt does not say %q once: %q", torn, lines)
	}
	return slices.DeleteFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "E: Unmet dependencies.") || strings.HasPrefix(l, "You might want to run 'apt") || strings.HasPrefix(l, "The following packages have unmet dependencies")
	}), nil
}

// otherToolsTake has podman and skopeo take the image from the registry.
func (b *bed) otherToolsTake(ctx context.Context, a *app, repo string, digest v1.Hash) error {
	ref := repo + "@" + digest.String()
	dir, err := b.scratch("skopeo-dir")
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"inspect", "--tls-verify=false", "docker://" + ref},
		{"inspect", "--config", "--tls-verify=false", "docker://" + ref},
		{"copy", "--src-tls-verify=false", "docker://" + ref, "oci:" + filepath.Join(dir, "oci") + ":copied"},
	} {
		if _, err := output(ctx, append([]string{"skopeo", "--insecure-policy"}, args...)...); err != nil {
			return err
		}
	}
	if err := b.worksInPodman(ctx, a, &slimmed{repo: repo, digest: digest}); err != nil {
		return err
	}
	_, err = output(ctx, append(b.podmanCLI(), "rmi", "--all", "--force")...)
	return err
}
