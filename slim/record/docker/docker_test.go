package docker

import (
	"archive/tar"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/record/engine"
)

// realEngine is the daemon of PARE_DOCKER_HOST, which testdata/run starts.
func realEngine(t *testing.T) *Engine {
	t.Helper()
	host := os.Getenv("PARE_DOCKER_HOST")
	if host == "" {
		t.Skip("needs a docker daemon: PARE_DOCKER_HOST is not set; run make test")
	}
	e, err := New(Options{Host: host, Sensor: testSensor})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// testSensor is the pare that testdata/run has built.
func testSensor(string) (io.ReadCloser, int64, error) {
	f, err := os.Open(os.Getenv("PARE_BIN"))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	return f, info.Size(), err
}

var workload = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "workload-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "workload")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./testdata/workload")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
})

// testImage has the workload as its program, a user, a volume and a health
// check; mark makes it another image.
func testImage(t *testing.T, mark, compression string) v1.Image {
	t.Helper()
	program, err := workload()
	if err != nil {
		t.Fatal(err)
	}
	l, err := testimage.Layer(imageEntries(program, mark), compression)
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.Image(&v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux",
		Config: v1.Config{
			Entrypoint: []string{"/workload"}, Cmd: []string{"wait"}, WorkingDir: "/data", User: "33:34",
			Env: []string{"PATH=/", "KEPT=1", "GONE=1"}, Volumes: map[string]struct{}{"/data": {}},
			Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "/workload", "write=/data/health"}, Interval: time.Second},
		},
	}, l)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func startImage(t *testing.T, e *Engine, img v1.Image, o engine.SpecOptions, change ...func(*engine.Spec)) engine.Container {
	t.Helper()
	tree, err := layers.Open(t.Context(), img, layers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	s, err := engine.NewSpec(img, tree, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := e.Start(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error("closing:", err)
		}
		nothingLeft(t, e, c.(*Container).owner)
	})
	return c
}

// nothingLeft looks for what has this owner, or any of this process if it
// is "".
func nothingLeft(t *testing.T, e *Engine, owner string) {
	t.Helper()
	self, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	err = e.api.removeOwned(context.Background(), func(o string) bool {
		p, _ := parseOwner(o)
		if o == owner || owner == "" && p == self {
			t.Errorf("left behind: %s", o)
			return true
		}
		return false
	})
	if err != nil {
		t.Error(err)
	}
}

// waitLine reads the log until it has the text.
func waitLine(t *testing.T, c engine.Container, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := c.Logs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var seen strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), text) {
		n, err := r.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			t.Fatalf("the log ended without %q: %v\n%s", text, err, seen.String())
		}
	}
	return seen.String()
}

func waitDone(t *testing.T, c engine.Container) engine.ExitStatus {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the container does not end")
	}
	return c.Exit()
}

func TestContainer(t *testing.T) {
	e := realEngine(t)
	if err := e.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := startImage(t, e, testImage(t, "container", "gzip"), engine.SpecOptions{
		Args: []string{"serve=0.0.0.0:8080", "say=out", "warn=err", "wait", "exit=7"},
	})
	waitLine(t, c, "ready")
	echo(t, c, 8080)

	r, err := c.Exec(t.Context(), []string{"/workload", "ids", "dir", "warn=oops", "cat", "exit=3"}, strings.NewReader("given"))
	if err != nil {
		t.Fatal(err)
	}
	groups := "34"
	if e.api.isPodman() {
		groups = ""
	}
	if got := string(r.Stdout); got != "33 34 ["+groups+"] <nil>\n/data <nil>\ngiven" || string(r.Stderr) != "oops\n" || r.ExitCode != 3 {
		t.Errorf("exec: %d, %q, %q", r.ExitCode, got, r.Stderr)
	}
	if r, err := c.Exec(t.Context(), []string{"/workload", "flood=2048"}, nil); err != nil || len(r.Stdout) != maxOutput {
		t.Errorf("flood: %d bytes, %v", len(r.Stdout), err)
	}
	if r, err := c.Exec(t.Context(), []string{"/no/such"}, nil); err == nil && r.ExitCode != 126 && r.ExitCode != 127 {
		t.Errorf("no such program: %+v", r)
	}
	if err := c.Signal(t.Context(), 15); err != nil {
		t.Fatal(err)
	}
	if got := waitDone(t, c); got.Code != 7 || got.Signal != 0 || got.After <= 0 {
		t.Errorf("exit %+v", got)
	}
	if err := c.Signal(t.Context(), 15); err != nil {
		t.Errorf("signal after the end: %v", err)
	}
	logs, err := c.Logs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(logs)
	if err != nil || !strings.Contains(string(all), "out\n") || !strings.Contains(string(all), "err\n") || !strings.HasSuffix(string(all), "stopping\n") {
		t.Errorf("logs %q, %v", all, err)
	}
}

