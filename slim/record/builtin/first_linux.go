package builtin

import (
	"errors"
	"fmt"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// firstMain makes the container's files visible and becomes its first program.
func firstMain([]string) int {
	return becoming(1, func(f first) (program, error) {
		return f.Program, f.enter()
	})
}

// enterMain joins the container's files and becomes a command inside. Its pid
// namespace is that already.
func enterMain([]string) int {
	return becoming(2, func(p program) (program, error) {
		mountNS := inherited(1)
		defer mountNS.Close()
		if err := unix.Unshare(unix.CLONE_FS); err != nil { // of other threads
			return p, err
		}
		if err := unix.Setns(int(mountNS.Fd()), unix.CLONE_NEWNS); err != nil {
			return p, fmt.Errorf("entering the container's files: %w", err)
		}
		return p, nil
	})
}

// errProbed says that everything could be made that was asked for.
var errProbed = errors.New("probed")

// becoming reads what to become, prepares it and becomes it. Only a failure
// is answered. recorder is the number of the recorder's file, if there is one.
func becoming[T any](recorder int, prepare func(T) (program, error)) int {
	runtime.LockOSThread()
	// Nobody inside is to look into this process: it still has the host's
	// privilege and files.
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	c, err := fileConn(inherited(0))
	if err != nil {
		return 1
	}
	var what T
	if receive(c, &what) != nil {
		return 1
	}
	p, err := prepare(what)
	if errors.Is(err, errProbed) {
		return 0
	}
	if err == nil {
		err = p.become(recorder, func() bool { return abandoned(c) })
	}
	send(c, failed(err))
	return 127
}

// abandoned says that the other end of a connection is gone.
func abandoned(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	gone := true
	err = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}} // POLLHUP comes unasked
		n, err := unix.Poll(p, 0)
		gone = err != nil || n > 0
	})
	return gone || err != nil
}

// enter makes everything that a program sees of files, host and network.
func (f first) enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	mounts, err := f.open()
	if err != nil {
		return err
	}
	if err := f.mountRoot(); err != nil {
		return err
	}
	if err := pivot("root"); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	for _, m := range mounts {
		if err := m.place(); err != nil {
			return err
		}
	}
	if err := links(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(f.Hostname)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	if !f.HostNet {
		f.sysctls()
	}
	if err := hideProc(); err != nil {
		return err
	}
	if err := f.arrange(); err != nil {
		return err
	}
	if f.Probe {
		return errProbed
	}
	return nil
}

// mountRoot mounts the image's files on ./root. No device of an image or of
// its making can be opened there; those that belong in /dev are mounts.
func (f first) mountRoot() error {
	if f.Plain {
		fd, err := cloneTree("root", 0, unix.MOUNT_ATTR_NODEV)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.MoveMount(fd, "", unix.AT_FDCWD, "root", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("mounting the root: %w", err)
		}
		return nil
	}
	if err := copyOwner("lower", "upper"); err != nil {
		return err
	}
	// The names are relative, so that none has a character with a meaning.
	options := "lowerdir=lower,upperdir=upper,workdir=work"
	if f.UserXattr {
		options += ",userxattr"
	}
	// Nothing here is to survive the machine's end.
	err := unix.Mount("overlay", "root", "overlay", unix.MS_NODEV, options+",volatile")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("overlay", "root", "overlay", unix.MS_NODEV, options)
	}
	if err != nil {
		return &overlayError{fmt.Errorf("mounting an overlay: %w", err)}
	}
	return nil
}

// copyOwner gives the overlay's root the owner and mode of the image's.
func copyOwner(from, to string) error {
	var st unix.Stat_t
	if err := unix.Stat(from, &st); err != nil {
		return fmt.Errorf("reading the root's owner: %w", err)
	}
	if err := unix.Chown(to, int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("setting the root's owner: %w", err)
	}
	if err := unix.Chmod(to, st.Mode&0o7777); err != nil {
		return fmt.Errorf("setting the root's mode: %w", err)
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{st.Atim, st.Mtim}, 0)
}

// pivot makes dir the root; the old one is gone (pivot_root(2), "pivot_root(".",
// ".")").
func pivot(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return unix.Chdir("/")
}
