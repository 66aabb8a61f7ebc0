package builtin

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// launch describes a process of this program in namespaces of its own.
type launch struct {
	role       string
	args       []string
	namespaces uintptr // CLONE_NEW…, without the user namespace
	dir        string
	files      []*os.File
	id         identity
	// uid and gid are the container's only ones, where there is but one.
	uid, gid int
}

// start starts the process; it never outlives its controlling socket, by its
// own doing, and a signal from the terminal does not reach it.
func (l launch) start() (*exec.Cmd, error) {
	program, err := self()
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: "/proc/self/fd/" + strconv.Itoa(int(program.Fd())),
		Args: append([]string{"pare", l.role}, l.args...),
		Env:  reexecEnv, Dir: l.dir, ExtraFiles: l.files,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Cloneflags: l.namespaces},
	}
	if l.id.footing == withRanges {
		return l.startMapped(cmd)
	}
	l.mapIDs(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		return nil, explain(err)
	}
	return cmd, nil
}

// mapIDs has the Go runtime write the maps, where it may.
func (l launch) mapIDs(a *syscall.SysProcAttr) {
	switch l.id.footing {
	case withOwnMap:
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings, a.GidMappings, a.GidMappingsEnableSetgroups = l.id.uids, l.id.gids, true
	case withOneID:
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings, a.GidMappings = single(l.uid, l.gid)
		if l.uid != 0 {
			// Who is not root inside keeps capabilities through exec only as
			// ambient ones.
			a.AmbientCaps = allCaps()
		}
	}
}

// startMapped starts a process that waits until newuidmap and newgidmap, which
// have the privilege that this process lacks, have written its maps.
func (l launch) startMapped(cmd *exec.Cmd) (*exec.Cmd, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	defer r.Close()
	cmd.Args = append([]string{"pare", roleMapped + l.role, strconv.Itoa(firstFile + len(l.files))}, l.args...)
	cmd.ExtraFiles = append(append([]*os.File{}, l.files...), r)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
	cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID}
	if err := cmd.Start(); err != nil {
		return nil, explain(err)
	}
	err = errors.Join(writeMap("newuidmap", cmd.Process.Pid, l.id.uids), writeMap("newgidmap", cmd.Process.Pid, l.id.gids))
	if err == nil {
		_, err = w.Write([]byte{1})
	}
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, err
	}
	return cmd, nil
}

func writeMap(program string, pid int, maps []syscall.SysProcIDMap) error {
	args := []string{strconv.Itoa(pid)}
	for _, m := range maps {
		args = append(args, strconv.Itoa(m.ContainerID), strconv.Itoa(m.HostID), strconv.Itoa(m.Size))
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("running %s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// becomeMapped is a process of startMapped: once it is mapped, it becomes
// root inside, and by exec gets root's capabilities.
func becomeMapped(role string, args []string) int {
	runtime.LockOSThread()
	if len(args) == 0 {
		return 2
	}
	fd, err := strconv.Atoi(args[0])
	if err != nil {
		return 2
	}
	sync := os.NewFile(uintptr(fd), "sync")
	if n, err := sync.Read(make([]byte, 1)); n != 1 || err != nil {
		return 1
	}
	sync.Close()
	if unix.Setresgid(0, 0, 0) != nil || unix.Setgroups(nil) != nil || unix.Setresuid(0, 0, 0) != nil {
		return 1
	}
	syscall.Exec("/proc/self/exe", append([]string{"pare", role}, args[1:]...), reexecEnv)
	return 1
}

// explain says why the kernel would not make a namespace.
func explain(err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.EPERM) && readFlag("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		hint = "the sysctl kernel.unprivileged_userns_clone is 0"
	case errors.Is(err, unix.EPERM) && readFlag("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		hint = "AppArmor forbids it (sysctl kernel.apparmor_restrict_unprivileged_userns is 1)"
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS):
		hint = "clone is refused, as in a container: give that one --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
	case errors.Is(err, unix.ENOSPC):
		hint = "the sysctl user.max_user_namespaces, or another of user.max_*_namespaces, is reached"
	default:
		return fmt.Errorf("starting a process in namespaces: %w", err)
	}
	return fmt.Errorf("starting a process in namespaces: %w: %s; or use --engine docker, or pare instrument", err, hint)
}

func readFlag(name string) string {
	raw, err := readBounded(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