func echo(t *testing.T, c engine.Container, port int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := c.Dial(ctx, port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if half, ok := conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		t.Error("the connection cannot be closed for writing")
	}
	if b, err := io.ReadAll(conn); err != nil || string(b) != "hello" {
		t.Errorf("port %d answered %q, %v", port, b, err)
	}
}

func TestKilledContainer(t *testing.T) {
	e := realEngine(t)
	c := startImage(t, e, testImage(t, "killed", "gzip"), engine.SpecOptions{})
	waitLine(t, c, "ready")
	if err := c.Signal(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	if got := waitDone(t, c); got.Code != 137 || got.Signal != 9 {
		t.Errorf("exit %+v", got)
	}
}

// imageEntries are the image's files: a volume of its user, and directories
// that only root may write.
func imageEntries(program []byte, mark string) []testimage.Entry {
	dir := func(name string, uid int) testimage.Entry {
		return testimage.Entry{Header: tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755, Uid: uid, Gid: uid}}
	}
	file := func(name string, mode int64, body []byte) testimage.Entry {
		return testimage.Entry{Header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(body))}, Body: body}
	}
	return []testimage.Entry{
		dir("data/", 33), file("data/seed", 0o644, []byte("seed\n")), dir("cache/", 0), dir("tmp/", 0),
		file("workload", 0o755, program), file("mark", 0o644, []byte(mark+"\n")),
	}
}

func TestSurroundings(t *testing.T) {
	e := realEngine(t)
	c := startImage(t, e, testImage(t, "surroundings", "zstd"), engine.SpecOptions{
		Args: []string{"env", "ids", "dir", "cat=/data/seed", "cat=/mark", "write=/data/mine", "write=/cache/other", "cat=/proc/net/route", "dial=192.0.2.1:80", "wait"},
	}, func(s *engine.Spec) {
		s.Env = []string{"KEPT=2", "PATH=/"}
		s.User.Groups = []int{34, 10, 26}
	})
	text := waitLine(t, c, "ready")
	for _, want := range []string{
		"KEPT=2\n", "33 34 [10 26 34] <nil>\n", "/data <nil>\n", "seed\n", "surroundings\n", "write /data/mine <nil>\n",
		"write /cache/other open /cache/other: permission denied\n", "dial 192.0.2.1:80 dial tcp 192.0.2.1:80: ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("not in the log: %q", want)
		}
	}
	if !e.api.isPodman() && strings.Contains(text, "GONE=") { // podman adds the image's again
		t.Error("a variable of the image that was taken away is there")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestConditions(t *testing.T) {
	e := realEngine(t)
	c := startImage(t, e, testImage(t, "conditions", "gzip"), engine.SpecOptions{
		Args: []string{
			"write=/data/mine", "write=/cache/mine", "write=/mine", "grep=Cap@/proc/self/status", "grep=NoNewPrivs@/proc/self/status",
			"grep=Seccomp@/proc/self/status", "cat=/proc/sys/net/ipv4/ip_unprivileged_port_start", "wait",
		},
		Conditions: &engine.Conditions{ReadOnlyRoot: true, Tmpfs: []string{"/cache", "/tmp"}, Caps: []string{"NET_BIND_SERVICE"}},
	})
	text := waitLine(t, c, "ready")
	for _, want := range []string{
		"write /data/mine <nil>\n", "write /cache/mine <nil>\n", "write /mine open /mine: read-only file system\n",
		"CapBnd:\t0000000000000400\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n", "1024\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("not in the log: %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
