package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// bed is what testdata/run has started for the tests.
type bed struct {
	dockerCLI []string // docker with its --host
	gateway   string   // the containers' way to the host
}

// docker runs the docker command; out is stdout and stderr together.
func (b *bed) docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, b.dockerCLI[0], append(b.dockerCLI[1:len(b.dockerCLI):len(b.dockerCLI)], args...)...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
