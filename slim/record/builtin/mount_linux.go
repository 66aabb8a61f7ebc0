package builtin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// The flags of almost everything that is not the image's.
const quiet = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// mount is a file system, mounted nowhere yet, and where it goes. Everything
// is opened while the host's files are in sight, and put into its place after
// the root is changed: then no name in the image can lead out of it.
type mount struct {
	at string
	fd int
}

// newFS makes a file system: key and value in turn in options, "" for none.
func newFS(kind string, attr int, options ...string) (fd int, err error) {
	conf, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err == nil {
		defer unix.Close(conf)
		for i := 0; err == nil && i < len(options); i += 2 {
			err = configure(conf, options[i], options[i+1])
		}
	}
	if err == nil {
		err = unix.FsconfigCreate(conf)
	}
	if err == nil {
		fd, err = unix.Fsmount(conf, unix.FSMOUNT_CLOEXEC, attr)
	}
	if err != nil {
		return -1, fmt.Errorf("making a %s: %w", kind, mountHint(err))
	}
	return fd, nil
}

func configure(conf int, key, value string) error {
	if value == "" {
		return unix.FsconfigSetFlag(conf, key)
	}
	return unix.FsconfigSetString(conf, key, value)
}

// cloneTree is a bind mount of a path, to be put somewhere.
func cloneTree(name string, flags uint, attr uint64) (fd int, err error) {
	fd, err = unix.OpenTree(unix.AT_FDCWD, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags)
	if err != nil {
		return -1, fmt.Errorf("binding %s: %w", name, err)
	}
	if attr == 0 {
		return fd, nil
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|flags&unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attr}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("binding %s: %w", name, err)
	}
	return fd, nil
}

func mountHint(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: this container hides part of /proc or /sys, or AppArmor forbids mounts "+
			"(run it with --security-opt systempaths=unconfined --security-opt apparmor=unconfined, or use --engine docker)", err)
	}
	if errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("%w: Linux 5.12 is needed; or use --engine docker", err)
	}
	return err
}

// place puts a mount where it belongs. What is missing on the way is made; the
// root is already the container's.
func (m mount) place() error {
	defer unix.Close(m.fd)
	var st unix.Stat_t
	if err := unix.Fstat(m.fd, &st); err != nil {
		return err
	}
	at, err := makePoint(m.at, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		return fmt.Errorf("making the mount point %s: %w", m.at, err)
	}
	if err := unix.MoveMount(m.fd, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mounting %s: %w", m.at, err)
	}
	return nil
}

// maxLinks is the kernel's own limit (path_resolution(7)).
const maxLinks = 40

// makePoint returns where name leads, made if it is not there.
func makePoint(name string, dir bool) (string, error) {
	for range maxLinks {
		info, err := os.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir:
			return name, os.MkdirAll(name, 0o755)
		case errors.Is(err, fs.ErrNotExist):
			return name, makeFile(name)
		case err != nil:
			return name, err
		case info.Mode()&fs.ModeSymlink == 0:
			return name, nil
		}
		to, err := os.Readlink(name)
		if err != nil {
			return name, err
		}
		if !path.IsAbs(to) {
			to = path.Join(path.Dir(name), to)
		}
		name = to
	}
	return name, unix.ELOOP
}

func makeFile(name string) error {
	if err := os.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}
