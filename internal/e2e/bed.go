package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// bed is what testdata/run has started for the tests: a docker daemon and a
// registry on the loopback, and directories to work in.
type bed struct {
	root      string   // of the repository
	work      string   // kept between runs
	run       string   // of this run only
	trace     string   // where strace-runtime puts its traces
	pare      string   // the binary under test
	dockerURL string   // unix://SOCKET
	dockerCLI []string // docker with its --host
	registry  string   // HOST:PORT
	gateway   string   // the containers' way to the host
	logf      func(format string, args ...any)
	started   atomic.Int64 // containers, for their names
}

// newBed reads where testdata/run has put things.
func newBed(logf func(string, ...any)) (*bed, error) {
	b := &bed{logf: logf}
	var missing []string
	for name, p := range map[string]*string{
		"PARE_WORK": &b.work, "PARE_TRACE": &b.trace, "PARE_BIN": &b.pare,
		"PARE_DOCKER": &b.dockerURL, "PARE_REGISTRY": &b.registry, "PARE_GATEWAY": &b.gateway,
	} {
		if *p = os.Getenv(name); *p == "" {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("%s not set; run testdata/run", strings.Join(missing, ", "))
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	b.root, b.run = root, filepath.Join(b.work, "run")
	b.dockerCLI = []string{"docker", "--host", b.dockerURL}
	return b, nil
}

// docker runs the docker command; out is stdout and stderr together.
func (b *bed) docker(ctx context.Context, args ...string) (out string, err error) {
	return output(ctx, slices.Concat(b.dockerCLI, args)...)
}

// output runs a command; out is stdout and stderr together, and in the error.
func output(ctx context.Context, argv ...string) (out string, err error) {
	b, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("running %s: %w: %s", strings.Join(argv, " "), errors.Join(err, ctx.Err()), strings.TrimSpace(string(b)))
	}
	return string(b), err
}

// stdout is output, without stderr: for commands whose output is parsed.
func stdout(ctx context.Context, env []string, argv ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("running %s: %w: %s", strings.Join(argv, " "), errors.Join(err, ctx.Err()), strings.TrimSpace(stderr.String()))
	}
	return b, err
}

// scratch makes an empty directory of this run.
func (b *bed) scratch(name string) (string, error) {
	dir := filepath.Join(b.run, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}
