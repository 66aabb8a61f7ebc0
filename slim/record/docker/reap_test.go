package docker

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/record/engine"
)

func writeProgram(t *testing.T, file string, body []byte) {
	t.Helper()
	if err := os.WriteFile(file, body, 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestReap kills a process that has a container and finds nothing left after
// the next start, while what a living process owns stays.
func TestReap(t *testing.T) {
	e := realEngine(t)
	if os.Getenv("PARE_TEST_VICTIM") != "" {
		c := startImage(t, e, testImage(t, "victim", "gzip"), engine.SpecOptions{})
		waitLine(t, c, "ready")
		os.Stdout.WriteString("owner " + c.(*Container).owner + "\n")
		select {}
	}
	living := startImage(t, e, testImage(t, "living", "gzip"), engine.SpecOptions{})
	cmd := exec.Command(os.Args[0], "-test.run=^TestReap$")
	cmd.Env = append(os.Environ(), "PARE_TEST_VICTIM=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	owner := readOwner(t, out.(*os.File))
	if err := e.Reap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := owned(t, e, owner); n != 3 {
		t.Fatalf("a living process owns %d things, want a container, a network and an image", n)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if err := e.Reap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := owned(t, e, owner); n != 0 {
		t.Errorf("%d things of a killed process are left", n)
	}
	if n := owned(t, e, living.(*Container).owner); n != 3 {
		t.Errorf("of what a living process owns, %d of 3 are left", n)
	}
}

func readOwner(t *testing.T, f *os.File) string {
	t.Helper()
	f.SetReadDeadline(time.Now().Add(30 * time.Second))
	var text []byte
	for !strings.Contains(string(text), "\n") {
		b := make([]byte, 256)
		n, err := f.Read(b)
		if err != nil {
			t.Fatalf("the victim says %q, %v", text, err)
		}
		text = append(text, b[:n]...)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(text), "owner "))
}

// owned counts what has this owner.
func owned(t *testing.T, e *Engine, owner string) int {
	t.Helper()
	n := 0
	count := func(o string) bool {
		if o == owner {
			n++
		}
		return false
	}
	if err := e.api.removeOwned(context.Background(), count); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDead(t *testing.T) {
	self := process{"aaaaaaaa", "bbbbbbbb", 7, 100, 1000}
	runs := map[int]uint64{100: 1000, 101: 1001}
	started := func(pid int) (uint64, error) {
		if pid == 102 {
			return 0, errors.New("no permission")
		}
		return runs[pid], nil
	}
	for _, tt := range []struct {
		name string
		p    process
		want bool
	}{
		{"itself", self, false},
		{"another that runs", process{"aaaaaaaa", "bbbbbbbb", 7, 101, 1001}, false},
		{"one whose number another has got", process{"aaaaaaaa", "bbbbbbbb", 7, 101, 900}, true},
		{"one that has ended", process{"aaaaaaaa", "bbbbbbbb", 7, 103, 1003}, true},
		{"one that cannot be seen", process{"aaaaaaaa", "bbbbbbbb", 7, 102, 1002}, false},
		{"another pid namespace", process{"aaaaaaaa", "bbbbbbbb", 8, 103, 1003}, false},
		{"before this boot", process{"aaaaaaaa", "cccccccc", 8, 100, 1000}, true},
		{"another machine", process{"dddddddd", "cccccccc", 8, 103, 1003}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, ok := parseOwner(newOwner(tt.p))
			if !ok || p != tt.p {
				t.Errorf("read back as %+v, %v", p, ok)
			}
			if got := p.dead(self, started); got != tt.want {
				t.Errorf("dead: %v", got)
			}
		})
	}
	for _, bad := range []string{"", "latest", newOwner(self) + "x", strings.Replace(newOwner(self), ".p", ".q", 1)} {
		if _, ok := parseOwner(bad); ok {
			t.Errorf("%q is taken for an owner", bad)
		}
	}
	if p, ok := tagOwner("localhost/pare-record:x"); p != "x" || !ok {
		t.Errorf("podman's tag: %q, %v", p, ok)
	}
	if _, ok := tagOwner("registry:5000/pare-record-not:x"); ok {
		t.Error("another's tag is taken for ours")
	}
}

// An image that was there stays; one that several loaded goes with the last.
func TestImageOfOthers(t *testing.T) {
	e := realEngine(t)
	there := func(img v1.Image) bool {
		id, err := img.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		ok, _, err := e.api.find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if err := e.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := testImage(t, "kept", "gzip")
	if err := e.api.load(t.Context(), kept, "pare-test/kept:1"); err != nil {
		t.Fatal(err)
	}
	defer e.api.removeImage(context.Background(), "pare-test/kept:1")
	if err := startImage(t, e, kept, engine.SpecOptions{}).Close(); err != nil {
		t.Fatal(err)
	}
	if !there(kept) {
		t.Error("an image that was there before is gone")
	}

	shared := testImage(t, "shared", "gzip")
	first := startImage(t, e, shared, engine.SpecOptions{})
	second := startImage(t, e, shared, engine.SpecOptions{})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if !there(shared) {
		t.Error("an image is gone while another container of pare's has it")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if there(shared) {
		t.Error("an image that pare loaded is left")
	}
}

// Whatever moment Start is cancelled at, nothing is left.
func TestCancelledStart(t *testing.T) {
	e := realEngine(t)
	img := testImage(t, "cancelled", "gzip")
	tree, err := layers.Open(t.Context(), img, layers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	s, err := engine.NewSpec(img, tree, engine.SpecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*120)*time.Millisecond)
			defer cancel()
			if c, err := e.Start(ctx, s); err == nil {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			} else if ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	nothingLeft(t, e, "")
}
