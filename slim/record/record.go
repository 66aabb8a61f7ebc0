// Package record runs an image under a sensor, asks it what its users would
// ask, ends it as a runtime would, and makes a profile of what it touched.
package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/inside"
	"github.com/pare-image/pare/slim/record/probe"
)

// Until says when a recording ends, besides the end of the program.
type Until string

// The ends of a recording.
const (
	UntilProbes Until = "probes" // when all have been asked
	UntilExit   Until = "exit"   // never, unless Options.For is over
	UntilStop   Until = "stop"   // when Options.Stop is closed
)

// Options of a recording; the zero value starts, asks nothing and waits for
// the program's end.
type Options struct {
	Workload probe.Workload
	Until    Until         // "" is UntilExit
	For      time.Duration // at most so long after the workload; 0 is no bound
	Stop     <-chan struct{}
	// StopTimeout is how long the program may take to end after its stop
	// signal; 0 is 10 s, as docker has it.
	StopTimeout time.Duration
	// Dir is an empty directory of the caller's for the socket by which host
	// commands run commands inside; "" is none.
	Dir string
	// Log gets what the image writes to stdout and stderr, as it comes; nil is
	// nowhere.
	Log io.Writer
	// Tell gets lines about what goes on, for people; nil is nobody.
	Tell func(line string)
}

// Result of a recording.
type Result struct {
	Profile *profile.Profile
	Ready   string // how the workload was seen to be ready
	Exit    engine.ExitStatus
	Stopped bool // it was asked to end, and did not end by itself
	Killed  bool // it did not end in time after its stop signal
	// RoutesNotAsked are routes of OpenAPI documents, each with why.
	RoutesNotAsked []string
	Notes          []string // findings of the workload, for people
}

// ErrNothingRecorded says that a run left no recording.
var ErrNothingRecorded = errors.New("nothing was recorded")

// Run records one run of spec. The image's identity goes into the profile.
// What was started is gone when Run returns, whatever it returns.
func Run(ctx context.Context, e engine.Engine, spec engine.Spec, image profile.Image, o Options) (res *Result, err error) {
	if spec.Sensor == nil {
		spec.Sensor = &engine.SensorOptions{}
	}
	o.tell("starting with engine " + e.Name())
	c, err := e.Start(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("starting the image with engine %s: %w", e.Name(), err)
	}
	logged := func() error { return nil }
	defer func() {
		err = errors.Join(err, c.Close())
		logged() // nothing writes to Log any more
	}()
	if logged, err = o.follow(ctx, c); err != nil {
		return nil, err
	}
	asked, err := o.ask(ctx, c)
	if err != nil {
		return nil, err
	}
	res = &Result{Ready: asked.Ready, Notes: asked.Notes}
	for _, r := range asked.NotAsked {
		res.RoutesNotAsked = append(res.RoutesNotAsked, r.String())
	}
	if err := o.linger(ctx, c); err != nil {
		return nil, err
	}
	// What runs at shutdown needs files too.
	if res.Stopped = !engine.Ended(c); res.Stopped {
		o.tell("stopping with " + engine.SignalName(spec.StopSignal))
		if res.Killed, err = engine.Stop(ctx, c, spec.StopSignal, o.StopTimeout); err != nil {
			return nil, err
		}
	}
	if err := logged(); err != nil {
		return nil, err
	}
	res.Exit = c.Exit()
	res.Profile, err = collect(ctx, c, image, func(main *profile.Session) {
		main.Probes = asked.Probes
		if main.Exited = !res.Stopped; main.Exited {
			main.ExitCode = res.Exit.Code
		}
	})
	return res, err
}

// ask goes through the workload, if there is one.
func (o *Options) ask(ctx context.Context, c engine.Container) (probe.Result, error) {
	w := o.Workload
	if w.Batch() {
		return probe.Result{}, nil
	}
	if o.Dir != "" {
		s, err := inside.Serve(o.Dir, c)
		if err != nil {
			return probe.Result{}, err
		}
		defer s.Close()
		w.Options.Env = append(slices.Clone(w.Options.Env), s.Env())
	}
	w.MayEnd = o.Until == UntilExit || o.Until == ""
	return probe.Run(ctx, c, w)
}

// follow copies the log until the container ends; the function it returns
// waits for that.
func (o *Options) follow(ctx context.Context, c engine.Container) (func() error, error) {
	nothing := func() error { return nil }
	if o.Log == nil {
		return nothing, nil
	}
	r, err := c.Logs(ctx)
	if err != nil {
		return nothing, fmt.Errorf("following the log: %w", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(o.Log, r)
		done <- errors.Join(err, r.Close())
	}()
	return sync.OnceValue(func() error {
		if err := <-done; err != nil {
			return fmt.Errorf("following the log: %w", err)
		}
		return nil
	}), nil
}

func (o *Options) tell(line string) {
	if o.Tell != nil {
		o.Tell(line)
	}
}

// linger waits for what ends the recording.
func (o *Options) linger(ctx context.Context, c engine.Container) error {
	if o.Until == UntilProbes {
		return nil
	}
	var over <-chan time.Time
	if o.For > 0 {
		t := time.NewTimer(o.For)
		defer t.Stop()
		over = t.C
	}
	stop := o.Stop
	if o.Until != UntilStop {
		stop = nil
	}
	o.tell("recording")
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.Done():
	case <-over:
	case <-stop:
	}
	return nil
}

// collect unites the sessions of a run; fill completes the first program's.
func collect(ctx context.Context, c engine.Container, image profile.Image, fill func(*profile.Session)) (*profile.Profile, error) {
	all, err := c.Recording(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the recording: %w", err)
	}
	if len(all) == 0 {
		return nil, ErrNothingRecorded
	}
	for _, p := range all {
		p.Image = image
	}
	if main := first(all); main != nil {
		fill(main)
	}
	p, err := profile.Union(all...)
	if err != nil {
		return nil, err
	}
	if len(p.Accesses) == 0 {
		return nil, ErrNothingRecorded
	}
	return p, nil
}

// first is the session of the first program: the one that began first.
func first(all []*profile.Profile) *profile.Session {
	var main *profile.Session
	for _, p := range all {
		for i := range p.Sessions {
			if s := &p.Sessions[i]; main == nil || s.Start.Before(main.Start) {
				main = s
			}
		}
	}
	return main
}

// ExposedPorts are a config's exposed TCP ports, sorted.
func ExposedPorts(c v1.Config) []int {
	var out []int
	for text := range c.ExposedPorts {
		number, proto, _ := strings.Cut(text, "/")
		n, err := strconv.Atoi(number)
		if err == nil && n > 0 && n < 1<<16 && (proto == "" || proto == "tcp") {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
