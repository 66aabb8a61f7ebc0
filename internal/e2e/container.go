package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// container is a running instance of an app's image, or of its slim.
type container struct {
	app  *app
	name string
	bed  *bed
	cli  []string          // docker or podman, with its global flags
	dirs map[string]string // container directory -> host directory
	// recorded says that it runs under strace; then exec does too.
	recorded bool
	// through is put in front of the commands of exec.
	through []string
	id      string
	execs   int
	// addrs are where ports are, when docker does not publish them.
	addrs map[int]string
	// remote, when not nil, is how it is reached instead of through docker.
	remote *viaPare
}

// start runs image in docker as a does. A recorded one is under strace from
// its first call on.
func (b *bed) start(ctx context.Context, a *app, image string, recorded bool) (*container, error) {
	c := b.newContainer(a, b.dockerCLI)
	c.recorded = recorded
	var args []string
	for _, p := range a.ports {
		args = append(args, "--publish", fmt.Sprintf("127.0.0.1::%d", p))
	}
	if a.runArgsFor != nil {
		args = append(args, a.runArgsFor(c.host())...)
	}
	if recorded {
		args = append(args, "--runtime", "traced", "--volume", b.gateDir()+":"+gateMount+":ro")
	}
	return c, c.create(ctx, args, image)
}

func (b *bed) newContainer(a *app, cli []string) *container {
	return &container{app: a, bed: b, cli: cli, name: fmt.Sprintf("pare-%s-%d", a.name, b.started.Add(1))}
}

// create runs the container with what every engine understands, and args.
func (c *container) create(ctx context.Context, args []string, image string) error {
	mounts, err := c.mounts()
	if err != nil {
		return err
	}
	args = slices.Concat([]string{"run", "--detach", "--name", c.name}, mounts, c.app.runArgs, args)
	if c.app.lowPort && !c.recorded {
		// Who is not root may not bind a low port, unless told so here.
		args = append(args, "--sysctl", "net.ipv4.ip_unprivileged_port_start=0")
	}
	out, err := c.engine(ctx, slices.Concat(args, []string{image}, c.app.args)...)
	if err != nil {
		return err
	}
	lines := strings.Fields(out)
	c.id = lines[len(lines)-1]
	return nil
}

// engine runs a command of the container's engine; out is its stdout, because
// engines give warnings on stderr.
func (c *container) engine(ctx context.Context, args ...string) (out string, err error) {
	b, err := stdout(ctx, nil, slices.Concat(c.cli, args)...)
	return string(b), err
}

// mounts makes the directories behind app.volumes.
func (c *container) mounts() ([]string, error) {
	var args []string
	c.dirs = map[string]string{}
	for i, v := range c.app.volumes {
		dir, err := c.bed.scratch(filepath.Join("volumes", c.name, strconv.Itoa(i)))
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			return nil, err
		}
		c.dirs[v] = dir
		args = append(args, "--volume", dir+":"+v)
	}
	return args, nil
}

// addr is HOST:PORT at which the test reaches a container port.
func (c *container) addr(port int) string {
	if c.remote != nil {
		return c.remote.addr(port)
	}
	if a := c.addrs[port]; a != "" {
		return a
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := c.engine(ctx, "port", c.name, strconv.Itoa(port)+"/tcp")
	first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	if _, _, bad := net.SplitHostPort(first); err != nil || bad != nil {
		return "no-such-port.invalid:0" // the caller's dial fails, and says so
	}
	return first
}

// host is the machine as this container sees it.
func (c *container) host() host { return host{addr: c.bed.gateway} }

// dir is the host's side of one of app.volumes.
func (c *container) dir(volume string) string { return c.dirs[volume] }

// exec runs a command in the container, as its user (docker exec). out is
// stdout and stderr together; err says that it could not be run at all, which
// a command that the image does not have is not: that is code 126 or 127.
func (c *container) exec(ctx context.Context, argv ...string) (out string, code int, err error) {
	if c.remote != nil {
		return c.remote.exec(ctx, argv)
	}
	if c.recorded {
		return c.recordedExec(ctx, slices.Concat(c.through, argv))
	}
	return c.plainExec(ctx, slices.Concat(c.through, argv))
}

func (c *container) plainExec(ctx context.Context, argv []string) (out string, code int, err error) {
	out, err = output(ctx, slices.Concat(c.cli, []string{"exec", c.name}, argv)...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || ctx.Err() != nil || strings.HasPrefix(out, "Error response from daemon: ") {
		return out, 0, err
	}
	return out, exit.ExitCode(), nil
}

// logs is what the container has written so far.
func (c *container) logs(ctx context.Context) (stdout, stderr string, err error) {
	if c.remote != nil {
		stdout, err = c.remote.logs(ctx)
		return stdout, "", err
	}
	var o, e bytes.Buffer
	argv := append(slices.Clone(c.cli), "logs", c.name)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// exit waits until the container has ended and returns its exit code.
func (c *container) exit(ctx context.Context) (int, error) {
	out, err := c.engine(ctx, "wait", c.name)
	if err != nil {
		return 0, fmt.Errorf("waiting for %s to end: %w", c.name, err)
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// errEnded is a server's that ended by itself.
var errEnded = errors.New("the container has ended")

// waitReady waits until the app can be asked; a batch app, until it has ended.
func (c *container) waitReady(ctx context.Context, limit time.Duration) error {
	if c.app.ready == nil {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		_, err := c.exit(ctx)
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := poll(ctx, limit, c.name+" to be ready", func(ctx context.Context) error {
		err := c.app.ready(ctx, c)
		if err != nil && !c.running(ctx) {
			cancel(errEnded)
		}
		return err
	})
	if context.Cause(ctx) == errEnded {
		return fmt.Errorf("%w: %s", errEnded, c.lastWords())
	}
	return err
}

func (c *container) running(ctx context.Context) bool {
	out, err := c.engine(ctx, "inspect", "--format", "{{.State.Running}}", c.name)
	return err != nil || strings.TrimSpace(out) == "true"
}

// lastWords is the end of what the container wrote.
func (c *container) lastWords() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stdout, stderr, err := c.logs(ctx)
	if err != nil {
		return err.Error()
	}
	s := strings.TrimSpace(stdout + stderr)
	return s[max(0, len(s)-800):]
}

// failure is a check that failed.
type failure struct {
	check string
	err   error
}

func (f failure) Error() string { return f.check + ": " + f.err.Error() }

// check runs every check; the error joins the failures.
func (c *container) check(ctx context.Context) error {
	var errs []error
	for _, k := range c.app.checks {
		if err := c.one(ctx, k); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c *container) one(ctx context.Context, k check) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := k.run(ctx, c); err != nil {
		return failure{k.name, err}
	}
	return nil
}

// stop ends the container with the image's StopSignal, as docker does, and
// returns how it ended.
func (c *container) stop(ctx context.Context) (code int, err error) {
	if _, err := c.engine(ctx, "stop", "-t", "30", c.name); err != nil {
		return 0, err
	}
	return c.exit(ctx)
}

// remove takes the container away, running or not.
func (c *container) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := c.engine(ctx, "rm", "--force", "--volumes", c.name); err != nil {
		c.bed.logf("removing %s: %v", c.name, err)
	}
}
