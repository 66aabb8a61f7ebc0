package record

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/probe"
)

// scripted is an engine whose container does what a test says. What it was
// asked is in calls.
type scripted struct {
	mu       sync.Mutex
	calls    []string
	ends     bool // by itself, at once
	stubborn bool // does not mind SIGTERM
	code     int
	sessions []*profile.Profile
	done     chan struct{}
	startErr error
	closeErr error
}

func (s *scripted) Name() string                { return "scripted" }
func (s *scripted) Check(context.Context) error { return nil }

func (s *scripted) Start(_ context.Context, spec engine.Spec) (engine.Container, error) {
	if s.startErr != nil {
		return nil, s.startErr
	}
	s.done = make(chan struct{})
	if spec.Sensor == nil {
		return nil, errors.New("not recorded")
	}
	if s.ends {
		close(s.done)
	}
	return s, nil
}

func (s *scripted) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

func (s *scripted) Dial(context.Context, int) (net.Conn, error) { return nil, errors.New("no server") }

func (s *scripted) Exec(_ context.Context, argv []string, _ io.Reader) (engine.ExecResult, error) {
	s.note("exec " + strings.Join(argv, " "))
	return engine.ExecResult{Stdout: []byte("out")}, nil
}
func (s *scripted) Host(_ context.Context, cmd *exec.Cmd) error { return cmd.Run() }
func (s *scripted) Addr() string                                { return "127.0.0.1" }
func (s *scripted) Listening(context.Context) ([]int, error)    { return nil, nil }
func (s *scripted) Logs(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("words\n")), nil
}
func (s *scripted) Done() <-chan struct{}                                 { return s.done }
func (s *scripted) Exit() engine.ExitStatus                               { return engine.ExitStatus{Code: s.code} }
func (s *scripted) Recording(context.Context) ([]*profile.Profile, error) { return s.sessions, nil }

func (s *scripted) Signal(_ context.Context, sig int) error {
	s.note("signal " + string(rune('0'+sig/10)) + string(rune('0'+sig%10)))
	if sig == engine.SIGKILL || !s.stubborn {
		close(s.done)
	}
	return nil
}

func (s *scripted) Close() error { s.note("close"); return s.closeErr }

func session(id string, start time.Time, paths ...string) *profile.Profile {
	p := &profile.Profile{Sessions: []profile.Session{{ID: id, Engine: "scripted", Start: start}}}
	for _, name := range paths {
		p.Accesses = append(p.Accesses, profile.Access{Path: name, Exists: true, Kinds: []profile.Kind{profile.Open}})
	}
	return p
}

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestRun(t *testing.T) {
	s := &scripted{sessions: []*profile.Profile{session("health", t0.Add(time.Second), "/b"), session("main", t0, "/a")}}
	var log bytes.Buffer
	o := Options{Until: UntilProbes, Log: &log, Workload: probe.Workload{Probes: []profile.Probe{{Kind: profile.ProbeExec, Argv: []string{"look"}}}}}
	image := profile.Image{Config: "sha256:c", Platform: "linux/amd64"}
	got, err := Run(t.Context(), s, engine.Spec{StopSignal: 15}, image, o)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"exec look", "exec look", "signal 15", "close"}, s.calls); d != "" {
		t.Error(d)
	}
	if !got.Stopped || got.Killed || log.String() != "words\n" || got.Profile.Image != image {
		t.Errorf("got %+v, log %q", got, log.String())
	}
	if paths := []string{got.Profile.Accesses[0].Path, got.Profile.Accesses[1].Path}; cmp.Diff([]string{"/a", "/b"}, paths) != "" {
		t.Error(paths)
	}
	for _, x := range got.Profile.Sessions {
		if want := map[string]int{"main": 1, "health": 0}[x.ID]; len(x.Probes) != want {
			t.Errorf("session %s has %d probes, want %d", x.ID, len(x.Probes), want)
		}
	}
}

func TestRunEnds(t *testing.T) {
	one := []*profile.Profile{session("main", t0, "/a")}
	closed := make(chan struct{})
	close(closed)
	for _, c := range []struct {
		name  string
		s     *scripted
		o     Options
		calls []string
		want  Result
	}{
		{"by itself", &scripted{ends: true, code: 3, sessions: one}, Options{}, []string{"close"}, Result{}},
		{"after a time", &scripted{sessions: one}, Options{For: time.Millisecond}, []string{"signal 15", "close"}, Result{Stopped: true}},
		{"when told", &scripted{sessions: one}, Options{Until: UntilStop, Stop: closed}, []string{"signal 15", "close"}, Result{Stopped: true}},
		{"killed", &scripted{stubborn: true, sessions: one}, Options{Until: UntilStop, Stop: closed, StopTimeout: time.Millisecond}, []string{"signal 15", "signal 09", "close"}, Result{Stopped: true, Killed: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Run(t.Context(), c.s, engine.Spec{StopSignal: 15}, profile.Image{}, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.calls, c.s.calls); d != "" || got.Stopped != c.want.Stopped || got.Killed != c.want.Killed || got.Exit.Code != c.s.code {
				t.Errorf("got %+v, %s", got, d)
			}
		})
	}
}

// Whatever goes wrong, the container is closed, and what closing says is heard.
func TestRunFails(t *testing.T) {
	boom := errors.New("boom")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		s      *scripted
		closed bool
		want   error
	}{
		{"to start", t.Context(), &scripted{startErr: boom}, false, boom},
		{"without a recording", t.Context(), &scripted{ends: true}, true, ErrNothingRecorded},
		{"with an empty recording", t.Context(), &scripted{ends: true, sessions: []*profile.Profile{session("main", t0)}}, true, ErrNothingRecorded},
		{"to close", t.Context(), &scripted{ends: true, closeErr: boom, sessions: []*profile.Profile{session("main", t0, "/a")}}, true, boom},
		{"when cancelled", cancelled, &scripted{}, true, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Run(c.ctx, c.s, engine.Spec{StopSignal: 15}, profile.Image{}, Options{})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if got := len(c.s.calls) > 0 && c.s.calls[len(c.s.calls)-1] == "close"; got != c.closed {
				t.Errorf("calls %q", c.s.calls)
			}
		})
	}
}
