package builtin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/pare-image/pare/slim/record/engine"
)

// container is a running container and the way to its stage.
type container struct {
	spec    engine.Spec
	first   first
	id      identity
	run     *scratch
	cmd     *exec.Cmd // the stage
	control *net.UnixConn
	logs    *spool

	done chan struct{}
	exit engine.ExitStatus
	lost error // why the stage is gone before its time

	closing sync.Once
	closed  error
}

// launchContainer starts a stage, and with it what f says. The container owns
// run from then on.
func launchContainer(ctx context.Context, s engine.Spec, id identity, run *scratch, f first) (*container, error) {
	control, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	logs, logEnd, err := newSpool()
	if err != nil {
		control.Close()
		return nil, err
	}
	defer logEnd.Close()
	c := &container{spec: s, first: f, id: id, run: run, control: control, logs: logs, done: make(chan struct{})}
	c.cmd, err = launch{
		role: roleStage, args: []string{run.path}, namespaces: namespaces(s.Network), dir: "/",
		files: []*os.File{theirs, run.lock, logEnd}, id: id, uid: s.User.UID, gid: s.User.GID,
	}.start()
	if err != nil {
		control.Close()
		return nil, err
	}
	logEnd.Close()
	theirs.Close()
	t, err := ask(ctx, control, request{Op: opStart, First: &f})
	if err == nil {
		_, err = t.answer(ctx)
	}
	if err != nil {
		if t != nil {
			t.close()
		}
		c.endStage()
		return nil, err
	}
	t.stop() // from here on, only Close ends it
	go c.wait(t)
	return c, nil
}

// wait waits for the first program's end.
func (c *container) wait(t *talk) {
	defer close(c.done)
	defer t.close()
	r, err := t.answer(context.Background())
	if err != nil {
		c.exit, c.lost = engine.ExitStatus{Code: 137, Signal: 9}, err
		return
	}
	c.exit = engine.ExitStatus{Code: r.Code, Signal: r.Signal, After: r.After}
}

func (c *container) Dial(ctx context.Context, port int) (net.Conn, error) {
	conn, err := c.dial(ctx, port)
	if err != nil {
		return nil, fmt.Errorf("connecting to port %d of the container: %w", port, err)
	}
	return conn, nil
}

func (c *container) dial(ctx context.Context, port int) (net.Conn, error) {
	t, err := ask(ctx, c.control, request{Op: opDial, Port: port})
	if err != nil {
		return nil, err
	}
	defer t.close()
	files, err := receiveFiles(t.conn)
	if err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	defer closeAll(files)
	if _, err := t.answer(ctx); err != nil {
		return nil, err
	}
	return net.FileConn(files[0])
}

func (c *container) Listening(ctx context.Context) ([]int, error) {
	r, err := c.simple(ctx, request{Op: opListen})
	return r.Ports, err
}

func (c *container) Signal(ctx context.Context, sig int) error {
	_, err := c.simple(ctx, request{Op: opSignal, Signal: sig})
	return err
}

// simple asks what is answered at once.
func (c *container) simple(ctx context.Context, q request, files ...*os.File) (reply, error) {
	t, err := ask(ctx, c.control, q, files...)
	if err != nil {
		return reply{}, err
	}
	defer t.close()
	return t.answer(ctx)
}

// maxOutput is what is kept of a command's stdout and stderr each, in bytes.
const maxOutput = 1 << 20

func (c *container) Exec(ctx context.Context, argv []string, stdin io.Reader) (engine.ExecResult, error) {
	if len(argv) == 0 {
		return engine.ExecResult{}, errors.New("running a command inside: it has no name")
	}
	p := c.first.Program
	p.Argv = argv
	var out, errOut bounded
	r, err := c.withPipes(ctx, request{Op: opEnter, Program: p}, stdin, &out, &errOut)
	return engine.ExecResult{ExitCode: r.Code, Stdout: out.Bytes(), Stderr: errOut.Bytes()}, err
}

// bounded keeps what fits and takes the rest.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), maxOutput-b.Len())])
	return len(p), nil
}

// ReadFrom would fill the buffer without a bound.
func (b *bounded) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{b}, r)
}

func (c *container) Addr() string { return "127.0.0.1" }

func (c *container) Logs(ctx context.Context) (io.ReadCloser, error) { return c.logs.open(ctx), nil }

func (c *container) Done() <-chan struct{} { return c.done }

func (c *container) Exit() engine.ExitStatus { return c.exit }

// Close ends the stage, which ends everything else and removes the directory.
func (c *container) Close() error {
	c.closing.Do(func() {
		c.endStage()
		<-c.done
		c.closed = c.run.remove(c.id) // what the stage left: nothing
	})
	return c.closed
}

// patience is how long a stage may take to end a container. A process may be
// in a call that SIGKILL does not interrupt.
const patience = 30 * time.Second

// endStage lets the stage go, which ends everything.
func (c *container) endStage() {
	c.control.Close()
	hung := time.AfterFunc(patience, func() { c.cmd.Process.Kill() })
	defer hung.Stop()
	c.cmd.Wait()
	c.logs.close()
}
