package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// gateMount is where recorded containers have the gate, see gate/main.go.
const (
	gateMount = "/.pare-gate"
	gatePath  = gateMount + "/gate"
)

// gateDir is the gate's directory on the host.
func (b *bed) gateDir() string { return filepath.Join(b.run, "gate") }

// record runs the source's container under strace while every check runs,
// stops it as the image wants, and returns the traces: the container's first,
// then one for each command that a check ran in it.
func (b *bed) record(ctx context.Context, a *app, s *source) (traces []string, err error) {
	if err := b.goBuild(ctx, "./internal/e2e/gate", filepath.Join(b.gateDir(), "gate"), false); err != nil {
		return nil, err
	}
	c, err := b.start(ctx, a, s.id, true)
	defer c.remove()
	if err != nil {
		return nil, err
	}
	if err := c.waitReady(ctx, 60*time.Second); err != nil {
		return nil, err
	}
	if err := c.check(ctx); err != nil {
		return nil, fmt.Errorf("checking the source image: %w", err)
	}
	if _, err := c.stop(ctx); err != nil {
		return nil, err
	}
	return c.traces(ctx)
}

// traces waits until every strace of the container has written its last line.
func (c *container) traces(ctx context.Context) ([]string, error) {
	pids, err := filepath.Glob(filepath.Join(c.bed.trace, c.id+".*.pid"))
	if err != nil {
		return nil, err
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("no trace of %s in %s; is testdata/strace-runtime the daemon's runtime?", c.name, c.bed.trace)
	}
	var traces []string
	for _, f := range pids {
		pid, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		err = poll(ctx, 20*time.Second, "strace to end", func(context.Context) error {
			if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid))); err == nil {
				return fmt.Errorf("process %s still runs", pid)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		traces = append(traces, strings.TrimSuffix(f, ".pid")+".strace")
	}
	return traces, nil
}

// straceFlags are testdata/strace-runtime's.
func (b *bed) straceFlags() ([]string, error) {
	f, err := os.ReadFile(filepath.Join(b.root, "testdata", "strace.flags"))
	return strings.Fields(string(f)), err
}

// recordedExec runs a command in the container under a strace of its own:
// docker exec makes a process that is no child of the container's. The gate
// waits in its place until strace holds it, then becomes the command.
func (c *container) recordedExec(ctx context.Context, argv []string) (out string, code int, err error) {
	c.execs++
	token := fmt.Sprintf("%s-%d", c.name, c.execs)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	type result struct {
		out  string
		code int
		err  error
	}
	done := make(chan result, 1)
	go func() {
		out, code, err := c.plainExec(ctx, append([]string{gatePath, token}, argv...))
		done <- result{out, code, err}
	}()
	tracer, err := c.traceGate(ctx, token)
	if err != nil {
		cancel()
		r := <-done
		return r.out, 0, fmt.Errorf("recording %s: %w: %s", argv, err, r.out)
	}
	r := <-done
	_ = tracer.Wait() // its exit code is the command's
	return r.out, r.code, r.err
}

// traceGate finds the gate's process, attaches strace to it and lets it go.
func (c *container) traceGate(ctx context.Context, token string) (*exec.Cmd, error) {
	flags, err := c.bed.straceFlags()
	if err != nil {
		return nil, err
	}
	var pid string
	err = poll(ctx, 20*time.Second, "the gate to start", func(context.Context) error {
		if pid = findGate(token); pid == "" {
			return fmt.Errorf("no process %s %s", gatePath, token)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	name := filepath.Join(c.bed.trace, fmt.Sprintf("%s.exec-%03d", c.id, c.execs))
	tracer := exec.CommandContext(ctx, "strace", append(flags, "-o", name+".strace", "-p", pid)...)
	if err := tracer.Start(); err != nil {
		return nil, err
	}
	err = poll(ctx, 20*time.Second, "strace to hold the gate", func(context.Context) error {
		status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
		if err == nil && bytes.Contains(status, []byte("\nTracerPid:\t0\n")) {
			err = errors.New("not yet")
		}
		return err
	})
	if err == nil {
		err = os.WriteFile(name+".pid", []byte(strconv.Itoa(tracer.Process.Pid)), 0o644)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(c.bed.gateDir(), token), nil, 0o644)
	}
	if err != nil {
		_ = tracer.Process.Kill()
		_ = tracer.Wait()
	}
	return tracer, err
}

// findGate looks for the process by its arguments; "" when there is none.
func findGate(token string) (pid string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	want := []byte(gatePath + "\x00" + token + "\x00")
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.HasPrefix(b, want) {
			return filepath.Base(filepath.Dir(f))
		}
	}
	return ""
}
