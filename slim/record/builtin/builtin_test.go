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
	if dir := os.Getenv("PARE_TEST_VICTIM"); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

// guest is the program of testdata/guest, static.
var guest = sync.OnceValues(func() ([]byte, error) {
	if name := os.Getenv("PARE_TEST_GUEST"); name != "" { // another process has built it
		return os.ReadFile(name)
	}
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
	tree, err := guestImage(t.Context(), more)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

func guestImage(ctx context.Context, more string) (*layers.Tree, error) {
	program, err := guest()
	if err != nil {
		return nil, err
	}
	below, err := testimage.Parse(guestFiles + more)
	if err != nil {
		return nil, err
	}
	all, err := below.Layers()
	if err != nil {
		return nil, err
	}
	top, err := testimage.Layer([]testimage.Entry{{Header: tar.Header{Typeflag: tar.TypeReg, Name: "usr/bin/guest", Mode: 0o755}, Body: program}}, "none")
	if err != nil {
		return nil, err
	}
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, append(all, top)...)
	if err != nil {
		return nil, err
	}
	return layers.Open(ctx, img, layers.Options{})
}

// bed is an engine and the image that it starts.
type bed struct {
	*Engine
	dir  string
	tree *layers.Tree
}

func newBed(t testing.TB, more string) *bed {
	t.Helper()
	return newBedOf(t, openImage(t, more))
}

func newBedOf(t testing.TB, tree *layers.Tree) *bed {
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
	return &bed{e, dir, tree}
}

// spec starts the guest with these words.
func (b *bed) spec(words ...string) engine.Spec {
	return guestSpec(b.tree, words...)
}

func guestSpec(tree *layers.Tree, words ...string) engine.Spec {
	return engine.Spec{
		Tree: tree, Argv: append([]string{"guest"}, words...), Env: []string{"PATH=/nowhere:/usr/bin", "A=b"},
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
