//go:build amd64 || arm64

package sensor

import (
	"bytes"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// root is a root directory that processes have.
type root struct {
	fd int // O_PATH
	// prefix is where it is in the first program's root: "" for that root
	// itself, else without a slash at the end.
	prefix string
	owned  bool // to be closed after use
}

// place is what a call's path means.
type place struct {
	root root
	name string // as the profile has it; "" when only key is of interest
	path string // in root, as the process gave it: with "..", and a slash at the end
}

// rootOf is the root of a process. As long as nobody has made another, it is
// that of the first program.
func (w *reader) rootOf(pid uint32) (root, error) {
	if !w.ownRoots.Load() {
		return w.base, nil
	}
	dir, err := w.readlink(w.procName(pid, "/root"))
	if err != nil {
		return root{}, err
	}
	prefix := w.inBase(string(dir))
	fd, err := unix.Openat(w.proc, string(w.procName(pid, "/root")), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return root{}, reading(err)
	}
	return root{fd: fd, prefix: strings.TrimSuffix(prefix, "/"), owned: true}, nil
}

func (r root) done() {
	if r.owned {
		unix.Close(r.fd)
	}
}

// inBase takes the path of the container's root off a path that the kernel
// gave: "" unless the sensor is in the same mount namespace and the container
// is but a directory there.
func (w *reader) inBase(p string) string {
	if rest, ok := strings.CutPrefix(p, w.baseDir); ok && w.baseDir != "" && (rest == "" || rest[0] == '/') {
		return "/" + strings.TrimPrefix(rest, "/")
	}
	return p
}

// directory is where a relative path of a call begins. A descriptor that is
// none, or no directory, is no loss: the call fails.
func (w *reader) directory(n *notification, dirfd int) (string, error) {
	name := w.procName(n.pid, "/cwd")
	if dirfd >= 0 && int32(n.args[dirfd]) != unix.AT_FDCWD {
		name = w.procFD(n.pid, int32(n.args[dirfd]))
	}
	dir, err := w.readlink(name)
	if err != nil {
		return "", err
	}
	return w.fromKernel(dir), nil
}

// fromKernel turns what a link in /proc says into a path of the container;
// "" for what has none (a pipe, a socket, a file in memory).
func (w *reader) fromKernel(link []byte) string {
	if len(link) == 0 || link[0] != '/' || bytes.HasPrefix(link, []byte("/memfd:")) {
		return ""
	}
	p := w.inBase(string(link))
	if cut, ok := strings.CutSuffix(p, " (deleted)"); ok && !w.isThere(p) {
		return cut
	}
	return p
}

// isThere says that a path of the kernel's, which has no links, is one still:
// a name may end in " (deleted)" by itself.
func (w *reader) isThere(p string) bool {
	var st unix.Stat_t
	return unix.Fstatat(w.base.fd, strings.TrimPrefix(p, "/"), &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// locate joins the path in w.path with what it is relative to. It reports
// false for calls that fail for want of a directory.
func (w *reader) locate(n *notification, dirfd int) (place, bool, error) {
	raw := string(w.path)
	r, err := w.rootOf(n.pid)
	if err != nil {
		return place{}, false, err
	}
	if raw[0] == '/' {
		return place{root: r, name: r.name(raw), path: raw}, true, nil
	}
	dir, err := w.directory(n, dirfd)
	if err != nil || dir == "" {
		r.done()
		return place{}, false, err
	}
	full := strings.TrimSuffix(dir, "/") + "/" + raw
	if r.prefix == "" {
		return place{root: r, name: clean(full), path: full}, true, nil
	}
	if rest, ok := strings.CutPrefix(full, r.prefix+"/"); ok {
		return place{root: r, name: r.name("/" + rest), path: rest}, true, nil
	}
	r.done() // it went into its root without going into the directory
	return place{root: w.base, name: clean(full), path: full}, true, nil
}

// name is an absolute path of a process in the first program's root. ".." is
// left to the tree, except in a chroot, above which nothing may climb.
func (r root) name(p string) string {
	if r.prefix == "" {
		return clean(p)
	}
	return clean(r.prefix + path.Clean(p))
}

// clean removes empty and "." components and leaves ".." alone, as
// slim/profile wants paths.
func clean(p string) string {
	if !strings.Contains(p, "//") && !strings.Contains(p, "/.") && (len(p) < 2 || p[len(p)-1] != '/') {
		return p
	}
	var b strings.Builder
	for c := range strings.SplitSeq(p, "/") {
		if c != "" && c != "." {
			b.WriteByte('/')
			b.WriteString(c)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}
