package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/inside"
	"github.com/pare-image/pare/slim/record/probe"
)

// launch is one start of an image, from its first program to its last.
type launch struct {
	engine engine.Engine
	spec   engine.Spec
	ready  probe.ReadyOptions
	asks   probe.Options
	probes []profile.Probe
	twice  bool          // to learn what is volatile
	watch  time.Duration // how long a program that is asked nothing may run
	grace  time.Duration // how long it may take to end after its stop signal
	dir    string        // for the way inside; "" has none
	// until are ports that a start which is asked nothing opens when it is
	// done with its preparations, for which it has untilFor.
	until    []int
	untilFor time.Duration
}

// outcome is what came of it.
type outcome struct {
	ready    string // how readiness was told
	notReady error  // that it never was: nothing was asked then
	answers  []profile.Probe
	took     []time.Duration // of each answer
	readyIn  time.Duration
	itself   bool // it ended by itself
	killed   bool // it did not end on its stop signal
	exit     engine.ExitStatus
	words    string        // its last lines, to be put behind a text
	lasted   time.Duration // until it was to end
	listened []int         // ports, then
	endedIn  time.Duration // after the stop signal
	grace    time.Duration // that it had then
	recorded []*profile.Profile
	noRecord error
}

// run starts the image, asks, ends it and reads what was recorded. The error
// is about the engine; what the image did is in the outcome.
func (l *launch) run(ctx context.Context) (out *outcome, err error) {
	c, err := l.engine.Start(ctx, l.spec)
	if err != nil {
		return nil, fmt.Errorf("starting with engine %s: %w", l.engine.Name(), err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	out = &outcome{}
	began := time.Now()
	out.ready, out.notReady = probe.WaitReady(ctx, c, l.ready)
	out.readyIn = time.Since(began)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if out.notReady == nil {
		if err := l.ask(ctx, c, out); err != nil {
			return nil, err
		}
	}
	if len(l.probes) == 0 && out.notReady == nil {
		if err := l.prepared(ctx, c); err != nil {
			return nil, err
		}
		if _, err := engine.Await(ctx, c, l.watch); err != nil {
			return nil, err
		}
	}
	out.lasted = time.Since(began)
	if ports, err := c.Listening(ctx); err == nil {
		out.listened = ports
	}
	if err := l.end(ctx, c, out); err != nil {
		return nil, err
	}
	out.words = probe.LastWords(ctx, c)
	if l.spec.Sensor != nil {
		out.recorded, out.noRecord = c.Recording(ctx)
	}
	return out, ctx.Err()
}

// prepared waits for the ports that tell that the program itself is there:
// what a HEALTHCHECK finds may still be its entrypoint's own (a database that
// is set up first), to which the stop signal means nothing. That they do not
// come is no error.
func (l *launch) prepared(ctx context.Context, c engine.Container) error {
	if len(l.until) == 0 {
		return nil
	}
	_, _ = probe.WaitReady(ctx, c, probe.ReadyOptions{Ports: l.until, Timeout: l.untilFor})
	return ctx.Err()
}

func (l *launch) ask(ctx context.Context, c engine.Container, out *outcome) error {
	asks := l.asks
	if l.dir != "" {
		s, err := inside.Serve(l.dir, c)
		if err != nil {
			return err
		}
		defer s.Close()
		asks.Env = append(slices.Clone(asks.Env), s.Env())
	}
	if l.twice {
		var err error
		out.answers, err = probe.AskTwice(ctx, c, l.probes, asks, nil)
		out.took = make([]time.Duration, len(out.answers))
		return err
	}
	for _, p := range l.probes {
		began := time.Now()
		p.Answer = probe.Ask(ctx, c, p, asks)
		if err := ctx.Err(); err != nil {
			return err
		}
		out.answers = append(out.answers, p)
		out.took = append(out.took, time.Since(began))
	}
	return nil
}

// end stops the program as a runtime would, and waits for its end.
func (l *launch) end(ctx context.Context, c engine.Container, out *outcome) error {
	out.itself, out.grace = engine.Ended(c), l.grace
	began := time.Now()
	if !out.itself {
		var err error
		if out.killed, err = engine.Stop(ctx, c, l.spec.StopSignal, l.grace); err != nil {
			return err
		}
	}
	out.endedIn, out.exit = time.Since(began), c.Exit()
	return nil
}
