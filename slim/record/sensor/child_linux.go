//go:build amd64 || arm64

package sensor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// childSpec is what Supervise tells its child beside argv and environment.
type childSpec struct {
	Dir      string
	User     *User
	Drop     []string
	Syscalls bool
}

// childConn is the descriptor over which the child hands the listener out.
const childConn = 3

// Child is the other half of [Supervise]: args are those behind
// [ChildCommand]. It becomes the program, or returns why not: an error for
// which errors.Is says fs.ErrNotExist is a program that is not there, which
// shells say with exit code 127; 126 is for the others.
func Child(args []string) error {
	var spec childSpec
	if len(args) < 2 || json.Unmarshal([]byte(args[0]), &spec) != nil {
		return errors.New("starting a recorded program: this command is the recorder's own")
	}
	argv, env := args[1:], os.Environ()
	runtime.LockOSThread()
	unix.CloseOnExec(childConn)
	if err := Enter(childConn, FilterOptions{Syscalls: spec.Syscalls}); err != nil {
		return err
	}
	if err := spec.become(); err != nil {
		return err
	}
	path, err := lookPath(argv[0], env)
	if err != nil {
		return err
	}
	signal.Reset()
	resetSignals()
	if err := syscall.Exec(path, argv, env); err != nil {
		return &fs.PathError{Op: "executing", Path: path, Err: err}
	}
	return nil
}

// become takes the program's capabilities, user and directory. All calls are
// raw ones, of this thread only: the others are about to end.
func (s *childSpec) become() error {
	early := s.chdir() // as root it may reach what the user may not, as runc does
	if err := boundCaps(s.Drop); err != nil {
		return err
	}
	if err := s.User.become(); err != nil {
		return err
	}
	if err := dropCaps(s.Drop); err != nil { // SETUID and SETGID may be among them
		return err
	}
	if early != nil {
		return s.chdir()
	}
	return nil
}

func (s *childSpec) chdir() error {
	if s.Dir == "" {
		return nil
	}
	if err := unix.Chdir(s.Dir); err != nil {
		return fmt.Errorf("entering the working directory: %w", &fs.PathError{Op: "chdir", Path: s.Dir, Err: err})
	}
	return nil
}

func (u *User) become() error {
	if u == nil {
		return nil
	}
	u.ownOutput()
	groups := make([]uint32, len(u.Groups)+1)
	for i, g := range u.Groups {
		groups[i] = uint32(g)
	}
	uid, gid := uintptr(u.UID), uintptr(u.GID)
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(u.Groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
	if errno == unix.EPERM && len(u.Groups) == 0 {
		errno = 0 // no right to drop groups: what it has, it keeps
	}
	if errno == 0 {
		_, _, errno = unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid)
	}
	if errno == 0 {
		_, _, errno = unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid)
	}
	if errno != 0 {
		return fmt.Errorf("becoming user %d:%d: %w; start the recorder as root, or as that user without naming one", u.UID, u.GID, errno)
	}
	return nil
}

// ownOutput gives standard input and output to the user, as runc does
// (fixStdioPermissions): programs open /dev/stderr by its name, and a pipe of
// root's could not be opened. What cannot be given stays as it is.
func (u *User) ownOutput() {
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3) || int(st.Uid) == u.UID {
			continue
		}
		_ = unix.Fchown(fd, u.UID, int(st.Gid))
	}
}

// defaultPath is what engines set where an image does not.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookPath finds a program by the PATH that it will have, as runc does.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	list := defaultPath
	for _, v := range env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			list = p
		}
	}
	for dir := range strings.SplitSeq(list, ":") {
		p := dir + "/" + name
		if dir == "" {
			p = "./" + name
		}
		var st unix.Stat_t
		if unix.Stat(p, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && unix.Access(p, unix.X_OK) == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("executing %s: not in PATH (%s): %w", printable(name), printable(list), fs.ErrNotExist)
}

// resetSignals gives signals back their default meaning: an ignored one stays
// ignored over execve, and a Go program's main may ignore SIGPIPE. Those that
// the Go runtime needs until then are reset by execve.
func resetSignals() {
	var action [4]uint64 // struct sigaction, all zero: SIG_DFL
	for sig := 1; sig <= 64; sig++ {
		switch unix.Signal(sig) {
		case unix.SIGURG, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGPROF:
			continue
		}
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	}
}
