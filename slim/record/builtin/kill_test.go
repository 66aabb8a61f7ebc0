//go:build linux

package builtin

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/record/engine"
)

// kills is how often pare is killed; the tests of users without privilege
// come on top.
func kills() int {
	if os.Geteuid() != 0 {
		return 5
	}
	return 20
}

// victim starts containers in dir until it is killed.
func victim(dir string) {
	ctx := context.Background()
	tree, err := guestImage(ctx, "")
	if err != nil {
		panic(err)
	}
	for {
		e := New(Options{Dir: dir})
		s := guestSpec(tree, "spawn=sleep=1h say="+dir, "wait")
		s.Sensor = &engine.SensorOptions{}
		c, err := e.Start(ctx, s)
		if err != nil {
			panic(err)
		}
		c.Exec(ctx, []string{"guest", "pid"}, nil)
		go c.Exec(ctx, []string{"guest", "say=" + dir, "sleep=1h"}, nil)
		time.Sleep(rand.N(20 * time.Millisecond))
		if err := errors.Join(c.Close(), e.Close()); err != nil {
			panic(err)
		}
	}
}

// A pare that is killed, at any moment, leaves nothing after the next start.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	for range kills() {
		killOne(t, dir)
	}
	b := newBed(t, "")
	b.opts.Dir = dir
	c := b.start(t, b.spec("wait"))
	until(t, c, "ready")
	if err := errors.Join(c.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for left := leftIn(t, dir); len(left) > 0; left = leftIn(t, dir) {
		if time.Now().After(deadline) {
			t.Fatalf("left:\n%s", strings.Join(left, "\n"))
		}
		time.Sleep(20 * time.Millisecond) // processes end on their own time
	}
}

// killOne kills one process of ours at a random moment of its life.
func killOne(t *testing.T, dir string) {
	t.Helper()
	program, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "guest")
	if err := os.WriteFile(name, program, 0o755); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), "PARE_TEST_VICTIM="+dir, "PARE_TEST_GUEST="+name)
	cmd.Stderr, cmd.WaitDelay = &said, time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50*time.Millisecond + rand.N(500*time.Millisecond))
	cmd.Process.Kill()
	cmd.Wait()
	if said.Len() > 0 {
		t.Errorf("before it was killed: %s", said.String())
	}
}

// leftIn lists files, mounts and processes that have to do with dir.
func leftIn(t *testing.T, dir string) []string {
	t.Helper()
	var left []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, "file "+e.Name())
	}
	for _, line := range processesWith(t, dir) {
		left = append(left, "process "+line)
	}
	for _, name := range []string{"cwd", "root"} {
		links, err := filepath.Glob("/proc/[0-9]*/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			if to, err := os.Readlink(l); err == nil && strings.HasPrefix(to, dir+"/") {
				left = append(left, l+" "+to)
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		left = append(left, "a mount")
	}
	return left
}

// When the stage itself is killed, the container is noticed to be gone, and
// goes.
func TestStageKilled(t *testing.T) {
	b := newBed(t, "")
	mark := "say=" + b.dir
	c := b.start(t, b.spec("spawn=sleep=1h "+mark, "wait"))
	until(t, c, "ready")
	if err := unix.Kill(c.(*container).cmd.Process.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ended(t, c)
	if _, err := c.Recording(t.Context()); err == nil {
		t.Error("there is a recording")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if left := leftIn(t, b.dir); len(left) > 0 && !strings.HasPrefix(left[0], "file "+treePrefix) {
		t.Errorf("left: %q", left)
	}
}

// A start that is cancelled leaves nothing, wherever it was.
func TestCancelled(t *testing.T) {
	b := newBed(t, "")
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(60*time.Millisecond))
		c, err := b.Start(ctx, b.spec("wait"))
		cancel()
		if err == nil {
			err = c.Close()
		} else if errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		if err != nil {
			t.Error(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if left := leftIn(t, b.dir); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
