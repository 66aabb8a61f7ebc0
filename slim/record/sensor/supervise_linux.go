//go:build amd64 || arm64

package sensor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Supervise runs a program under the recorder and writes its profile where
// cfg says: the whole of a container's init. It starts nothing when that
// cannot be written. args are appended to cfg.Argv.
//
// Signals go to the program, orphans are reaped, and the exit code is the
// program's: 128+n when signal n ended it. When the program has ended, what
// it left running ends too, as it does when a container's first program ends.
// An error beside an exit code says that the profile could not be written.
func Supervise(ctx context.Context, cfg Config, args []string) (exitCode int, err error) {
	argv := append(append([]string(nil), cfg.Argv...), args...)
	if len(argv) == 0 {
		return 1, errors.New("starting a recorded program: no program is named")
	}
	if s := Check(); !s.OK() {
		return 1, fmt.Errorf("%w: %s", ErrUnsupported, s.Why)
	}
	if cfg.UserIfRoot && os.Geteuid() != 0 {
		cfg.User = nil
	}
	env := cfg.Env
	if env == nil {
		env = os.Environ()
	}
	// A program of the same user may look into neither the recording nor
	// PARE_OUT, which may hold a secret.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	out, err := openOutput(ctx, cfg, env)
	if err != nil {
		return 1, err
	}
	s := &supervisor{cfg: cfg, out: out, started: make(chan struct{})}
	if err := s.start(argv, withoutPare(env)); err != nil {
		return 1, err
	}
	code := s.loop(ctx)
	return code, s.end(ctx)
}

// withoutPare is the environment that the program gets: pare's variables are
// for pare.
func withoutPare(env []string) []string {
	out := []string{}
	for _, v := range env {
		if !strings.HasPrefix(v, "PARE_") {
			out = append(out, v)
		}
	}
	return out
}

type supervisor struct {
	cfg      Config
	out      *output
	pid      int
	recorder *Recorder
	stop     context.CancelFunc
	ran      chan error // Run's result
	started  chan struct{}
	signals  chan os.Signal
	ends     chan os.Signal // SIGCHLD: apart, so that many of them displace no other
	held     []os.Signal    // what came before there was a program to get it
}

// start starts the child and the recorder.
func (s *supervisor) start(argv, env []string) error {
	s.signals = make(chan os.Signal, 64)
	signal.Notify(s.signals, forwarded()...)
	s.ends = make(chan os.Signal, 1)
	signal.Notify(s.ends, unix.SIGCHLD)
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("starting a recorded program: %w", err)
	}
	defer unix.Close(pair[0])
	err = s.fork(pair[1], argv, env)
	unix.Close(pair[1])
	if err != nil {
		return err
	}
	listener, info, err := Receive(pair[0])
	if err != nil {
		_ = unix.Kill(s.pid, unix.SIGKILL)
		_, _ = unix.Wait4(s.pid, nil, 0, nil)
		return err
	}
	o := RecorderOptions{Info: info, Syscalls: s.cfg.Syscalls, Engine: s.cfg.Engine, Started: func() { close(s.started) }}
	if s.recorder, err = NewRecorder(listener, o); err != nil {
		return err
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.ran = make(chan error, 1)
	go func() { s.ran <- s.recorder.Run(ctx) }()
	return nil
}

