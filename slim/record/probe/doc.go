// Package probe asks a workload questions and reduces what comes back to
// what can be compared: it reads the questions from the command line, from
// OpenAPI documents and from the pages of a site, waits until the workload is
// ready, and asks everything twice, so that an answer which differs from
// itself is known as volatile before another image's answer is held against
// it.
//
// Answers come from programs of an image that nobody has vouched for: every
// read has a bound in bytes and in time, and nothing of an answer is kept but
// its status, its content type, its size and its digest.
package probe

import (
	"context"
	"io"
	"net"
	"os/exec"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/pare-image/pare/slim/record/engine"
)

// Target is what can be asked: an [engine.Container], or the part of one that
// asking needs.
type Target interface {
	Dial(ctx context.Context, port int) (net.Conn, error)
	Exec(ctx context.Context, argv []string, stdin io.Reader) (engine.ExecResult, error)
	Host(ctx context.Context, cmd *exec.Cmd) error
	Addr() string
}

// Running is a Target whose start and end can be awaited.
type Running interface {
	Target
	Listening(ctx context.Context) ([]int, error)
	Logs(ctx context.Context) (io.ReadCloser, error)
	Done() <-chan struct{}
	Exit() engine.ExitStatus
}

// Options say how to ask. The zero value is good.
type Options struct {
	// Timeout is for one question, from connecting to the last byte of the
	// answer; 0 is 30 s. RunTimeout is for one host command; 0 is 30 min.
	Timeout    time.Duration
	RunTimeout time.Duration
	// Quiet is how long a TCP server that said something, or that nothing was
	// said to, stays silent before its answer counts as whole; 0 is 1 s.
	Quiet time.Duration
	// MaxBody bounds what is read of an answer, in bytes; 0 is 64 MiB.
	MaxBody int64
	// Getenv gives the values of variables that headers name; nil has none.
	Getenv func(name string) string
	// Ports are told to host commands as PARE_PORT (the first), PARE_PORT_1,
	// PARE_PORT_2 and so on.
	Ports []int
	// Env is added to the environment of host commands.
	Env []string
	// Output takes what host commands write, as it is; nil is nowhere.
	Output io.Writer
}

// ifZero is v, or def where v is zero.
func ifZero[T int | int64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

func (o Options) timeout() time.Duration    { return ifZero(o.Timeout, 30*time.Second) }
func (o Options) runTimeout() time.Duration { return ifZero(o.RunTimeout, 30*time.Minute) }
func (o Options) quiet() time.Duration      { return ifZero(o.Quiet, time.Second) }
func (o Options) maxBody() int64            { return ifZero(o.MaxBody, 64<<20) }

func (o Options) getenv(name string) string {
	if o.Getenv == nil {
		return ""
	}
	return o.Getenv(name)
}

// maxShown bounds a piece of foreign text in an error or a line, in bytes.
const maxShown = 200

// shown is foreign text fit for people: one line, cut to a bound, quoted when
// it is not UTF-8 or holds anything that a terminal would act on.
func shown(s string) string {
	if len(s) > maxShown {
		s = s[:maxShown] + "..."
	}
	q := strconv.Quote(s)
	if utf8.ValidString(s) && len(q) == len(s)+2 {
		return s
	}
	return q
}
