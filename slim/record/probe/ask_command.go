package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// maxStdout is how much of a command's output an engine keeps.
const maxStdout = 1 << 20

// askExec runs a command inside. Of a health check only the exit code is an
// answer: its output is for people, and full of times.
func askExec(ctx context.Context, t Target, p profile.Probe, o Options) profile.Answer {
	if len(p.Argv) == 0 {
		return profile.Answer{Error: "the probe has no command"}
	}
	r, err := t.Exec(ctx, p.Argv, nil)
	if err != nil {
		return failed(ctx, err, o.timeout())
	}
	a := profile.Answer{ExitCode: r.ExitCode}
	if p.Kind == profile.ProbeExec {
		out := newTaken(maxStdout, 0)
		out.Write(r.Stdout)
		out.into(&a, len(r.Stdout) >= maxStdout)
	}
	return a
}

// killWait is how long a command that was killed may hold its output open.
const killWait = 3 * time.Second

// askRun runs a command of the host; only its exit code is an answer.
func askRun(ctx context.Context, t Target, p profile.Probe, o Options) profile.Answer {
	if len(p.Argv) == 0 {
		return profile.Answer{Error: "the probe has no command"}
	}
	cmd := exec.CommandContext(ctx, p.Argv[0], p.Argv[1:]...)
	cmd.Env = append(cmd.Environ(), environment(t.Addr(), o.Ports)...)
	cmd.Env = append(cmd.Env, o.Env...)
	if o.Output != nil {
		cmd.Stdout, cmd.Stderr = o.Output, o.Output
	}
	cmd.WaitDelay = killWait
	ownGroup(cmd)
	err := t.Host(ctx, cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return profile.Answer{}
	case ctx.Err() != nil:
		return profile.Answer{Error: fmt.Sprintf("the command did not end within %v", o.runTimeout())}
	case errors.Is(err, exec.ErrNotFound):
		return profile.Answer{Error: fmt.Sprintf("%s is no command of this host", shown(p.Argv[0]))}
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return profile.Answer{ExitCode: exit.ExitCode()}
	case errors.As(err, &exit):
		return profile.Answer{Error: "the command was ended: " + shown(exit.Error())}
	}
	return failed(ctx, err, o.runTimeout())
}

// environment tells a host command where the workload is.
func environment(host string, ports []int) []string {
	env := []string{"PARE_HOST=" + host}
	for i, port := range ports {
		n := strconv.Itoa(port)
		if i == 0 {
			env = append(env, "PARE_PORT="+n, "PARE_ADDR="+net.JoinHostPort(host, n))
		}
		env = append(env, fmt.Sprintf("PARE_PORT_%d=%s", i+1, n))
	}
	return env
}