// fork executes this program again, as the child: argv and env are the
// recorded program's, byte for byte.
func (s *supervisor) fork(conn int, argv, env []string) error {
	spec, err := json.Marshal(childSpec{Dir: s.cfg.Dir, User: s.cfg.User, Drop: s.cfg.Drop, Syscalls: s.cfg.Syscalls})
	if err != nil {
		return fmt.Errorf("starting a recorded program: %w", err)
	}
	sys := &syscall.SysProcAttr{Setpgid: true}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		sys.Foreground, sys.Ctty = true, 0
	}
	s.pid, err = syscall.ForkExec("/proc/self/exe", append([]string{"pare", ChildCommand, string(spec)}, argv...), &syscall.ProcAttr{
		Env: env, Files: []uintptr{0, 1, 2, uintptr(conn)}, Sys: sys,
	})
	if err != nil && sys.Foreground { // a terminal that is not ours to give
		sys.Foreground = false
		s.pid, err = syscall.ForkExec("/proc/self/exe", append([]string{"pare", ChildCommand, string(spec)}, argv...), &syscall.ProcAttr{
			Env: env, Files: []uintptr{0, 1, 2, uintptr(conn)}, Sys: sys,
		})
	}
	if err != nil {
		return fmt.Errorf("starting the recorder's child: %w", err)
	}
	return nil
}

// loop is the init: until the program has ended.
func (s *supervisor) loop(ctx context.Context) int {
	flush := time.NewTicker(s.out.every())
	defer flush.Stop()
	started := s.started
	for {
		if code, ended := s.reap(); ended {
			return code
		}
		select {
		case <-s.ends:
		case sig := <-s.signals:
			s.forward(sig)
		case <-started:
			started = nil
			for _, sig := range s.held {
				s.forward(sig)
			}
		case <-flush.C:
			s.out.flush(s.recorder.Snapshot())
		case <-ctx.Done():
			_ = unix.Kill(s.pid, unix.SIGKILL)
			ctx = context.WithoutCancel(ctx)
		}
	}
}

// forwarded are the signals that are the program's. Not among them are those
// of the Go runtime (SIGURG comes often), those that speak of this process's
// own children and faults, and the terminal's to who is in the background.
func forwarded() []os.Signal {
	var out []os.Signal
	for sig := unix.Signal(1); sig <= 64; sig++ {
		switch sig {
		case unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE, unix.SIGTTIN, unix.SIGTTOU, unix.SIGKILL, unix.SIGSTOP,
			unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGPROF, unix.SIGTRAP, unix.SIGSYS:
			continue
		}
		out = append(out, sig)
	}
	return out
}

// forward sends a signal on. Before the program is there it would reach the
// child, to which it means something else.
func (s *supervisor) forward(sig os.Signal) {
	select {
	case <-s.started:
		_ = unix.Kill(s.pid, sig.(syscall.Signal))
	default:
		if len(s.held) < cap(s.signals) {
			s.held = append(s.held, sig)
		}
	}
}

// reap takes every child that has ended, those that others left to us too.
func (s *supervisor) reap() (code int, ended bool) {
	for {
		var st unix.WaitStatus
		pid, err := unix.Wait4(-1, &st, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || pid <= 0:
			return code, ended
		case pid == s.pid && st.Signaled():
			code, ended = 128+int(st.Signal()), true
		case pid == s.pid:
			code, ended = st.ExitStatus(), true
		}
	}
}

// lastWait bounds the wait for what a program leaves running.
const lastWait = 5 * time.Second

// end kills what is left of the tree, reaps it, and writes the profile.
func (s *supervisor) end(ctx context.Context) error {
	signal.Stop(s.signals)
	signal.Stop(s.ends)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	ran, failed := s.ran, error(nil)
	for late := time.Now().Add(lastWait); time.Now().Before(late); {
		s.killRest()
		s.reap()
		if ran == nil && len(children()) == 0 {
			break
		}
		select {
		case failed = <-ran:
			ran = nil
		case <-again.C:
		}
	}
	s.stop()
	if ran != nil {
		<-ran
	}
	return errors.Join(failed, s.out.finish(ctx, s.recorder.Snapshot()))
}

// killRest kills the children that are left; what those leave comes to us as
// children in the next round.
func (s *supervisor) killRest() {
	for _, pid := range children() {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// children of this process, by /proc/self/task/TID/children.
func children() []int {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	var out []int
	for _, t := range tasks {
		raw, err := os.ReadFile("/proc/self/task/" + t.Name() + "/children")
		if err == nil {
			out = append(out, numbers(raw)...)
		}
	}
	return out
}
