//go:build amd64 || arm64

package sensor

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Check tries what a recording needs, on a thread of its own that is given
// up afterwards.
func Check() Support {
	s := Support{Openat2: knowsOpenat2(), WaitKillable: knowsFlag(unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)}
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		s.Kernel = unix.ByteSliceToString(uts.Release[:])
	}
	if !knowsFlag(0) {
		s.Why = fmt.Sprintf("this kernel (%s), or the sandbox or emulator that stands for it (gVisor, qemu), knows no seccomp user notification; %s", printable(s.Kernel), remains)
		return s
	}
	s.Notify = true
	t := &trial{listener: make(chan int, 1), result: make(chan unix.Errno, 1)}
	if err := unix.Pipe2(t.ended[:], unix.O_CLOEXEC); err != nil {
		s.Why = fmt.Sprintf("the check of this kernel could not make a pipe (%v); close files of this process or raise its limit (ulimit -n)", err)
		return s
	}
	defer unix.Close(t.ended[0])
	go t.ask()
	fd := <-t.listener
	if fd < 0 {
		s.Why = fmt.Sprintf("this process may not listen to system calls (%v): another listener is around it, or a seccomp profile forbids it; %s", <-t.result, remains)
		return s
	}
	defer unix.Close(fd)
	s.SyncWakeUp = syncWakeUp(uintptr(fd))
	s.Continue = t.answer(fd)
	if !s.Continue {
		s.Why = fmt.Sprintf("this kernel (%s) cannot let a notified call go on, which Linux can from 5.5 on; %s", printable(s.Kernel), remains)
	}
	return s
}

// trial is one notified call.
type trial struct {
	listener chan int
	result   chan unix.Errno
	ended    [2]int // a pipe; the end that is written is closed when the result is there
}

// magic is the argument of the call that is notified about: getpriority of a
// kind that there is not, which fails with EINVAL when it goes on.
const magic = 0x70617265

// ask makes the call. Its thread keeps the filter, and so is never unlocked:
// the Go runtime ends it.
func (t *trial) ask() {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		done := make(chan struct{})
		go func() { t.ask(); close(done) }() // elsewhere: the first thread cannot be ended
		<-done
		runtime.UnlockOSThread()
		return
	}
	defer unix.Close(t.ended[1])
	b := &builder{}
	b.load(offNr)
	b.jump(unix.BPF_JEQ, unix.SYS_GETPRIORITY, 0, 3)
	b.arg(0)
	b.jump(unix.BPF_JEQ, magic, 0, 1)
	b.ret(notify)
	b.ret(allow)
	fprog := unix.SockFprog{Len: uint16(len(b.prog)), Filter: &b.prog[0]}
	fd, errno := tryFilter(&fprog)
	if errno != 0 {
		t.listener <- -1
		t.result <- errno
		return
	}
	t.listener <- fd
	for errno = unix.EINTR; errno == unix.EINTR; {
		_, _, errno = unix.Syscall(unix.SYS_GETPRIORITY, magic, 0, 0)
	}
	t.result <- errno
}

func tryFilter(fprog *unix.SockFprog) (int, unix.Errno) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, unix.EPERM
	}
	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(fprog)))
	return int(fd), errno
}

// answer says whether the call went on: then it failed with its own error.
//
// A signal of the Go runtime, or a debugger that stops the thread, has the
// kernel begin the call anew, even when it was answered just then: it is
// answered until it has ended.
func (t *trial) answer(fd int) bool {
	var n notification
	for t.asks(fd) {
		switch n.receive(uintptr(fd)) {
		case 0:
		case unix.EINTR, unix.ENOENT:
			continue
		default:
			return false // closing the listener ends the call
		}
		to := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if errno := to.send(uintptr(fd)); errno != 0 && errno != unix.ENOENT {
			return false
		}
	}
	return <-t.result == unix.EINVAL
}

// asks waits for a notification; false: the call has ended.
func (t *trial) asks(fd int) bool {
	for {
		to := []unix.PollFd{{Fd: int32(t.ended[0]), Events: unix.POLLIN}, {Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(to, -1); err == nil {
			return to[0].Revents == 0
		}
	}
}
