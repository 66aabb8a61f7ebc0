package builtin

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// command runs a command inside, or of the host, with the three files given,
// until it ends or the asker goes away.
func (s *stage) command(conn *net.UnixConn, q request, files []*os.File) reply {
	if len(files) != 3 {
		return failed(errors.New("running a command: want three open files"))
	}
	var cmd *exec.Cmd
	var err error
	if q.Op == opHost {
		cmd, err = s.startHost(q.Program, files)
	} else {
		cmd, err = s.startInside(q.Program, files)
	}
	if err != nil {
		return failed(err)
	}
	closeAll(files)
	go func() {
		conn.Read(make([]byte, 1)) // nothing is ever sent: this is the end
		cmd.Process.Kill()
	}()
	cmd.Wait()
	return exitReply(cmd.ProcessState)
}

// startInside starts a command in the container's namespaces.
func (s *stage) startInside(p program, files []*os.File) (*exec.Cmd, error) {
	s.mu.Lock()
	inside, mountNS, ended := s.inside, s.mountNS, s.ended
	s.mu.Unlock()
	select {
	case <-ended:
		ended = nil
	default:
	}
	if ended == nil {
		return nil, errors.New("running a command inside: the container has ended")
	}
	cmd := s.child(roleEnter)
	cmd.ExtraFiles = []*os.File{mountNS}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	rec, err := s.convert(cmd, p, p.Sensor, inside, cmd.Start)
	if err != nil {
		return nil, fmt.Errorf("running a command inside: %w", err)
	}
	s.mu.Lock()
	s.keep(rec)
	s.mu.Unlock()
	return cmd, nil
}

// startHost starts a command of the host in the container's network.
func (s *stage) startHost(p program, files []*os.File) (*exec.Cmd, error) {
	cmd := &exec.Cmd{
		Path: p.Argv[0], Args: p.Argv[1:], Env: p.Env, Dir: p.Dir,
		Stdin: files[0], Stdout: files[1], Stderr: files[2],
		SysProcAttr: &unix.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL},
	}
	return cmd, s.beside.do(cmd.Start)
}
