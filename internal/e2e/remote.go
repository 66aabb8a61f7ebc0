package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// viaPare is a container that pare record or pare verify runs: this program is
// then their --run command, and knows of it what such a command is told.
type viaPare struct {
	pare string // the binary, for pare exec
	host string // PARE_HOST
}

// checkRemote runs every check of an app against such a container. Checks
// that need a container of their own find none and are left out: what they
// need is seen by the recording's own start and end.
func checkRemote(ctx context.Context, name string) error {
	a, ok := apps[name]
	if !ok {
		return fmt.Errorf("no app is called %q", name)
	}
	c := &container{app: &a, name: name, remote: &viaPare{pare: os.Getenv("PARE_BIN"), host: os.Getenv("PARE_HOST")}}
	c.bed = &bed{gateway: os.Getenv("PARE_E2E_GATEWAY"), logf: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }}
	if c.remote.pare == "" || c.remote.host == "" {
		return errors.New("PARE_BIN or PARE_HOST is not set; this is for pare record --run")
	}
	// What it is asked until it is ready is part of what it is asked.
	if a.ready != nil {
		err := poll(ctx, 2*time.Minute, name+" to be ready", func(ctx context.Context) error { return a.ready(ctx, c) })
		if err != nil {
			return err
		}
	}
	return c.check(ctx)
}

// remoteRun is the --run command line that ends in checkRemote.
func (b *bed) remoteRun(a *app, gateway string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	argv := []string{"env", "PARE_E2E=check", "PARE_E2E_APP=" + cmp.Or(a.origin, a.name), "PARE_E2E_GATEWAY=" + gateway, "PARE_BIN=" + b.pare, self}
	for i, word := range argv {
		argv[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return strings.Join(argv, " "), nil
}

func (r *viaPare) addr(port int) string { return net.JoinHostPort(r.host, strconv.Itoa(port)) }

func (r *viaPare) exec(ctx context.Context, argv []string) (out string, code int, err error) {
	out, err = output(ctx, slices.Concat([]string{r.pare, "exec", "--"}, argv)...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || ctx.Err() != nil || strings.HasPrefix(out, "pare: ") {
		return out, 0, err
	}
	return out, exit.ExitCode(), nil
}

// logs is what the container has written so far: what comes within a moment.
func (r *viaPare) logs(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.pare, "exec", "--logs")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	b, err := cmd.Output()
	if ctx.Err() != nil {
		err = nil // it follows the log, and was interrupted
	}
	return string(b), err
}
