// Command gate waits until a tracer holds it, then becomes another program:
//
//	gate TOKEN COMMAND [ARG...]
//
// The e2e tests mount it into a container that they record, because a process
// made by docker exec is running before strace can be attached. TOKEN is for
// the test to find it by.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fail(125, "usage: gate TOKEN COMMAND [ARG...]")
	}
	for deadline := time.Now().Add(20 * time.Second); !traced(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			fail(125, "no tracer came within 20 s")
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

func traced() bool {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fail(125, err)
	}
	_, rest, ok := bytes.Cut(b, []byte("\nTracerPid:\t"))
	return ok && !bytes.HasPrefix(rest, []byte("0\n"))
}

func fail(code int, why any) {
	fmt.Fprintln(os.Stderr, "gate:", why)
	os.Exit(code)
}
