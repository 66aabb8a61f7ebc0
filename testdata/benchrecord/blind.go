package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/record/sensor"
)

const (
	roleBlind    = "blind"
	roleListened = "listened"
)

// blind runs a program under the recorder's own filter and lets every notified
// call go on without a look at it: what is left is the kernel's part, below
// which no recorder of this kind can get.
func blind(argv []string) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	pid, err := syscall.ForkExec("/proc/self/exe", append([]string{os.Args[0], roleListened}, argv...), &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2, uintptr(pair[1])},
	})
	unix.Close(pair[1])
	if err != nil {
		return err
	}
	listener, _, err := sensor.Receive(pair[0])
	if err != nil {
		return err
	}
	go func() {
		runtime.LockOSThread()
		answerAll(listener.Fd())
	}()
	var st unix.WaitStatus
	for {
		switch _, err := unix.Wait4(pid, &st, 0, nil); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case st.Exited() && st.ExitStatus() == 0:
			return nil
		default:
			return fmt.Errorf("%s ended with status %#x", argv[0], int(st))
		}
	}
}

// listened is its child, which becomes the program.
func listened(argv []string) error {
	const conn = 3
	unix.CloseOnExec(conn)
	runtime.LockOSThread()
	if err := sensor.Enter(conn, sensor.FilterOptions{}); err != nil {
		return err
	}
	return syscall.Exec(argv[0], argv, os.Environ())
}

// answerAll is the least that a listener can do, with synchronous wake-up
// where the kernel knows it. The structures are those of linux/seccomp.h.
func answerAll(fd uintptr) {
	unix.RawSyscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	for {
		var call struct {
			id, _, _, _ uint64
			_           [6]uint64
		}
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&call)))
		if errno == unix.EINTR || errno == unix.ENOENT {
			continue
		}
		if errno != 0 {
			return
		}
		answer := struct {
			id      uint64
			_       int64
			_       int32
			carryOn uint32
		}{id: call.id, carryOn: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		unix.RawSyscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&answer)))
	}
}
