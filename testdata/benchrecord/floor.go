package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const roleFloor = "floor"

// floorCost is what one call takes, in nanoseconds.
type floorCost struct {
	Seen float64 // of a path that was asked for before
	New  float64 // of one that was not
}

const (
	newPaths  = 4000
	floorTime = 500 * time.Millisecond
)

// floor is a container's program that makes one call and nothing else:
// faccessat(2) of a file that is there. It prints what one takes.
func floor() error {
	runtime.LockOSThread()
	dir, err := os.MkdirTemp("", "floor")
	if err != nil {
		return err
	}
	names := make([]*byte, newPaths)
	for i := range names {
		name := filepath.Join(dir, fmt.Sprintf("%08d", i))
		if i == 0 {
			err = os.WriteFile(name, nil, 0o600)
		} else {
			err = os.Link(filepath.Join(dir, "00000000"), name)
		}
		if err != nil {
			return err
		}
		if names[i], err = unix.BytePtrFromString(name); err != nil {
			return err
		}
	}
	var out floorCost
	began := time.Now()
	for _, n := range names {
		access(n)
	}
	out.New = float64(time.Since(began).Nanoseconds()) / newPaths
	calls, began := 0, time.Now()
	for time.Since(began) < floorTime {
		for range 100 {
			access(names[0])
		}
		calls += 100
	}
	out.Seen = float64(time.Since(began).Nanoseconds()) / float64(calls)
	return json.NewEncoder(os.Stdout).Encode(out)
}

// cwd is AT_FDCWD, as no constant.
var cwd = unix.AT_FDCWD

func access(name *byte) {
	unix.RawSyscall(unix.SYS_FACCESSAT, uintptr(cwd), uintptr(unsafe.Pointer(name)), unix.F_OK)
}

// floorOnce runs floor in a container.
func (b *bench) floorOnce(ctx context.Context, s *prepared, w way) (floorCost, error) {
	var out floorCost
	c, err := b.start(ctx, s, w, []string{inImage, roleFloor})
	if err != nil {
		return out, err
	}
	defer c.Close()
	logs, err := c.Logs(ctx)
	if err != nil {
		return out, err
	}
	defer logs.Close()
	text, err := io.ReadAll(io.LimitReader(logs, 64<<10))
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return out, fmt.Errorf("%w: %s", err, text)
	}
	return out, nil
}
