// Command watch writes down what a container opens, as fanotify tells it:
//
//	watch PID OUT
//
// PID is the container's first process, which does not run yet. OUT.ready is
// made when nothing can be missed any more; OUT is whole when the program has
// ended, which it does after PID has. A record is three strings, each ended by
// a zero byte: "exec" or "open", the program that asked, and the path.
//
// It watches the mount that is the container's root, so neither volumes nor
// what the runtime does from outside. It is asked for permission, because only
// then is the program at /proc/PID/exe still the one that asked.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "watch:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: watch PID OUT")
	}
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("opening process %d: %w", pid, err)
	}
	group, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_UNLIMITED_QUEUE, unix.O_RDONLY|unix.O_LARGEFILE|unix.O_CLOEXEC)
	if err != nil {
		return fmt.Errorf("fanotify_init: %w", err)
	}
	const mask = unix.FAN_OPEN_PERM | unix.FAN_OPEN_EXEC_PERM | unix.FAN_ONDIR
	if err := unix.FanotifyMark(group, unix.FAN_MARK_ADD|unix.FAN_MARK_MOUNT, mask, unix.AT_FDCWD, fmt.Sprintf("/proc/%d/root", pid)); err != nil {
		return fmt.Errorf("fanotify_mark: %w", err)
	}
	file, err := os.Create(args[1])
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	if err := os.WriteFile(args[1]+".ready", nil, 0o644); err != nil {
		return err
	}
	w := &watcher{group: group, out: out, executing: map[int32]string{}}
	return errors.Join(w.watch(process), out.Flush(), file.Close())
}

type watcher struct {
	group int
	out   io.Writer
	// executing is what a process was last seen to open for execution: the
	// kernel tells of such an open twice, of the second time as of any other.
	executing map[int32]string
}

// watch answers until the process has ended.
func (w *watcher) watch(process int) error {
	buf := make([]byte, 64<<10)
	for {
		fds := []unix.PollFd{{Fd: int32(w.group), Events: unix.POLLIN}, {Fd: int32(process), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("poll: %w", err)
		}
		n, err := unix.Read(w.group, buf)
		switch {
		case err == nil:
			if err := w.answer(buf[:n]); err != nil {
				return err
			}
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("reading events: %w", err)
		case fds[1].Revents != 0: // and all that it did is read
			return nil
		}
	}
}

// answer writes the events of one read down and lets each go on.
func (w *watcher) answer(buf []byte) error {
	for len(buf) >= int(unsafe.Sizeof(unix.FanotifyEventMetadata{})) {
		e := (*unix.FanotifyEventMetadata)(unsafe.Pointer(&buf[0]))
		if e.Fd < 0 {
			return errors.New("an event without a file: the queue overflowed")
		}
		err := w.write(e)
		reply := unix.FanotifyResponse{Fd: e.Fd, Response: unix.FAN_ALLOW}
		_, werr := unix.Write(w.group, unsafe.Slice((*byte)(unsafe.Pointer(&reply)), unsafe.Sizeof(reply)))
		unix.Close(int(e.Fd))
		if err := errors.Join(err, werr); err != nil {
			return err
		}
		buf = buf[e.Event_len:]
	}
	return nil
}

func (w *watcher) write(e *unix.FanotifyEventMetadata) error {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", e.Fd))
	if err != nil {
		return err
	}
	// A kernel thread, or one that was killed, has none.
	program, _ := os.Readlink(filepath.Join("/proc", strconv.Itoa(int(e.Pid)), "exe"))
	kind := "open"
	again := w.executing[e.Pid] == path
	delete(w.executing, e.Pid)
	switch {
	case e.Mask&unix.FAN_OPEN_EXEC_PERM != 0:
		kind, w.executing[e.Pid] = "exec", path
	case again:
		return nil
	}
	_, err = io.WriteString(w.out, strings.Join([]string{kind, program, path, ""}, "\x00"))
	return err
}
