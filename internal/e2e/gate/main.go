// Command gate waits until it is let go, then becomes another program:
//
//	gate TOKEN COMMAND [ARG...]
//
// The e2e tests mount it into a container that they record, because a process
// made by docker exec is running before strace can be attached. They find it
// by TOKEN, attach strace, and then make a file of that name beside the gate:
// from inside a container it cannot be seen that a tracer is there.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// The trace is easiest to read when the main thread does everything.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) < 3 {
		fail(125, "usage: gate TOKEN COMMAND [ARG...]")
	}
	free := filepath.Join(filepath.Dir(os.Args[0]), os.Args[1])
	for deadline := time.Now().Add(30 * time.Second); !exists(free); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			fail(125, "not let go within 30 s")
		}
	}
	// So that the trace shows what relative paths are relative to.
	if dir, err := os.Getwd(); err == nil {
		_ = syscall.Chdir(dir)
	}
	path, err := exec.LookPath(os.Args[2])
	if err != nil {
		fail(127, err)
	}
	fail(126, syscall.Exec(path, os.Args[2:], os.Environ()))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func fail(code int, why any) {
	fmt.Fprintln(os.Stderr, "gate:", why)
	os.Exit(code)
}
