package builtin

import (
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/record/engine"
)

// stage is the process beside a container: in its user and network
// namespaces, outside its pid and mount namespaces.
type stage struct {
	dir    string // the container's scratch directory
	beside *spawner
	inside *spawner // in the container's pid namespace, once there is one
	log    *os.File
	before map[string]int // what was listened on before

	mu      sync.Mutex
	process *os.Process
	mountNS *os.File
	ending  bool          // nothing is started any more
	ended   chan struct{} // closed when the first program is gone
	records []*recording
}

// stageMain serves until its creator closes the control socket or dies. Then
// it ends the container and removes its directory.
func stageMain(args []string) int {
	control, err := fileConn(inherited(0))
	if err != nil || len(args) != 1 {
		return 1
	}
	inherited(1) // the lock of the directory, held while this process lives
	s := &stage{dir: args[0], log: inherited(2), beside: newSpawner()}
	for {
		files, err := receiveFiles(control)
		if err != nil {
			break
		}
		for _, f := range files {
			go s.serve(f)
		}
	}
	s.end()
	if os.RemoveAll(s.dir) != nil {
		return 1
	}
	return 0
}

// end ends the container. Its first process is gone when all of the pid
// namespace are, for which commands inside must be waited for meanwhile.
func (s *stage) end() {
	s.mu.Lock() // a start in progress comes first
	s.ending = true
	process, ended := s.process, s.ended
	s.mu.Unlock()
	if process == nil {
		return
	}
	process.Kill()
	select {
	case <-ended:
		s.mountNS.Close() // the last hold of all that is mounted
	case <-time.After(patience):
	}
}

// serve answers one question.
func (s *stage) serve(f *os.File) {
	conn, err := fileConn(f)
	if err != nil {
		return
	}
	defer conn.Close()
	files, err := receiveFiles(conn)
	if err != nil {
		return
	}
	defer closeAll(files)
	var q request
	if receive(conn, &q) != nil {
		return
	}
	out := gob.NewEncoder(conn)
	switch q.Op {
	case opStart:
		s.serveStart(q, out)
	case opEnter:
		out.Encode(s.command(conn, q, files))
	case opHost:
		// The files come from the process that stands for the command.
		if files, err = receiveFiles(conn); err == nil {
			out.Encode(s.command(conn, q, files))
		}
	case opDial:
		s.dial(conn, q.Port)
	case opListen:
		out.Encode(s.listening())
	case opSignal:
		out.Encode(s.signal(q.Signal))
	case opRecord:
		out.Encode(s.recorded())
	}
}

func (s *stage) serveStart(q request, out *gob.Encoder) {
	var err error
	if q.First.HostNet {
		s.before, err = listeners()
	} else {
		err = loopbackUp()
	}
	if err != nil {
		out.Encode(failed(err))
		return
	}
	cmd, err := s.start(*q.First)
	if err != nil {
		out.Encode(failed(err))
		return
	}
	began := time.Now()
	out.Encode(reply{})
	cmd.Wait()
	r := exitReply(cmd.ProcessState)
	r.After = time.Since(began)
	close(s.ended)
	out.Encode(r)
}

// start makes the container, up to the exec of its first program.
func (s *stage) start(f first) (*exec.Cmd, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil || s.ending {
		return nil, errors.New("starting a container: there is one already, or it is to end")
	}
	cmd := s.child(roleFirst)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.log, s.log
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS
	rec, err := s.convert(cmd, f, f.Program.Sensor, s.beside, func() error {
		err := cmd.Start()
		s.log.Close()
		if err != nil {
			return explain(err)
		}
		return errors.Join(recordFirst(s.dir, cmd.Process.Pid), s.enterable(cmd.Process.Pid))
	})
	if err != nil {
		return nil, err
	}
	s.keep(rec)
	s.process, s.ended = cmd.Process, make(chan struct{})
	return cmd, nil
}

// convert starts a process of ours and tells it what to become. It returns
// when that is done, or has failed. With a sensor, it is recorded from then on.
func (s *stage) convert(cmd *exec.Cmd, what any, o *engine.SensorOptions, by *spawner, start func() error) (*recording, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	cmd.ExtraFiles = append([]*os.File{theirs}, cmd.ExtraFiles...)
	var rec *recording
	if o != nil {
		var end *os.File
		if rec, end, err = newRecording(*o); err != nil {
			theirs.Close()
			return nil, err
		}
		defer end.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, end)
	}
	err = by.do(start)
	theirs.Close()
	if rec != nil {
		rec.begin(cmd.ExtraFiles[len(cmd.ExtraFiles)-1]) // it fails at once where start has
	}
	if err == nil {
		err = converse(ours, what)
	}
	if err == nil && rec != nil {
		err = rec.started()
	}
	if err != nil {
		if cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		return nil, err
	}
	return rec, nil
}

// child describes a process of this program, in the stage's namespaces.
func (s *stage) child(role string) *exec.Cmd {
	return &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"pare", role}, Env: reexecEnv, Dir: "/",
		SysProcAttr: &unix.SysProcAttr{Setsid: true},
	}
}

// converse tells a process on its way to exec what to do. It answers only if
// it fails: exec closes the connection.
func converse(c *net.UnixConn, what any) error {
	if err := send(c, what); err != nil {
		return fmt.Errorf("telling a process what to become: %w", err)
	}
	var r reply
	if receive(c, &r) != nil {
		return nil
	}
	return r.err()
}

// enterable keeps hold of the container's namespaces. There is no way back
// from a pid namespace for one who has no privilege in the old one.
func (s *stage) enterable(pid int) error {
	pidNS, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return err
	}
	defer pidNS.Close()
	s.inside = newSpawner()
	if err := s.inside.do(func() error { return unix.Setns(int(pidNS.Fd()), unix.CLONE_NEWPID) }); err != nil {
		return fmt.Errorf("entering the pid namespace: %w", err)
	}
	s.mountNS, err = os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	return err
}

func (s *stage) signal(sig int) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return failed(errors.New("sending a signal: nothing has been started"))
	}
	if err := s.process.Signal(unix.Signal(sig)); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return failed(fmt.Errorf("sending signal %d: %w", sig, err))
	}
	return reply{}
}

func exitReply(p *os.ProcessState) reply {
	st, ok := p.Sys().(syscall.WaitStatus)
	if ok && st.Signaled() {
		return reply{Code: 128 + int(st.Signal()), Signal: int(st.Signal())}
	}
	return reply{Code: p.ExitCode()}
}

// spawner starts all processes from one thread that never ends: a thread's
// end is what PR_SET_PDEATHSIG takes for its parent's, and the pid namespace
// of its children (setns(2)) is its own.
type spawner struct{ work chan func() }

func newSpawner() *spawner {
	s := &spawner{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *spawner) do(f func() error) error {
	done := make(chan error)
	s.work <- func() { done <- f() }
	return <-done
}
