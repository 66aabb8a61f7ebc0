//go:build amd64 || arm64

package sensor

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// found is what the sensor's own look at a path showed.
type found struct {
	exists bool
	// parent says that all but the last name is there, so that the call can
	// make it.
	parent   bool
	resolved string // "" where the kernel has no path for it
	fd       int    // O_PATH; -1 when it does not exist
	proc     bool   // proc was on the way, which has another answer for each process
}

func (f *found) close() {
	if f.fd >= 0 {
		unix.Close(f.fd)
	}
}

// The flags of every open here: nothing that is opened like this can block,
// be read, or notice.
const pathOnly = unix.O_PATH | unix.O_CLOEXEC

// resolve looks a path up inside a root, as the process would. The kernel
// does it in one call, but for names that mean something else to each
// process, /proc/self first, and for what is not there: those are walked.
func (w *reader) resolve(n *notification, p place, follow bool) found {
	fd, straight, err := w.openStraight(p, p.path, follow)
	if err == nil {
		if !onProc(fd) {
			f := found{exists: true, parent: true, fd: fd, resolved: p.path}
			if !straight {
				f.resolved = w.pathOf(fd)
			}
			return f
		}
		unix.Close(fd)
	}
	if errors.Is(err, unix.ENOENT) {
		if f, ok := w.lastMissing(p); ok {
			return f
		}
	}
	walk := walk{w: w, n: n, root: p.root.fd, at: p.root.fd, follow: follow}
	return walk.run(p.path)
}

// lastMissing is for the most common of what is not there: a name that its
// directory, outside proc, does not have.
func (w *reader) lastMissing(p place) (found, bool) {
	i := strings.LastIndexByte(p.path, '/')
	if hasDotEnd(p.path) || i < 0 {
		return found{}, false
	}
	dir, straight, err := w.openStraight(p, p.path[:max(i, 1)], true)
	if err != nil {
		return found{}, false
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	name := p.path[i+1:]
	if onProc(dir) || !errors.Is(unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW), unix.ENOENT) {
		return found{}, false
	}
	f := found{fd: -1, parent: true}
	if straight {
		f.resolved = p.path
	} else if at := w.pathOf(dir); at != "" {
		f.resolved = clean(at + "/" + name)
	}
	return f, true
}

// gone is a quick look at a path that was missing before, in a place where
// the answer is the same for every process.
func (w *reader) gone(p place, follow bool) bool {
	fd, err := w.openPath(p.root.fd, p.path, follow, 0)
	if err != nil {
		return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
	}
	unix.Close(fd)
	return false
}

// openStraight opens a path of the container; straight says that it leads
// where it says, over no link: where that is need not be asked in /proc, which
// takes longer than the rest.
func (w *reader) openStraight(p place, name string, follow bool) (fd int, straight bool, err error) {
	if strings.HasPrefix(name, "/") && p.root.prefix == "" && !p.root.owned && !hasDotEnd(name) && !strings.Contains(name, "//") && !strings.Contains(name, "/.") {
		fd, err = w.openPath(p.root.fd, name, follow, unix.RESOLVE_NO_SYMLINKS)
		if !errors.Is(err, unix.ELOOP) {
			return fd, true, err
		}
	}
	fd, err = w.openPath(p.root.fd, name, follow, 0)
	return fd, false, err
}

