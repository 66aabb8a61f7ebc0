package probe

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
)

// What a caller tells apart of a wait that failed.
var (
	ErrEnded     = errors.New("the workload has ended")
	ErrUnhealthy = errors.New("the image's HEALTHCHECK says unhealthy")
	ErrNotReady  = errors.New("the workload is not ready")
)

// By is what readiness is told by.
type By string

// The ways to tell.
const (
	ByPort   By = "port"   // ports accept connections
	ByHealth By = "health" // the HEALTHCHECK exits with 0
	ByLog    By = "log"    // a line of stdout or stderr matches
)

// ReadyOptions say what to wait for.
type ReadyOptions struct {
	// By is the way; "" is the log where Log is given, else ports where there
	// are any, else the health check, else nothing: a batch image is ready at
	// once.
	By By
	// Ports are those that questions go to: all have to accept a connection.
	// Without any, the first of Exposed counts; without these too and with
	// AnyPort, whatever the workload listens on.
	Ports   []int
	Exposed []int
	AnyPort bool
	Health  *Health
	Log     *regexp.Regexp
	Timeout time.Duration // 0 is 2 min
}

func (o ReadyOptions) by() By {
	switch {
	case o.By != "":
		return o.By
	case o.Log != nil:
		return ByLog
	case len(o.Ports)+len(o.Exposed) > 0 || o.AnyPort:
		return ByPort
	case o.Health != nil:
		return ByHealth
	}
	return ""
}

const nothingToWaitFor = "there is no port and no HEALTHCHECK to wait for"

// WaitReady waits until the workload is ready and says how that was told:
// "port 8080 accepts connections". It never sleeps in place of an event: a log
// line and the workload's end are awaited, ports and health checks, which
// announce nothing, are tried at growing intervals. The error wraps ErrEnded,
// ErrUnhealthy or ErrNotReady and has the last lines of the log.
func WaitReady(ctx context.Context, c Running, o ReadyOptions) (how string, err error) {
	if o.by() == "" {
		return nothingToWaitFor, nil
	}
	limit := ifZero(o.Timeout, 2*time.Minute)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w after %v", ErrNotReady, limit))
	defer cancel()
	whole := ctx // the log is read to its end, also when the workload ends
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		select {
		case <-c.Done():
			end(ErrEnded)
		case <-ctx.Done():
		}
	}()
	log, err := follow(whole, c, o.Log)
	if err != nil {
		return "", fmt.Errorf("waiting until the workload is ready: reading its log: %w", err)
	}
	defer log.close()
	how, err = o.wait(ctx, c, log)
	if err == nil {
		return how, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = whyNot(c, o, cause)
	}
	return "", fmt.Errorf("waiting until the workload is ready: %w%s", err, log.last(errors.Is(err, ErrEnded)))
}

func (o ReadyOptions) wait(ctx context.Context, c Running, log *logTail) (string, error) {
	switch o.by() {
	case ByPort:
		return o.waitPorts(ctx, c)
	case ByHealth:
		if o.Health == nil {
			return "", errors.New("the image has no HEALTHCHECK; wait for a port or a log line")
		}
		return o.Health.wait(ctx, c)
	case ByLog:
		if o.Log == nil {
			return "", errors.New("no log line to wait for was given")
		}
		select {
		case line := <-log.matched:
			return "the log says " + shown(line), nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return "", fmt.Errorf("%s is not known; known are port, health and log", shown(string(o.By)))
}

// whyNot words the end of a wait.
func whyNot(c Running, o ReadyOptions, cause error) error {
	switch {
	case errors.Is(cause, ErrEnded):
		return ended(c.Exit())
	case !errors.Is(cause, ErrNotReady) || o.by() != ByPort:
		return cause
	}
	want := "no port accepts connections"
	if ports := slices.Concat(o.Ports, o.Exposed); len(o.Ports) > 0 {
		want = "not every asked port accepts connections: " + list(o.Ports)
	} else if len(ports) > 0 {
		want = "no exposed port accepts connections: " + list(ports)
	}
	// The wait is over, so this look has a time of its own.
	ctx, cancel := context.WithTimeout(context.Background(), killWait)
	defer cancel()
	if found, err := c.Listening(ctx); err == nil {
		want += "; the workload listens on " + list(found)
	}
	return fmt.Errorf("%w: %s", cause, want)
}

func ended(s engine.ExitStatus) error {
	if s.Signal != 0 {
		return fmt.Errorf("%w by signal %d", ErrEnded, s.Signal)
	}
	return fmt.Errorf("%w with exit code %d", ErrEnded, s.Code)
}

func list(ports []int) string {
	if len(ports) == 0 {
		return "none"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ports), " ", ", "), "[]")
}

// waitPorts tries to connect, at intervals from 5 ms to 250 ms.
func (o ReadyOptions) waitPorts(ctx context.Context, c Running) (string, error) {
	missing := slices.Clone(o.Ports)
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, 250*time.Millisecond) {
		missing = slices.DeleteFunc(missing, func(port int) bool { return accepts(ctx, c, port) })
		switch {
		case len(o.Ports) > 0:
			if len(missing) == 0 {
				return portsWord(o.Ports), nil
			}
		case len(o.Exposed) > 0:
			if i := slices.IndexFunc(o.Exposed, func(port int) bool { return accepts(ctx, c, port) }); i >= 0 {
				return portsWord(o.Exposed[i : i+1]), nil
			}
		default:
			if found, err := c.Listening(ctx); err == nil && len(found) > 0 {
				return portsWord(found), nil
			}
		}
		if !pause(ctx, delay) {
			return "", ctx.Err()
		}
	}
}

func portsWord(ports []int) string {
	if len(ports) == 1 {
		return fmt.Sprintf("port %d accepts connections", ports[0])
	}
	return fmt.Sprintf("ports %s accept connections", list(ports))
}

func accepts(ctx context.Context, c Target, port int) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := c.Dial(ctx, port)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// pause waits between two tries of what announces nothing.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// wait runs the health check until it exits with 0: at once, then at
// intervals that grow to Interval. As in Docker, failures count from the end
// of the first interval and of the start period, and so many in a row mean
// unhealthy.
func (h *Health) wait(ctx context.Context, c Running) (string, error) {
	grace := time.Now().Add(max(h.StartPeriod, h.Interval))
	failures := 0
	for delay := min(500*time.Millisecond, h.Interval); ; delay = min(2*delay, h.Interval) {
		began := time.Now()
		a := Ask(ctx, c, profile.Probe{Kind: profile.ProbeExec, Argv: h.Argv}, Options{Timeout: h.Timeout})
		if a.Error == "" && a.ExitCode == 0 {
			return "the HEALTHCHECK exits with 0", nil
		}
		if !began.Before(grace) {
			failures++
		}
		if failures >= h.Retries {
			why := fmt.Sprintf("exit code %d", a.ExitCode)
			if a.Error != "" {
				why = a.Error
			}
			return "", fmt.Errorf("%w: %d failures in a row, last %s", ErrUnhealthy, failures, why)
		}
		if !pause(ctx, delay) {
			return "", ctx.Err()
		}
	}
}
