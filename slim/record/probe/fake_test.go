package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pare-image/pare/slim/record/engine"
)

// fake is a container whose ports lead to real servers of this process, and
// whose commands are real processes of this machine.
type fake struct {
	mu    sync.Mutex
	ports map[int]string // addresses
	logR  *io.PipeReader
	logW  *io.PipeWriter
	done  chan struct{}
	exit  engine.ExitStatus
}

func newFake(t *testing.T, ports map[int]string) *fake {
	f := &fake{ports: ports, done: make(chan struct{})}
	if f.ports == nil {
		f.ports = map[int]string{}
	}
	f.logR, f.logW = io.Pipe()
	t.Cleanup(func() { f.logW.Close(); f.logR.Close() })
	return f
}

func (f *fake) address(port int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ports[port]
}

func (f *fake) open(port int, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ports[port] = address
}

func (f *fake) Dial(ctx context.Context, port int) (net.Conn, error) {
	address := f.address(port)
	if address == "" {
		address = "127.0.0.1:1" // refuses
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

func (f *fake) Exec(ctx context.Context, argv []string, stdin io.Reader) (engine.ExecResult, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.WaitDelay = stdin, &out, time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		err = nil
	}
	b := out.Bytes()
	return engine.ExecResult{ExitCode: cmd.ProcessState.ExitCode(), Stdout: b[:min(len(b), maxStdout)]}, err
}

func (f *fake) Host(_ context.Context, cmd *exec.Cmd) error { return cmd.Run() }
func (f *fake) Addr() string                                { return "127.0.0.1" }

func (f *fake) Listening(context.Context) ([]int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.ports)), nil
}

func (f *fake) Logs(context.Context) (io.ReadCloser, error) { return f.logR, nil }
func (f *fake) Done() <-chan struct{}                       { return f.done }
func (f *fake) Exit() engine.ExitStatus                     { return f.exit }

func (f *fake) end(code int) {
	f.exit.Code = code
	f.logW.Close()
	close(f.done)
}

// serve starts a real HTTP server and returns its address.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return address(t, s.URL)
}

func address(t *testing.T, u string) string {
	t.Helper()
	parsed, err := url.Parse(u)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Host
}

// converse starts a TCP server that says what it is told on each connection.
func converse(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { l.Close(); conns.Wait() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { defer c.Close(); talk(c) })
		}
	}()
	return l.Addr().String()
}

var _ Running = engine.Container(nil)