// openPath opens a whole path in one call of openat2(2), by more flags of it.
func (w *reader) openPath(root int, p string, follow bool, resolve uint64) (int, error) {
	if !w.openat2 {
		return -1, unix.ENOSYS
	}
	how := unix.OpenHow{Flags: pathOnly, Resolve: resolve | unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	if !follow {
		how.Flags |= unix.O_NOFOLLOW
	}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(root, p, &how)
		// EAGAIN: a rename elsewhere could have led out of the root.
		if tries > 8 || !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// hasDotEnd says that a path ends so that what it names must be a directory,
// and a link there is followed.
func hasDotEnd[T string | []byte](p T) bool {
	n := len(p)
	return n > 0 && (p[n-1] == '/' || n > 1 && p[n-1] == '.' && p[n-2] == '/')
}

func onProc(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Type == unix.PROC_SUPER_MAGIC
}

// pathOf is where an open file is, in the container.
func (w *reader) pathOf(fd int) string {
	name := append(w.name[:0], "self/fd/"...)
	link, err := w.readlink(strconv.AppendInt(name, int64(fd), 10))
	if err != nil {
		return ""
	}
	return clean(w.fromKernel(link))
}

// walk goes along a path one name at a time, within the bounds of the kernel:
// 40 links.
type walk struct {
	w      *reader
	n      *notification
	root   int
	at     int // where it is; its own unless it is root
	follow bool
	todo   []string // names to come, last first
	links  int
	proc   bool
}

const maxLinks = 40

func (k *walk) run(p string) found {
	k.push(p)
	for len(k.todo) > 0 {
		name := k.todo[len(k.todo)-1]
		k.todo = k.todo[:len(k.todo)-1]
		if err := k.step(name); err != nil {
			return k.missing(name, err)
		}
	}
	if k.at == k.root {
		fd, err := unix.FcntlInt(uintptr(k.root), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return found{fd: -1}
		}
		k.at = fd
	}
	f := found{exists: true, parent: true, fd: k.at, resolved: k.w.pathOf(k.at), proc: k.proc}
	if k.proc && !k.w.leadsTo(f.resolved, f.fd) {
		f.resolved = ""
	}
	return f
}

// leadsTo says that the path, inside, is that of the open file. It is not
// for one that was opened outside, such as a standard stream.
func (w *reader) leadsTo(name string, fd int) bool {
	if !w.openat2 {
		return true
	}
	other, err := w.openPath(w.base.fd, name, false, 0)
	if err != nil {
		return onProc(fd) // to the sensor, proc shows another process
	}
	defer unix.Close(other)
	var a, b unix.Stat_t
	return unix.Fstat(fd, &a) == nil && unix.Fstat(other, &b) == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

// missing says how far it came. Errors that say that something is there, but
// closed to the sensor, count as there.
func (k *walk) missing(name string, err error) found {
	rest := append(k.todo, name)
	slices.Reverse(rest)
	f := found{
		fd: -1, proc: k.proc, parent: errors.Is(err, unix.ENOENT) && !slices.ContainsFunc(rest[1:], meaningful),
		exists: !slices.ContainsFunc([]error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENAMETOOLONG}, func(e error) bool { return errors.Is(err, e) }),
	}
	if dir := k.w.pathOf(k.at); dir != "" {
		f.resolved = clean(dir + "/" + strings.Join(rest, "/"))
	}
	k.leave()
	return f
}

func meaningful(name string) bool { return name != "" && name != "." }

// push puts a path before the names to come.
func (k *walk) push(p string) {
	if strings.HasPrefix(p, "/") {
		k.leave()
		k.at = k.root
	}
	names := strings.Split(p, "/")
	if hasDotEnd(p) {
		names[len(names)-1] = "." // so that what is before it is not the end
	}
	slices.Reverse(names)
	k.todo = append(k.todo, names...)
}

func (k *walk) leave() {
	if k.at != k.root {
		unix.Close(k.at)
	}
}

func (k *walk) enter(fd int) {
	k.leave()
	k.at = fd
}

// step takes one name.
func (k *walk) step(name string) error {
	switch name {
	case "":
		return nil
	case ".":
		return k.mustBeDir()
	case "..":
		return k.up()
	}
	onProc, top := k.procDir()
	if top {
		name = k.self(name)
	}
	fd, err := unix.Openat(k.at, name, pathOnly|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK || len(k.todo) == 0 && !k.follow {
		k.enter(fd)
		return nil
	}
	defer unix.Close(fd)
	return k.take(fd, name, onProc && !top)
}

// take follows a link. Those in a process's directory of proc are magic:
// they lead to the file itself, wherever it is.
func (k *walk) take(fd int, name string, maybeMagic bool) error {
	if k.links++; k.links > maxLinks {
		return unix.ELOOP
	}
	if maybeMagic && k.magic(name) {
		to, err := unix.Openat(k.at, name, pathOnly, 0)
		if err != nil {
			return err
		}
		k.enter(to)
		return nil
	}
	buf := make([]byte, pathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return err
	}
	k.push(string(buf[:n]))
	return nil
}

// magic asks the kernel, which refuses to follow such a link when told so.
func (k *walk) magic(name string) bool {
	if !k.w.openat2 {
		return true
	}
	fd, err := unix.Openat2(k.at, name, &unix.OpenHow{Flags: pathOnly, Resolve: unix.RESOLVE_NO_MAGICLINKS})
	if err == nil {
		unix.Close(fd)
	}
	return errors.Is(err, unix.ELOOP)
}

func (k *walk) mustBeDir() error {
	var st unix.Stat_t
	if err := unix.Fstat(k.at, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	return nil
}

// up goes to the parent, but not above the root.
func (k *walk) up() error {
	var here, top unix.Stat_t
	if unix.Fstat(k.at, &here) == nil && unix.Fstat(k.root, &top) == nil && here.Dev == top.Dev && here.Ino == top.Ino {
		return nil
	}
	fd, err := unix.Openat(k.at, "..", pathOnly|unix.O_DIRECTORY, 0)
	if err == nil {
		k.enter(fd)
	}
	return err
}

// procDir says whether it is in proc, and at its top.
func (k *walk) procDir() (in, top bool) {
	if !onProc(k.at) {
		return false, false
	}
	k.proc = true
	const rootIno = 1 // PROC_ROOT_INO of linux/proc_ns.h
	var st unix.Stat_t
	return true, unix.Fstat(k.at, &st) == nil && st.Ino == rootIno
}

// self turns /proc/self and /proc/thread-self into the process's own; to the
// sensor they are the sensor.
func (k *walk) self(name string) string {
	if name != "self" && name != "thread-self" {
		return name
	}
	s, err := k.w.status(k.n.pid)
	if err != nil || len(s.nsTgid) == 0 || len(s.nsPid) != len(s.nsTgid) {
		return name
	}
	level := min(k.w.level, len(s.nsTgid)-1)
	id := strconv.Itoa(s.nsTgid[level])
	if name == "thread-self" {
		k.todo = append(k.todo, strconv.Itoa(s.nsPid[level]), "task")
	}
	return id
}
