//go:build linux

package builtin

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/record/engine"
)

func TestMain(m *testing.M) {
	if code, ours := Reexec(os.Args); ours {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// guest is the program of testdata/guest, static.
var guest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "guest"), "./testdata/guest")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the guest: %w: %s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "guest"))
})

// guestFiles are in every test's image, and the guest.
const guestFiles = `-- layer --
dir  etc
file etc/hosts 0644 0:0 "the image's own"
symlink etc/resolv.conf -> ../run/deep/resolv.conf
dir  usr
dir  usr/bin
dir  data 0750 7:8
file data/old 0640 7:8 "old"
`

// openImage returns the tree of the guest's image with more layers.
func openImage(t testing.TB, more string) *layers.Tree {
	t.Helper()
	program, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	all, err := testimage.New(t, guestFiles+more).Layers()
	if err != nil {
		t.Fatal(err)
	}
	top, err := testimage.Layer([]testimage.Entry{{Header: tar.Header{Typeflag: tar.TypeReg, Name: "usr/bin/guest", Mode: 0o755}, Body: program}}, "none")
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, append(all, top)...)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := layers.Open(t.Context(), img, layers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// bed is an engine and the image that it starts.
type bed struct {
	*Engine
	dir  string
	tree *layers.Tree
}

func newBed(t testing.TB, more string) *bed {
	t.Helper()
	dir := t.TempDir()
	e := New(Options{Dir: dir, Warn: func(s string) { t.Log("warning:", s) }})
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("left in %s: %v", dir, left)
		}
	})
	return &bed{e, dir, openImage(t, more)}
}

// spec starts the guest with these words.
func (b *bed) spec(words ...string) engine.Spec {
	return engine.Spec{
		Tree: b.tree, Argv: append([]string{"guest"}, words...), Env: []string{"PATH=/nowhere:/usr/bin", "A=b"},
		Dir: "/", Network: engine.Loopback, StopSignal: 15,
	}
}

// start starts a container that the test closes.
func (b *bed) start(t testing.TB, s engine.Spec) engine.Container {
	t.Helper()
	c, err := b.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// output is what a container prints until its end.
func output(t testing.TB, c engine.Container) string {
	t.Helper()
	r, err := c.Logs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c)
	return string(b)
}

func ended(t testing.TB, c engine.Container) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the container does not end")
	}
}

// until waits for a line of a container's output.
func until(t testing.TB, c engine.Container, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := c.Logs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for s := bufio.NewScanner(r); s.Scan(); {
		if s.Text() == line {
			return
		}
	}
	t.Fatalf("the container never printed %q", line)
}

func TestStart(t *testing.T) {
	b := newBed(t, "")
	c := b.start(t, b.spec("say=hello", "ids", "env", "pid", "cwd", "host", "exit=3"))
	want := "hello\n0 0 []\nPATH=/nowhere:/usr/bin A=b\n1 0\n/ <nil>\npare <nil>\n"
	if got := output(t, c); got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if e := c.Exit(); e.Code != 3 || e.Signal != 0 || e.After <= 0 {
		t.Errorf("ended as %+v", e)
	}
}

func TestProbesEnter(t *testing.T) {
	b := newBed(t, "")
	c := b.start(t, b.spec("listen=127.0.0.1:80", "listen=[::1]:81", "wait"))
	until(t, c, "ready")
	ports, err := c.Listening(t.Context())
	if err != nil || !slices.Equal(ports, []int{80, 81}) {
		t.Errorf("listening on %v, %v", ports, err)
	}
	for _, port := range []int{80, 81} {
		conn, err := c.Dial(t.Context(), port)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(conn); string(b) != "hello\n" || err != nil {
			t.Errorf("port %d answered %q, %v", port, b, err)
		}
		conn.Close()
	}
	if _, err := c.Dial(t.Context(), 82); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a closed port: %v", err)
	}
	r, err := c.Exec(t.Context(), []string{"guest", "pid", "echo", "exit=9"}, strings.NewReader("in"))
	if err != nil || r.ExitCode != 9 || !strings.HasSuffix(string(r.Stdout), " 0\nin") {
		t.Errorf("command: %+v, %v", r, err)
	}
	if _, err := c.Exec(t.Context(), []string{"none"}, nil); err == nil || !strings.Contains(err.Error(), "not found in the image's PATH") {
		t.Errorf("a missing command: %v", err)
	}
	if err := c.Signal(t.Context(), 15); err != nil {
		t.Error(err)
	}
	ended(t, c)
	if e := c.Exit(); e.Code != 7 {
		t.Errorf("ended as %+v", e)
	}
}

func TestCheck(t *testing.T) {
	if err := newBed(t, "").Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMissingProgram(t *testing.T) {
	b := newBed(t, "")
	for program, want := range map[string]string{
		"nothing":    "not found in the image's PATH",
		"/no/thing":  "no such file",
		"/etc/hosts": "permission denied",
		"/usr":       "is a directory",
	} {
		s := b.spec()
		s.Argv = []string{program}
		if c, err := b.Start(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", program, c, err)
		}
	}
}
