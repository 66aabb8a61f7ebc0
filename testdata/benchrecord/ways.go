package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/builtin"
	"github.com/pare-image/pare/slim/record/engine"
)

// way is how a program runs.
type way struct {
	name   string
	sensor *engine.SensorOptions
	strace bool
	blind  bool
}

// The first way is what the others are compared with.
var ways = []way{
	{name: "unrecorded"},
	{name: "recorded", sensor: &engine.SensorOptions{}},
	{name: "recorded, async wake-up", sensor: &engine.SensorOptions{Async: true}},
	{name: "unseen: the kernel alone", blind: true},
	{name: "strace", strace: true},
}

// straceFlags are those of the goal. strace is the parent of the program, in
// the container: attached to a process that runs, it ignores --seccomp-bpf.
var straceFlags = []string{"-f", "--seccomp-bpf", "-e", "trace=%file", "-o", "/dev/null", "--"}

// bench is what all measurements share.
type bench struct {
	o      options
	engine *builtin.Engine
	self   string
}

func newBench(o options) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	warn := func(text string) { fmt.Fprintln(os.Stderr, "warning:", text) }
	return &bench{o: o, self: self, engine: builtin.New(builtin.Options{Dir: o.work, Warn: warn})}, nil
}

func (b *bench) close() {
	if err := b.engine.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "benchrecord:", err)
	}
}

// start starts argv, or the image's own program where that is nil, behind the
// gate.
func (b *bench) start(ctx context.Context, s *prepared, w way, argv []string) (engine.Container, error) {
	spec, err := engine.NewSpec(s.image, s.tree, engine.SpecOptions{Args: s.args, Sensor: w.sensor})
	if err != nil {
		return nil, err
	}
	if argv == nil {
		argv = append([]string{inImage, roleGate}, spec.Argv...)
	}
	switch spec.Argv = argv; {
	case w.strace:
		spec.Argv = slices.Concat(s.strace, straceFlags, argv)
	case w.blind:
		spec.Argv = append([]string{inImage, roleBlind}, argv...)
	}
	return b.engine.Start(ctx, spec)
}

// serve starts the image, has a client ask it, with load or without, and ends
// it. What was recorded is looked at: a recording that is none is quick.
func (b *bench) serve(ctx context.Context, s *prepared, w way, load bool) (out served, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	c, err := b.start(ctx, s, w, nil)
	if err != nil {
		return out, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w; log: %s", err, tail(c))
		}
		err = errors.Join(err, c.Close())
	}()
	args := []string{
		roleClient, "-path", s.path, "-addr", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		"-warm", b.o.warm.String(),
	}
	if load {
		args = append(args, "-load", b.o.load.String())
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, b.self, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := c.Host(ctx, cmd); err != nil {
		return out, fmt.Errorf("client: %w: %s", err, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		return out, err
	}
	if w.sensor != nil {
		err = recorded(ctx, c, s)
	}
	return out, err
}

// recorded ends a container and wants a whole recording of it.
func recorded(ctx context.Context, c engine.Container, s *prepared) error {
	const sigKill = 9 // quick, and how programs end is not measured
	if err := c.Signal(ctx, sigKill); err != nil {
		return err
	}
	select {
	case <-c.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	all, err := c.Recording(ctx)
	if err != nil {
		return err
	}
	if len(all) != 1 || all[0].Lost() > 0 {
		return fmt.Errorf("%d sessions, want one with nothing lost", len(all))
	}
	if !slices.ContainsFunc(all[0].Accesses, func(a profile.Access) bool { return a.Exists && (a.Path == s.file || a.Resolved == s.file) }) {
		return fmt.Errorf("%s was not recorded", s.file)
	}
	return nil
}

// tail is the end of what a container has printed.
func tail(c engine.Container) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	logs, err := c.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	text, _ := io.ReadAll(io.LimitReader(logs, 1<<20))
	return strings.TrimSpace(string(text[max(0, len(text)-2000):]))
}
