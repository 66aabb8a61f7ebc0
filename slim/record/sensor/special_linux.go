//go:build amd64 || arm64

package sensor

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
)

// open covers open, openat, openat2 and creat.
func (w *reader) open(n *notification) {
	p, flags := arg(0, 0), uint64(unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
	switch w.call.name {
	case "open":
		flags = n.args[1]
	case "openat":
		p, flags = at(0, 0), n.args[2]
	case "openat2":
		var how [8]byte
		if k, err := w.fetch(n.pid, n.args[2]&addressBits, how[:]); err != nil || k < len(how) {
			w.notRead(n, err)
			return
		}
		p, flags = at(0, 0), binary.LittleEndian.Uint64(how[:])
	}
	p.exclusive = flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL
	if flags&unix.O_NOFOLLOW != 0 || p.exclusive {
		p = p.itself()
	}
	w.record(n, p, openKinds(flags))
}

func openKinds(flags uint64) kindSet {
	const tmpfile = unix.O_TMPFILE &^ unix.O_DIRECTORY
	var k kindSet
	if flags&unix.O_PATH != 0 {
		return kOpen
	}
	if flags&unix.O_CREAT != 0 {
		k = kCreate
	}
	if flags&unix.O_ACCMODE != unix.O_RDONLY || flags&(unix.O_TRUNC|tmpfile) != 0 {
		return k | kWrite
	}
	return k | kOpen
}

// exec covers execve and execveat. Which file's privileges the program gets
// is seen here only.
func (w *reader) exec(n *notification) {
	p, envp := arg(0, kExec), 2
	if w.call.name == "execveat" {
		p, envp = at(0, kExec).unless(4, noFollow), 3
	}
	w.home(n, n.args[envp])
	if w.call.name == "execveat" && n.args[4]&unix.AT_EMPTY_PATH != 0 && w.readPath(n.pid, n.args[1]) == nil && len(w.path) == 0 {
		w.fexec(n, int32(n.args[0]))
	} else {
		w.recordWith(n, p, kExec, func(f *found) { w.privilegesOf(n, f) })
	}
	w.forget(n.pid)
	if s, err := w.status(n.pid); err == nil {
		w.forget(s.tgid) // a thread that executes takes its leader's number
	}
}

// fexec is the exec of an open file.
func (w *reader) fexec(n *notification, fd int32) {
	w.recordFD(n, fd, kExec)
	link, err := w.readlink(w.procFD(n.pid, fd))
	if err != nil {
		return // recordFD has counted it
	}
	f := found{resolved: w.fromKernel(link)}
	if f.fd, err = unix.Openat(w.proc, string(w.procFD(n.pid, fd)), pathOnly, 0); err == nil {
		w.privilegesOf(n, &f)
		f.close()
	}
}

// privilegesOf records the exec of a file that is setuid or setgid or has
// capabilities. Denied is for those that would have gained something.
func (w *reader) privilegesOf(n *notification, f *found) {
	var st unix.Stat_t
	if f.fd < 0 || unix.Fstat(f.fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return
	}
	setuid := st.Mode&unix.S_ISUID != 0
	setgid := st.Mode&(unix.S_ISGID|unix.S_IXGRP) == unix.S_ISGID|unix.S_IXGRP
	caps := w.xattr(f.fd, "security.capability")
	if !setuid && !setgid && !caps {
		return
	}
	s, _ := w.status(n.pid)
	if setuid || setgid {
		gains := setuid && st.Uid != s.uid[1] || setgid && st.Gid != s.gid[1]
		w.privilege(profile.Privilege{Kind: profile.SetuidExec, Path: printable(f.resolved), Denied: s.noNewPrivs && gains})
	}
	if caps {
		w.privilege(profile.Privilege{Kind: profile.CapExec, Path: printable(f.resolved), Denied: s.noNewPrivs && s.uid[1] != 0})
	}
}

// chown needs a capability where it gives a file to another owner.
func (w *reader) chown(n *notification) {
	p, ids := arg(0, kWrite), 1
	switch w.call.name {
	case "lchown":
		p = p.itself()
	case "fchownat":
		p, ids = at(0, kWrite).unless(4, noFollow), 2
	}
	w.recordWith(n, p, kWrite, func(f *found) {
		var st unix.Stat_t
		if f.fd < 0 || unix.Fstat(f.fd, &st) != nil {
			return
		}
		uid, gid := uint32(n.args[ids]), uint32(n.args[ids+1])
		if uid != noID && uid != inside(w.uids, st.Uid) || gid != noID && gid != inside(w.gids, st.Gid) {
			w.privilege(profile.Privilege{Kind: profile.CapCall, Path: w.call.name})
		}
	})
}

// mknod needs a capability for devices.
func (w *reader) mknod(n *notification) {
	p, mode := arg(0, kCreate), n.args[1]
	if w.call.name == "mknodat" {
		p, mode = at(0, kCreate), n.args[2]
	}
	w.record(n, p.itself(), kCreate)
	if m := mode & unix.S_IFMT; m == unix.S_IFBLK || m == unix.S_IFCHR {
		w.privilege(profile.Privilege{Kind: profile.CapCall, Path: w.call.name})
	}
}

func (w *reader) fchdir(n *notification) { w.recordFD(n, int32(n.args[0]), kChdir) }

func (w *reader) list(n *notification) { w.recordFD(n, int32(n.args[0]), kList) }

// mount's source is a path when it is bound or moved.
func (w *reader) mount(n *notification) {
	if n.args[3]&(unix.MS_BIND|unix.MS_MOVE) != 0 {
		w.record(n, arg(0, kStat), kStat)
		// Bound again in its own place, to change its flags, it hides nothing.
		if n.args[3]&unix.MS_REMOUNT == 0 {
			w.find(FindingOwnMounts, w.executable(n.pid))
		}
	}
	w.record(n, arg(1, kStat), kStat)
}

// fsconfig has a path for two of its commands.
func (w *reader) fsconfig(n *notification) {
	const setPath, setPathEmpty = 3, 4 // FSCONFIG_SET_PATH, FSCONFIG_SET_PATH_EMPTY
	if cmd := n.args[1]; cmd == setPath || cmd == setPathEmpty {
		w.record(n, pathArg{path: 3, dirfd: 4, flags: -1, follow: true}, kStat)
	}
}

// socket records Unix sockets by path, and ports that are bound.
func (w *reader) socket(n *notification) {
	var buf [110]byte // struct sockaddr_un
	size := min(n.args[2], uint64(len(buf)))
	if size < 4 {
		return
	}
	k, err := w.fetch(n.pid, n.args[1]&addressBits, buf[:size])
	if err != nil || k < 4 {
		w.notRead(n, err)
		return
	}
	bind := w.call.name == "bind"
	switch binary.LittleEndian.Uint16(buf[:]) {
	case unix.AF_UNIX:
		name := buf[2:k]
		for i, b := range name {
			if b == 0 {
				name = name[:i]
				break
			}
		}
		if len(name) == 0 {
			return // none, or abstract
		}
		w.path = append(w.path[:0], name...)
		if bind {
			w.look(n, arg(0, kCreate).itself(), kCreate, nil)
		} else {
			w.look(n, arg(0, 0), kOpen|kWrite, nil)
		}
	case unix.AF_INET, unix.AF_INET6:
		if port := int(binary.BigEndian.Uint16(buf[2:])); bind && port != 0 {
			w.port(port)
		}
	}
}

const noID = ^uint32(0) // -1 leaves an id as it is

// setIDs follows set*uid, set*gid and setgroups. Whether the call can work
// follows from what the process is.
func (w *reader) setIDs(n *notification) {
	name := w.call.name
	if name == "setgroups" {
		w.privilege(profile.Privilege{Kind: profile.CapCall, Path: name})
		return
	}
	s, err := w.status(n.pid)
	if err != nil {
		w.notRead(n, err)
		return
	}
	effective, last := 0, 1 // of the arguments, the effective id, and how many there are
	switch name {
	case "setreuid", "setregid":
		effective, last = 1, 2
	case "setresuid", "setresgid":
		effective, last = 1, 3
	}
	gid := name[len(name)-3:] == "gid"
	ids, ranges, capability := s.uid, w.uids, uint(unix.CAP_SETUID)
	if gid {
		ids, ranges, capability = s.gid, w.gids, unix.CAP_SETGID
	}
	foreign := false
	for _, a := range n.args[:last] {
		id := uint32(a)
		foreign = foreign || id != noID && id != inside(ranges, ids[0]) && id != inside(ranges, ids[1]) && id != inside(ranges, ids[2])
	}
	if foreign && !s.capable(capability) {
		return // it fails
	}
	if foreign {
		w.privilege(profile.Privilege{Kind: profile.CapCall, Path: name})
	}
	if id := uint32(n.args[effective]); !gid && id != noID {
		w.switches(n.pid, profile.User{UID: int(id), GID: int(inside(w.gids, s.gid[1]))})
	}
}

// ownListener is a seccomp filter with a listener, of which a tree can have
// one: the recorder's.
func (w *reader) ownListener(n *notification) {
	if n.args[0] == unix.SECCOMP_SET_MODE_FILTER && n.args[1]&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
		w.find(FindingOwnListener, w.executable(n.pid))
	}
}

