package builtin

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/pare-image/pare/slim/record/engine"
)

// What a stage can be asked.
const (
	opStart  = "start"  // answers twice: started, and ended
	opEnter  = "enter"  // a command inside; files: stdin, stdout, stderr
	opHost   = "host"   // a command of the host in the container's network; the same files
	opDial   = "dial"   // answers with a connected socket
	opListen = "listen" // which ports are listened on
	opSignal = "signal" // to the first program
	opRecord = "record" // answers when all that was recorded has ended
)

// request is one question to a stage; each has a connection of its own, and
// ends when that is closed.
type request struct {
	Op      string
	First   *first
	Program program
	Port    int
	Signal  int
}

// first says how a container is made, apart from its namespaces.
type first struct {
	Program    program
	Plain      bool // root is a directory with the files, else an overlay of them
	UserXattr  bool // overlayfs may use user.overlay.* only
	HostNet    bool
	OneID      bool
	Hostname   string
	Volumes    []string
	Conditions *engine.Conditions
	// Probe ends when everything is made, and runs nothing.
	Probe bool
}

// program is what is executed in the end.
type program struct {
	Argv, Env []string
	Dir       string
	User      engine.Credential
	KeepUser  bool // there is no other user to become
	NoGroups  bool // setgroups(2) is forbidden
	Hardened  *engine.Conditions
	Sensor    *engine.SensorOptions
}

// reply is what a stage, or a process on its way to exec, answers.
type reply struct {
	Err     string
	Overlay bool // it is overlayfs that failed
	Code    int
	Signal  int
	After   time.Duration
	Ports   []int
	// Profiles are in their own format.
	Profiles [][]byte
}

func (r reply) err() error {
	if r.Err == "" {
		return nil
	}
	if r.Overlay {
		return &overlayError{errors.New(r.Err)}
	}
	return errors.New(r.Err)
}

func failed(err error) reply {
	r := reply{Err: err.Error()}
	var o *overlayError
	r.Overlay = errors.As(err, &o)
	return r
}

// overlayError says that overlayfs cannot be used; files can be copied.
type overlayError struct{ err error }

func (e *overlayError) Error() string { return e.err.Error() }

// talk is one question in progress.
type talk struct {
	conn *net.UnixConn
	in   *gob.Decoder
	stop func() bool
}

// ask sends a question and opens the way to its answers. The caller closes
// it; so does the end of ctx.
func ask(ctx context.Context, control *net.UnixConn, q request, files ...*os.File) (*talk, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	err = sendFiles(control, theirs)
	theirs.Close()
	if err == nil {
		err = sendFiles(ours, files...)
	}
	if err == nil {
		err = send(ours, q)
	}
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("asking the container's stage: %w", err)
	}
	t := &talk{conn: ours, in: gob.NewDecoder(ours)}
	t.stop = context.AfterFunc(ctx, func() { ours.Close() })
	return t, nil
}

// answer reads the next answer; its Err is the error.
func (t *talk) answer(ctx context.Context) (reply, error) {
	var r reply
	if err := t.in.Decode(&r); err != nil {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		return r, fmt.Errorf("waiting for the container's stage: %w", err)
	}
	return r, r.err()
}

func (t *talk) close() {
	t.stop()
	t.conn.Close()
}
