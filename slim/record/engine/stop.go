package engine

import (
	"context"
	"fmt"
	"time"
)

// DefaultGrace is how long a program may take to end after its stop signal,
// as docker has it.
const DefaultGrace = 10 * time.Second

// killWait bounds the wait for the end of what was killed.
const killWait = 10 * time.Second

// Ended says whether a container is done.
func Ended(c Container) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// Await waits for a container's end, at most d. The error is that of ctx.
func Await(ctx context.Context, c Container, d time.Duration) (ended bool, err error) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.Done():
		return true, nil
	case <-t.C:
		return Ended(c), nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// Stop ends a program as a runtime would, and waits for its end: with its
// stop signal, and with SIGKILL when it has not ended after grace (0:
// [DefaultGrace]). One that has ended already is no error.
func Stop(ctx context.Context, c Container, signal int, grace time.Duration) (killed bool, err error) {
	if grace == 0 {
		grace = DefaultGrace
	}
	if err := c.Signal(ctx, signal); err != nil && !Ended(c) {
		return false, fmt.Errorf("stopping with %s: %w", SignalName(signal), err)
	}
	if ended, err := Await(ctx, c, grace); ended || err != nil {
		return false, err
	}
	if err := c.Signal(ctx, SIGKILL); err != nil && !Ended(c) {
		return true, fmt.Errorf("killing: %w", err)
	}
	ended, err := Await(ctx, c, killWait)
	if err == nil && !ended {
		err = fmt.Errorf("the container did not end within %v of SIGKILL", killWait)
	}
	return true, err
}