// namespaces are calls after which a process may see another tree of mounts.
func (w *reader) namespaces(n *notification) {
	const all = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	flags := n.args[0]
	switch w.call.name {
	case "setns":
		w.ownRoots.Store(true)
		return
	case "clone3":
		var b [8]byte
		if k, err := w.fetch(n.pid, n.args[0]&addressBits, b[:]); err != nil || k < len(b) {
			return
		}
		flags = binary.LittleEndian.Uint64(b[:])
	}
	if flags&unix.CLONE_NEWNS != 0 {
		w.ownRoots.Store(true)
	}
	if flags&all != 0 && flags&unix.CLONE_NEWUSER == 0 {
		w.privilege(profile.Privilege{Kind: profile.CapCall, Path: w.call.name})
	}
}

// beginProcess takes what is to be known of the first program.
func (w *reader) beginProcess(n *notification) {
	dir, err := w.readlink(w.procName(n.pid, "/root"))
	if err == nil && string(dir) != "/" {
		w.baseDir = string(dir)
	}
	fd, err := unix.Openat(w.proc, string(w.procName(n.pid, "/root")), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		w.unreadable()
		fd, _ = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) // most likely the same
	}
	w.base = root{fd: fd}
	argv, envp := n.args[1], n.args[2]
	if c := table().notified[n.nr]; c.name == "execveat" {
		argv, envp = n.args[2], n.args[3]
	}
	w.session.Argv = w.argv(n.pid, argv)
	w.session.Env = w.envNames(n.pid, envp)
	if s, err := w.status(n.pid); err == nil {
		w.level = max(len(s.nsTgid)-1, 0)
		raw, _ := w.file(n.pid, "/uid_map")
		w.uids = idRanges(raw)
		raw, _ = w.file(n.pid, "/gid_map")
		w.gids = idRanges(raw)
		w.session.User = fmt.Sprintf("%d:%d", inside(w.uids, s.uid[1]), inside(w.gids, s.gid[1]))
	}
}
