package verify

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
)

// scripted is a container that does what a test says. Only exec probes are
// answered.
type scripted struct {
	answers  map[string]engine.ExecResult // by argv, joined
	exit     engine.ExitStatus            // on the stop signal
	ended    bool                         // it has ended by itself
	stubborn bool                         // it ignores all but SIGKILL
	recorded []*profile.Profile
	log      string
	listens  []int // ports, which
	refusals int   // so many connections are refused first
	early    bool  // it was signalled when the next would have been

	done   chan struct{}
	closed bool
}

func (c *scripted) Dial(_ context.Context, port int) (net.Conn, error) {
	if c.refusals--; !slices.Contains(c.listens, port) || c.refusals >= 0 {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	there.Close()
	return here, nil
}

func (c *scripted) Exec(_ context.Context, argv []string, _ io.Reader) (engine.ExecResult, error) {
	return c.answers[strings.Join(argv, " ")], nil
}

func (c *scripted) Host(context.Context, *exec.Cmd) error    { return errors.New("no host in a script") }
func (c *scripted) Addr() string                             { return "" }
func (c *scripted) Listening(context.Context) ([]int, error) { return c.listens, nil }
func (c *scripted) Logs(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(c.log)), nil
}
func (c *scripted) Done() <-chan struct{}                                 { return c.done }
func (c *scripted) Exit() engine.ExitStatus                               { return c.exit }
func (c *scripted) Recording(context.Context) ([]*profile.Profile, error) { return c.recorded, nil }

func (c *scripted) Signal(_ context.Context, sig int) error {
	c.early = c.early || c.refusals > 0
	if c.stubborn && sig != engine.SIGKILL {
		return nil
	}
	close(c.done)
	return nil
}

func (c *scripted) Close() error {
	c.closed = true
	return nil
}

// scriptedEngine starts the containers of a script, one after the other.
type scriptedEngine struct {
	next    []*scripted
	started []*scripted
	specs   []engine.Spec
}

func (e *scriptedEngine) Name() string                { return "scripted" }
func (e *scriptedEngine) Check(context.Context) error { return nil }

func (e *scriptedEngine) Start(_ context.Context, s engine.Spec) (engine.Container, error) {
	if len(e.next) == 0 {
		return nil, errors.New("the script is over")
	}
	c := e.next[0]
	e.next = e.next[1:]
	c.done = make(chan struct{})
	if c.ended {
		close(c.done)
	}
	e.started, e.specs = append(e.started, c), append(e.specs, s)
	return c, nil
}

// subject opens an image that archive describes, see testimage.
func subject(t testing.TB, archive string) *Subject {
	t.Helper()
	img := testimage.New(t, archive)
	tree, err := layers.Open(t.Context(), img, layers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return &Subject{Name: Image{Reference: "test", Digest: "sha256:0", Platform: "linux/amd64"}, Image: img, Tree: tree}
}

func accesses(as ...profile.Access) *profile.Profile {
	p, err := profile.Union(&profile.Profile{Accesses: as})
	if err != nil {
		panic(err)
	}
	return p
}

func found(p string, kinds ...profile.Kind) profile.Access {
	return profile.Access{Path: p, Exists: true, Kinds: kinds, By: []string{"/bin/app"}}
}

func notFound(p string, kinds ...profile.Kind) profile.Access {
	return profile.Access{Path: p, Kinds: kinds, By: []string{"/bin/app"}}
}
