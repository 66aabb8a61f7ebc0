package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
)

// container is a running instance of an app's image, or of its slim.
type container struct {
	app  *app
	name string
	bed  *bed
	dirs map[string]string // container directory -> host directory
	// gate, when not nil, starts a command under strace.
	gate func(ctx context.Context, argv []string) (out string, code int, err error)
}

// addr is HOST:PORT at which the test reaches a container port.
func (c *container) addr(port int) string {
	out, err := c.bed.docker(context.Background(), "port", c.name, strconv.Itoa(port)+"/tcp")
	first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	if _, _, bad := net.SplitHostPort(first); err != nil || bad != nil {
		return fmt.Sprintf("port-%d-of-%s-is-not-published.invalid:0", port, c.name)
	}
	return first
}

// host is the machine as this container sees it.
func (c *container) host() host { return host{addr: c.bed.gateway} }

// dir is the host's side of one of app.volumes.
func (c *container) dir(volume string) string { return c.dirs[volume] }

// exec runs a command in the container, as its user (docker exec). out is
// stdout and stderr together; err says that it could not be run at all.
func (c *container) exec(ctx context.Context, argv ...string) (out string, code int, err error) {
	if c.gate != nil {
		return c.gate(ctx, argv)
	}
	return c.bed.exec(ctx, append([]string{c.name}, argv...))
}

// logs is what the container has written so far.
func (c *container) logs(ctx context.Context) (stdout, stderr string, err error) {
	var o, e bytes.Buffer
	cmd := exec.CommandContext(ctx, c.bed.dockerCLI[0], append(c.bed.dockerCLI[1:], "logs", c.name)...)
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// exit waits until the container has ended and returns its exit code.
func (c *container) exit(ctx context.Context) (int, error) {
	out, err := c.bed.docker(ctx, "wait", c.name)
	if err != nil {
		return 0, fmt.Errorf("waiting for %s to end: %w", c.name, err)
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// exec is docker exec with the command's exit code told from docker's own.
func (b *bed) exec(ctx context.Context, args []string) (out string, code int, err error) {
	out, err = b.docker(ctx, append([]string{"exec"}, args...)...)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		if exit.ExitCode() == 125 { // docker run's own errors
			return out, 125, err
		}
		return out, exit.ExitCode(), nil
	}
	return out, 0, err
}
