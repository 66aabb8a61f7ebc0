package builtin

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// devices are those of the OCI runtime-spec ("Default Devices"), bound from
// the host: no device can be made in a user namespace.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// open makes what the OCI runtime-spec and docker put into a container, in
// the order of its placing.
func (f first) open() (mounts []mount, err error) {
	add := func(at string, fd int, oops error) {
		if oops == nil {
			mounts = append(mounts, mount{at, fd})
		} else if err == nil { // the others fail for the same reason
			err = fmt.Errorf("preparing %s: %w", at, oops)
		}
	}
	addFS := func(at, kind string, attr int, options ...string) {
		fd, oops := newFS(kind, attr, options...)
		add(at, fd, oops)
	}
	addFS("/proc", "proc", quiet)
	addFS("/dev", "tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode", "755", "size", "65536k")
	addFS("/dev/pts", "devpts", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, f.ptsOptions()...)
	addFS("/dev/shm", "tmpfs", quiet, "mode", "1777", "size", "65536k")
	addFS("/dev/mqueue", "mqueue", quiet)
	fd, oops := f.openSys()
	add("/sys", fd, oops)
	if fd := openCgroup(); fd >= 0 {
		mounts = append(mounts, mount{"/sys/fs/cgroup", fd})
	}
	for _, d := range devices {
		fd, oops := cloneTree("/dev/"+d, 0, 0)
		add("/dev/"+d, fd, oops)
	}
	for _, name := range etcFiles {
		fd, oops := cloneTree("etc/"+name, 0, 0)
		add("/etc/"+name, fd, oops)
	}
	return mounts, err
}

func (f first) ptsOptions() []string {
	options := []string{"newinstance", "", "ptmxmode", "0666", "mode", "0620"}
	if !f.OneID {
		options = append(options, "gid", "5")
	}
	return options
}

// openSys is a sysfs of the container's own network. Where that is the host's
// and this is not its root, the kernel refuses one: then it is the host's.
func (f first) openSys() (int, error) {
	const attr = quiet | unix.MOUNT_ATTR_RDONLY
	fd, err := newFS("sysfs", attr)
	if err != nil && f.HostNet {
		return cloneTree("/sys", unix.AT_RECURSIVE, attr)
	}
	return fd, err
}

// openCgroup shows the container its place in the version 2 hierarchy; -1
// where that is not what the machine uses.
func openCgroup() int {
	var st unix.Statfs_t
	if unix.Statfs("/sys/fs/cgroup", &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		return -1
	}
	fd, err := newFS("cgroup2", quiet|unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return -1
	}
	return fd
}

// links are the symlinks in /dev that the runtime-spec wants.
func links() error {
	for name, to := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"ptmx": "pts/ptmx", "core": "/proc/kcore",
	} {
		if err := os.Symlink(to, "/dev/"+name); err != nil {
			return err
		}
	}
	return nil
}

// What docker hides, and what it makes read-only.
var (
	maskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
	readOnlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

func hideProc() error {
	for _, name := range readOnlyPaths {
		fd, err := cloneTree(name, unix.AT_RECURSIVE, quiet|unix.MOUNT_ATTR_RDONLY)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = mount{name, fd}.place()
		}
		if err != nil {
			return fmt.Errorf("making %s read-only: %w", name, err)
		}
	}
	for _, name := range maskedPaths {
		if err := mask(name); err != nil {
			return fmt.Errorf("hiding %s: %w", name, err)
		}
	}
	return nil
}

func mask(name string) error {
	info, err := os.Lstat(name)
	if err != nil || info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	var fd int
	if info.IsDir() {
		fd, err = newFS("tmpfs", quiet|unix.MOUNT_ATTR_RDONLY, "size", "0")
	} else {
		fd, err = cloneTree("/dev/null", 0, 0)
	}
	if err != nil {
		return err
	}
	return mount{name, fd}.place()
}

// sysctls are those of the container's network that docker sets: low ports
// and ping are for everyone, but under the hardened conditions. Where there
// is one id only, the range of ping has no meaning, and is refused.
func (f first) sysctls() {
	port := 0
	if f.Conditions != nil {
		port = cmp.Or(f.Conditions.PortStart, 1024)
	}
	os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte(strconv.Itoa(port)), 0)
	os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 2147483647"), 0)
}

// arrange makes the directories that have to be there and, under the
// hardened conditions, makes all others read-only.
func (f first) arrange() error {
	if err := os.MkdirAll(path.Join("/", f.Program.Dir), 0o755); err != nil {
		return fmt.Errorf("making the working directory: %w", err)
	}
	for _, v := range f.Volumes {
		if err := f.volume(v); err != nil {
			return fmt.Errorf("making the volume %q: %w", v, err)
		}
	}
	if f.Conditions == nil {
		return nil
	}
	for _, t := range f.Conditions.Tmpfs {
		if err := f.tmpfs(t); err != nil {
			return fmt.Errorf("making the tmpfs %q: %w", t, err)
		}
	}
	if !f.Conditions.ReadOnlyRoot {
		return nil
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("making the root read-only: %w", err)
	}
	return nil
}

// volume is a mount of the directory onto itself: it has the image's content,
// and stays writable when the root is not.
func (f first) volume(name string) error {
	_, missing := os.Stat(name)
	at, err := makePoint(name, true)
	if err != nil {
		return err
	}
	if missing != nil {
		if err := f.giveToUser(at); err != nil {
			return err
		}
	}
	fd, err := cloneTree(at, 0, unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return err
	}
	return mount{at, fd}.place()
}

func (f first) giveToUser(name string) error {
	if f.Program.KeepUser {
		return nil
	}
	return unix.Chown(name, f.Program.User.UID, f.Program.User.GID)
}

// tmpfs is empty and writable: with the owner and mode of the directory that
// it covers if those let the user write, else for everyone, as /tmp is.
func (f first) tmpfs(name string) error {
	at, err := makePoint(name, true)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(at, &st); err != nil {
		return err
	}
	if !writable(&st, f.Program) {
		st.Mode, st.Uid, st.Gid = 0o1777, 0, 0
	}
	fd, err := newFS("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode", strconv.FormatUint(uint64(st.Mode&0o7777), 8))
	if err != nil {
		return err
	}
	if !f.OneID {
		if err := unix.Fchownat(fd, "", int(st.Uid), int(st.Gid), unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	return mount{at, fd}.place()
}

// writable says that the program's user can make files in a directory.
func writable(st *unix.Stat_t, p program) bool {
	const w = 0o3 // and search
	switch {
	case int(st.Uid) == p.User.UID:
		return st.Mode>>6&w == w
	case inGroup(int(st.Gid), p):
		return st.Mode>>3&w == w
	}
	return st.Mode&w == w
}

func inGroup(gid int, p program) bool {
	if gid == p.User.GID {
		return true
	}
	return slices.Contains(p.User.Groups, gid)
}
