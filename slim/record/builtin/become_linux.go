package builtin

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/record/sensor"
)

// ownOutput gives the pipes of standard input and output to the user, so that
// /dev/stdout can be opened, as runtimes do. A device is the host's: /dev/null
// would have that user as its owner from then on.
func (p program) ownOutput() {
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFCHR {
			unix.Fchown(fd, p.User.UID, p.User.GID)
		}
	}
}

// become makes this process the program: limits, user, privilege, exec. It
// returns only with an error. The calling goroutine is locked to its thread,
// and all is done to that thread: exec ends the others.
func (p program) become(recorder int, abandoned func() bool) error {
	if err := unix.Chdir(cmp.Or(p.Dir, "/")); err != nil {
		return fmt.Errorf("entering the working directory %q: %w", p.Dir, err)
	}
	file, err := findProgram(p.Argv[0], p.Env)
	if err != nil {
		return err
	}
	unix.Umask(0o022)
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	unix.KeyctlJoinSessionKeyring("") // the host's keys are not the container's
	heedSignals()
	p.ownOutput()
	if err := p.harden(); err != nil {
		return err
	}
	if err := p.record(recorder); err != nil {
		return err
	}
	if err := p.dropTo(); err != nil {
		return err
	}
	// A change of user has cleared it. Programs that change theirs clear it
	// again: the stage's own end ends them then.
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if abandoned() { // before there was that signal
		return errors.New("starting the program: nobody waits for it any more")
	}
	err = syscall.Exec(file, p.Argv, p.Env)
	return execError(p.Argv[0], file, err)
}

// heedSignals undoes what nohup, a shell's "&", or whatever started this
// program, has it ignore. The Go runtime leaves just these as they are: the
// first two (os/signal), and those that threads of C libraries use. 33 is the
// runtime's own, for calls on all threads: reset, it would hang.
func heedSignals() {
	var act [8]uint64 // struct sigaction of the kernel, SIG_DFL, and room
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT, 32, 34} {
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&act[0])), 0, 8, 0, 0)
	}
}

// record is where everything begins to be recorded.
func (p program) record(file int) error {
	if p.Sensor == nil {
		return nil
	}
	return sensor.Enter(int(inherited(file).Fd()), sensor.FilterOptions{Syscalls: p.Sensor.Syscalls})
}

// dropTo changes to the user and to the capabilities that a runtime leaves.
func (p program) dropTo() error {
	keep := defaultCaps
	if p.Hardened != nil {
		keep = capMask(p.Hardened.Caps)
	}
	if err := boundCaps(keep); err != nil {
		return err
	}
	if !p.NoGroups {
		if err := setGroups(p.User.Groups); err != nil {
			return fmt.Errorf("setting groups %v: %w", p.User.Groups, err)
		}
	}
	if !p.KeepUser {
		if err := unix.Setresgid(p.User.GID, p.User.GID, p.User.GID); err != nil {
			return fmt.Errorf("changing to group %d: %w", p.User.GID, idHint(err))
		}
		if err := unix.Setresuid(p.User.UID, p.User.UID, p.User.UID); err != nil {
			return fmt.Errorf("changing to user %d: %w", p.User.UID, idHint(err))
		}
	}
	if p.User.UID != 0 {
		keep = 0
	}
	return setCaps(keep)
}

// setGroups sets this thread's groups; the syscall package would set all
// threads', one of which a filter may already hold.
func setGroups(groups []int) error {
	gids := make([]uint32, len(groups)+1) // never empty: its address is taken
	for i, g := range groups {
		gids[i] = uint32(g)
	}
	_, _, errno := unix.RawSyscall(sysSetgroups, uintptr(len(groups)), uintptr(unsafe.Pointer(&gids[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func idHint(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w: the id has no place in the user namespace; give this user more in /etc/subuid and /etc/subgid", err)
	}
	return err
}

// findProgram looks for a program as runc does: by the container's PATH, or
// where the name says, from the working directory on.
func findProgram(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return "", fmt.Errorf("starting %q: %w", name, err)
		}
		return name, nil
	}
	var search string
	for _, v := range env {
		if s, ok := strings.CutPrefix(v, "PATH="); ok {
			search = s
		}
	}
	var denied error
	for dir := range strings.SplitSeq(search, ":") {
		file := path.Join(cmp.Or(dir, "."), name)
		switch err := executable(file); {
		case err == nil && path.IsAbs(file):
			return file, nil
		case err == nil:
			return "./" + file, nil
		case errors.Is(err, unix.EACCES):
			denied = err
		}
	}
	if denied != nil {
		return "", fmt.Errorf("starting %q: %w", name, denied)
	}
	return "", fmt.Errorf("starting %q: not found in the image's PATH (%s)", name, search)
}

func executable(name string) error {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return err
	case info.IsDir():
		return unix.EISDIR
	case info.Mode()&0o111 == 0:
		return unix.EACCES
	}
	return nil
}

// execError says what the kernel means when the file is there.
func execError(name, file string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		err = fmt.Errorf("%w: %s is there, but not its interpreter (a #! line's, or an ELF file's)", err, file)
	case errors.Is(err, unix.ENOEXEC):
		err = fmt.Errorf("%w: it is for another architecture, or no program", err)
	case errors.Is(err, unix.EACCES):
		err = fmt.Errorf("%w: the user may not execute it, or the scratch directory is mounted noexec (TMPDIR names another)", err)
	}
	return fmt.Errorf("starting %q: %w", name, err)
}
