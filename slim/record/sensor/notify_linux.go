//go:build amd64 || arm64

package sensor

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif of linux/seccomp.h.
type notification struct {
	id    uint64
	pid   uint32 // of the thread, in the sensor's pid namespace
	flags uint32
	// struct seccomp_data
	nr   int32
	arch uint32
	ip   uint64
	args [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// receive waits for a notification. This is the one call in which the Go
// runtime must know that the thread waits.
func (n *notification) receive(fd uintptr) syscall.Errno {
	*n = notification{} // the kernel insists
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(n)))
	return errno
}

// send answers. The kernel takes a lock for it, which a signal (the Go runtime
// sends many) can interrupt: nothing is answered then.
func (r *response) send(fd uintptr) syscall.Errno {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(r)))
		if errno != unix.EINTR {
			return errno
		}
	}
}

// valid says that the call still waits, so that what was read of its process
// was read of it and not of another that got its number.
func (n *notification) valid(fd uintptr) bool {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, uintptr(unsafe.Pointer(&n.id)))
		if errno != unix.EINTR { // as for send
			return errno == 0
		}
	}
}

// syncWakeUp has the kernel wake either side on the other's CPU (Linux 6.6).
func syncWakeUp(fd uintptr) bool {
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	return errno == 0
}
