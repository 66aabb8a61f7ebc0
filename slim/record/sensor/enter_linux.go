//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What goes over conn: one byte that says what follows, then bits of Info
// with the listener, or the text of an error.
const (
	sentListener = 'L'
	sentError    = 'E'

	infoNoNewPrivs   = 1
	infoWaitKillable = 2
)

// maxMessage bounds what a child can send.
const maxMessage = 4096

// patience bounds the wait for a child that is about to start.
const patience = 60 * time.Second

// Enter installs the filter on the calling thread, which must be locked
// (runtime.LockOSThread) and stay so, and sends the listener to the other end
// of conn, a Unix socket. From then on the thread's system calls wait for a
// [Recorder], which ignores them up to the first execve: it is that program
// and what it starts that is recorded.
//
// no_new_privs is set only where CAP_SYS_ADMIN is missing; Info tells. An
// error has been sent over conn too, where [Receive] returns it.
//
// If the recorder dies, the kernel closes the listener and answers every
// notified call with ENOSYS: the program fails, it does not hang.
func Enter(conn int, f FilterOptions) error {
	err := enter(conn, f)
	if err != nil {
		refuse(conn, err)
	}
	return err
}

// refuse tells the other side why there will be no listener.
func refuse(conn int, err error) {
	text := append([]byte{sentError}, err.Error()...)
	_ = unix.Sendmsg(conn, text[:min(len(text), maxMessage)], nil, nil, unix.MSG_NOSIGNAL)
}

func enter(conn int, f FilterOptions) error {
	prog := filterProgram(conn, f.Syscalls)
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	flags, info := uintptr(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER), byte(0)
	if knowsFlag(unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
		flags, info = flags|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, info|infoWaitKillable
	}
	m := newMessage()
	sent, errno := m.install(conn, flags, info, &fprog)
	if errno == unix.EACCES { // no CAP_SYS_ADMIN
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("setting no_new_privs, without which a recorder lacking CAP_SYS_ADMIN may not install its filter: %w", err)
		}
		sent, errno = m.install(conn, flags, info|infoNoNewPrivs, &fprog)
	}
	switch {
	case errno == unix.EBUSY:
		return fmt.Errorf("installing the recorder's filter: something around already listens to this program's calls (a container runtime's seccomp agent, or another recorder), and there can be one listener: %w", errno)
	case errno != 0:
		return fmt.Errorf("installing the recorder's filter: %w; %s", errno, remains)
	case sent != 0:
		return fmt.Errorf("handing the listener over: %w", sent)
	}
	return nil
}

// message is everything that the thread needs once its filter is in place:
// nothing may be allocated, and no other thread waited for, before the
// listener has gone out, because nobody answers until then.
type message struct {
	body    [2]byte
	control []byte
	iov     unix.Iovec
	hdr     unix.Msghdr
	all     uint64 // every signal
	old     uint64
}

func newMessage() *message {
	m := &message{control: make([]byte, unix.CmsgSpace(4)), all: ^uint64(0)}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&m.control[0]))
	h.Level, h.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
	h.SetLen(unix.CmsgLen(4))
	m.iov.Base = &m.body[0]
	m.iov.SetLen(len(m.body))
	m.hdr.Iov, m.hdr.Control = &m.iov, &m.control[0]
	m.hdr.SetIovlen(1)
	m.hdr.SetControllen(len(m.control))
	return m
}

// install is the critical part: signals are held back, so that the Go
// runtime cannot switch away, and only raw calls are made. The first result
// is why the listener could not be sent.
func (m *message) install(conn int, flags uintptr, info byte, fprog *unix.SockFprog) (sent, errno unix.Errno) {
	m.body = [2]byte{sentListener, info}
	fd := (*int32)(unsafe.Pointer(&m.control[unix.CmsgLen(0)]))
	all, old, hdr := unsafe.Pointer(&m.all), unsafe.Pointer(&m.old), unsafe.Pointer(&m.hdr)
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(all), uintptr(old), 8, 0, 0)
	n, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(fprog)))
	if errno == 0 {
		*fd = int32(n)
		_, _, sent = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(conn), uintptr(hdr), unix.MSG_NOSIGNAL)
		// From here on calls may be asked about: somebody answers.
		unix.RawSyscall(unix.SYS_CLOSE, n, 0, 0)
	}
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(old), 0, 8, 0, 0)
	runtime.KeepAlive(m)
	runtime.KeepAlive(fprog)
	return sent, errno
}

// knowsFlag asks whether the kernel knows a flag of SECCOMP_SET_MODE_FILTER:
// with a known one it goes on to read the program, at an address that is none.
func knowsFlag(flag uintptr) bool {
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flag|unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 0)
	return errno == unix.EFAULT
}

// Receive is the parent half of [Enter]: it waits, at most a minute, for the
// listener of the child at the other end of conn. The caller must have closed
// its own copy of the child's end, else a child that dies is noticed late.
// An error of the child is ErrNotStarted with the child's words.
func Receive(conn int) (*os.File, Info, error) {
	tv := unix.NsecToTimeval(int64(patience))
	if err := unix.SetsockoptTimeval(conn, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return nil, Info{}, fmt.Errorf("waiting for the program to start: %w", err)
	}
	buf, control := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*8))
	n, cn, err := receive(conn, buf, control)
	listener := listenerOf(control[:cn])
	switch {
	case err != nil:
		return nil, Info{}, fmt.Errorf("%w: waiting for its filter: %w", ErrNotStarted, err)
	case n == 0:
		return nil, Info{}, fmt.Errorf("%w: it ended before its filter was in place", ErrNotStarted)
	case buf[0] == sentError:
		return nil, Info{}, fmt.Errorf("%w: %s", ErrNotStarted, printable(string(buf[1:n])))
	case buf[0] != sentListener || n != 2 || listener == nil:
		return nil, Info{}, errors.Join(ErrNotStarted, errors.New("an answer that this pare does not know"))
	}
	return listener, Info{NoNewPrivs: buf[1]&infoNoNewPrivs != 0, WaitKillable: buf[1]&infoWaitKillable != 0}, nil
}

func receive(conn int, buf, control []byte) (n, cn int, err error) {
	for {
		n, cn, _, _, err = unix.Recvmsg(conn, buf, control, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), max(cn, 0), err
		}
	}
}

// listenerOf takes the descriptor out of a control message, and closes what
// should not have been there.
func listenerOf(control []byte) *os.File {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	var f *os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			if f != nil {
				unix.Close(fd)
				continue
			}
			f = os.NewFile(uintptr(fd), "seccomp listener")
		}
	}
	return f
}
