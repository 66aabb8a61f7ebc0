package profile

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// pathArg says where a call has a path and what the access is: the index of
// the path, the index of the dirfd before it (-1: none).
type pathArg struct {
	path, dirfd int
	kinds       []Kind
}

func at(dirfd int, kinds ...Kind) pathArg { return pathArg{dirfd + 1, dirfd, kinds} }
func arg(i int, kinds ...Kind) pathArg    { return pathArg{i, -1, kinds} }

// calls are the system calls of strace's class %file that need no more than
// a look at their arguments.
var calls = map[string][]pathArg{
	"stat": {arg(0, Stat)}, "stat64": {arg(0, Stat)}, "lstat": {arg(0, Stat)}, "lstat64": {arg(0, Stat)},
	"oldstat": {arg(0, Stat)}, "oldlstat": {arg(0, Stat)},
	"newfstatat": {at(0, Stat)}, "fstatat64": {at(0, Stat)}, "statx": {at(0, Stat)},
	"access": {arg(0, Stat)}, "faccessat": {at(0, Stat)}, "faccessat2": {at(0, Stat)},
	"statfs": {arg(0, Stat)}, "statfs64": {arg(0, Stat)}, "name_to_handle_at": {at(0, Stat)},
	"readlink": {arg(0, Readlink)}, "readlinkat": {at(0, Readlink)},
	"mkdir": {arg(0, Create)}, "mkdirat": {at(0, Create)}, "mknod": {arg(0, Create)}, "mknodat": {at(0, Create)},
	"symlink": {arg(1, Create)}, "symlinkat": {at(1, Create)},
	"link": {arg(0, Stat), arg(1, Create)}, "linkat": {at(0, Stat), at(2, Create)},
	"unlink": {arg(0, Delete)}, "unlinkat": {at(0, Delete)}, "rmdir": {arg(0, Delete)},
	"rename": {arg(0, Rename), arg(1, Rename)}, "renameat": {at(0, Rename), at(2, Rename)}, "renameat2": {at(0, Rename), at(2, Rename)},
	"chmod": {arg(0, Write)}, "fchmodat": {at(0, Write)}, "fchmodat2": {at(0, Write)},
	"chown": {arg(0, Write)}, "chown32": {arg(0, Write)}, "lchown": {arg(0, Write)}, "lchown32": {arg(0, Write)}, "fchownat": {at(0, Write)},
	"utime": {arg(0, Write)}, "utimes": {arg(0, Write)}, "utimensat": {at(0, Write)}, "utimensat_time64": {at(0, Write)}, "futimesat": {at(0, Write)},
	"truncate": {arg(0, Write)}, "truncate64": {arg(0, Write)},
	"getxattr": {arg(0, Xattr)}, "lgetxattr": {arg(0, Xattr)}, "listxattr": {arg(0, Xattr)}, "llistxattr": {arg(0, Xattr)},
	"getxattrat": {at(0, Xattr)}, "listxattrat": {at(0, Xattr)},
	"setxattr": {arg(0, Xattr, Write)}, "lsetxattr": {arg(0, Xattr, Write)}, "setxattrat": {at(0, Xattr, Write)},
	"removexattr": {arg(0, Xattr, Write)}, "lremovexattr": {arg(0, Xattr, Write)}, "removexattrat": {at(0, Xattr, Write)},
	"inotify_add_watch": {arg(1, Watch)}, "fanotify_mark": {at(3, Watch)},
	"mount": {arg(1, Stat)}, "umount2": {arg(0, Stat)}, "umount": {arg(0, Stat)}, "open_tree": {at(0, Open)},
	"pivot_root": {arg(0, Stat)}, "swapon": {arg(0, Open)}, "swapoff": {arg(0, Open)}, "acct": {arg(0, Write)}, "uselib": {arg(0, Open)},
}

// special are the calls that change what paths mean, or say more.
var special map[string]func(*tracer, event, []string, *process) error

func init() {
	special = map[string]func(*tracer, event, []string, *process) error{
		"open": (*tracer).open, "openat": (*tracer).open, "openat2": (*tracer).open, "creat": (*tracer).open,
		"execve": (*tracer).exec, "execveat": (*tracer).exec,
		"chdir": (*tracer).chdir, "fchdir": (*tracer).fchdir, "chroot": (*tracer).chroot,
		"getdents": (*tracer).list, "getdents64": (*tracer).list,
		"close": (*tracer).close, "dup": (*tracer).dup, "dup2": (*tracer).dup, "dup3": (*tracer).dup, "fcntl": (*tracer).dup, "fcntl64": (*tracer).dup,
		"close_range": (*tracer).closeRange,
		"bind":        (*tracer).socket, "connect": (*tracer).socket,
		"setuid": (*tracer).setIDs, "setuid32": (*tracer).setIDs, "setgid": (*tracer).setIDs, "setgid32": (*tracer).setIDs,
		"setreuid": (*tracer).setIDs, "setregid": (*tracer).setIDs, "setresuid": (*tracer).setIDs, "setresgid": (*tracer).setIDs,
		"setreuid32": (*tracer).setIDs, "setregid32": (*tracer).setIDs, "setresuid32": (*tracer).setIDs, "setresgid32": (*tracer).setIDs,
	}
}

// call runs one whole system call of p.
func (t *tracer) call(e event, p *process) error {
	args := splitArgs(e.args)
	if f := special[e.call]; f != nil {
		t.report.Used++
		return f(t, e, args, p)
	}
	specs, ok := calls[e.call]
	if !ok {
		t.report.skip("a call that names no path")
		return nil
	}
	t.report.Used++
	for _, s := range specs {
		if err := t.access(e, args, s, p, ""); err != nil {
			return err
		}
	}
	return nil
}

// access records the path at s.
func (t *tracer) access(e event, args []string, s pathArg, p *process, resolved string) error {
	name, ok := t.path(args, s, p)
	if !ok || !t.running {
		return nil
	}
	return t.record(e, name, s.kinds, p, resolved)
}

func (t *tracer) record(e event, name string, ks []Kind, p *process, resolved string) error {
	if checkPath(name) != nil {
		t.report.skip("a path over 4096 bytes")
		return nil
	}
	if resolved != "" && checkPath(resolved) != nil {
		resolved = ""
	}
	a := Access{Path: name, Resolved: resolved, Exists: existed(e.ret), Kinds: done(e.ret, ks), FirstMS: t.offset(e)}
	if p.exe != "" {
		a.By = []string{printable(p.exe)}
	}
	return t.add(a)
}

// done are the kinds of access that came about: a call that failed changed
// nothing (mkdir of a directory that is there), but it looked at the path.
func done(ret string, ks []Kind) []Kind {
	if succeeded(ret) {
		return slices.Clone(ks)
	}
	var left []Kind
	for _, k := range ks {
		if !slices.Contains(changes, k) {
			left = append(left, k)
		}
	}
	if len(left) == 0 {
		return []Kind{Stat}
	}
	return left
}

// changes are the kinds of access that change the file system.
var changes = []Kind{Write, Create, Delete, Rename}

// offset is milliseconds since the first exec; in a trace without times, the
// number of the line.
func (t *tracer) offset(e event) int64 {
	if e.time < 0 {
		t.noTimes = true
		return int64(t.report.Lines)
	}
	return max(0, int64((e.time-t.first)*1000))
}

// path joins the path at s with its directory; false when there is none.
func (t *tracer) path(args []string, s pathArg, p *process) (string, bool) {
	if s.path >= len(args) {
		return "", false
	}
	text, whole, ok := stringArg(args[s.path])
	if !ok {
		return "", false // NULL, or an address nobody could read
	}
	if !whole {
		t.cut++
		t.report.skip("a path cut off by strace")
		return "", false
	}
	if path.IsAbs(text) {
		return p.join("", text), true
	}
	fd, shown := atFDCWD, ""
	if s.dirfd >= 0 {
		if fd, shown, ok = fdArg(args[s.dirfd]); !ok {
			return "", false
		}
	}
	dir, known := p.dir(fd, t.inside(shown))
	if !known {
		// An empty path (AT_EMPTY_PATH) asks about a descriptor that was
		// opened, and recorded, before.
		if text != "" {
			t.report.skip("a path relative to an unknown directory")
			t.lost++
		}
		return "", false
	}
	return p.join(dir, text), true
}

// inside takes the container's root off a path that strace showed.
func (t *tracer) inside(shown string) string {
	if root := strings.TrimSuffix(t.options.Root, "/"); root != "" {
		if rest, ok := strings.CutPrefix(shown, root); ok && (rest == "" || rest[0] == '/') {
			return "/" + strings.TrimPrefix(rest, "/")
		}
	}
	return shown
}

// existed reads a result: these errors alone say that nothing is there.
func existed(ret string) bool {
	if !strings.HasPrefix(ret, "-1 ") {
		return true
	}
	errno, _, _ := strings.Cut(ret[3:], " ")
	switch errno {
	case "ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EFAULT":
		return false
	}
	return true
}

func succeeded(ret string) bool { return ret != "" && ret[0] != '-' && ret[0] != '?' }

// open covers open, openat, openat2 and creat.
func (t *tracer) open(e event, args []string, p *process) error {
	s, flags := arg(0), ""
	switch {
	case e.call == "creat":
		flags = "O_WRONLY|O_CREAT|O_TRUNC"
	case e.call == "open" && len(args) > 1:
		flags = args[1]
	case len(args) > 2:
		s, flags = at(0), args[2]
	}
	s.kinds = openKinds(flags)
	fd, shown, ok := fdArg(e.ret)
	if ok && succeeded(e.ret) {
		name := t.inside(shown)
		if name == "" {
			name, _ = t.path(args, s, p)
		}
		p.files.set(fd, name)
		return t.access(e, args, s, p, t.inside(shown))
	}
	return t.access(e, args, s, p, "")
}

func openKinds(flags string) []Kind {
	var ks []Kind
	if strings.Contains(flags, "O_CREAT") || strings.Contains(flags, "O_TMPFILE") {
		ks = append(ks, Create)
	}
	if strings.Contains(flags, "O_WRONLY") || strings.Contains(flags, "O_RDWR") || strings.Contains(flags, "O_TRUNC") {
		return append(ks, Write)
	}
	return append(ks, Open)
}

// exec covers execve and execveat. The first that succeeds ends the runtime's
// preparations.
func (t *tracer) exec(e event, args []string, p *process) error {
	s, argv, envp := arg(0, Exec), 1, 2
	if e.call == "execveat" {
		s, argv, envp = at(0, Exec), 2, 3
	}
	ok := succeeded(e.ret)
	if ok && !t.running {
		t.begin(e, args, argv, p)
	}
	if !t.running {
		return nil
	}
	if ok && envp < len(args) {
		t.environment(args[envp])
	}
	if name, known := t.path(args, s, p); known {
		if ok {
			p.exe = name
		}
		return t.record(e, name, s.kinds, p, "")
	}
	return nil
}

func (t *tracer) begin(e event, args []string, argv int, p *process) {
	t.running, t.first = true, max(0, e.time)
	p.files.paths, p.files.lent = map[int]string{}, false
	t.processes[e.pid] = p
	if argv < len(args) {
		for _, a := range splitArgs(strings.Trim(args[argv], "[]")) {
			if text, _, ok := stringArg(a); ok && len(t.argv) < maxList {
				t.argv = append(t.argv, printable(text))
			}
		}
	}
}

// environment takes HOME from a list as -v shows it, and nothing else: the
// rest may be secret.
func (t *tracer) environment(list string) {
	for _, v := range splitArgs(strings.Trim(list, "[]")) {
		text, whole, ok := stringArg(v)
		if home, is := strings.CutPrefix(text, "HOME="); ok && whole && is && checkPath(clean(home)) == nil && len(t.home) < maxList {
			t.home[clean(home)] = true
		}
	}
}

func (t *tracer) chdir(e event, args []string, p *process) error {
	name, ok := t.path(args, arg(0), p)
	if ok && succeeded(e.ret) {
		p.fs.cwd = name
	}
	return t.access(e, args, arg(0, Chdir), p, "")
}

func (t *tracer) fchdir(e event, args []string, p *process) error {
	if len(args) == 0 || !succeeded(e.ret) {
		return nil
	}
	fd, shown, ok := fdArg(args[0])
	if !ok {
		return nil
	}
	dir, known := p.dir(fd, t.inside(shown))
	if !known {
		p.fs.cwd = ""
		return nil
	}
	p.fs.cwd = dir
	if !t.running {
		return nil
	}
	return t.record(e, dir, []Kind{Chdir}, p, "")
}

func (t *tracer) chroot(e event, args []string, p *process) error {
	name, ok := t.path(args, arg(0), p)
	if err := t.access(e, args, arg(0, Chdir), p, ""); err != nil {
		return err
	}
	if ok && succeeded(e.ret) && t.running {
		p.fs.root = strings.TrimSuffix(name, "/")
	}
	return nil
}

func (t *tracer) list(e event, args []string, p *process) error {
	if len(args) == 0 || !t.running || !succeeded(e.ret) {
		return nil
	}
	fd, shown, ok := fdArg(args[0])
	if !ok {
		return nil
	}
	if dir, known := p.dir(fd, t.inside(shown)); known {
		return t.record(e, dir, []Kind{List}, p, "")
	}
	return nil
}

func (t *tracer) close(_ event, args []string, p *process) error {
	if len(args) > 0 {
		if fd, _, ok := fdArg(args[0]); ok {
			p.files.set(fd, "")
		}
	}
	return nil
}

func (t *tracer) closeRange(_ event, args []string, p *process) error {
	if len(args) < 2 || len(args) > 2 && strings.Contains(args[2], "CLOSE_RANGE_CLOEXEC") {
		return nil // they stay open until the next exec
	}
	from, _, ok := fdArg(args[0])
	to, err := strconv.ParseInt(args[1], 0, 64)
	if !ok || err != nil {
		return nil
	}
	p.files.own()
	for fd := range p.files.paths {
		if fd >= from && int64(fd) <= to {
			delete(p.files.paths, fd)
		}
	}
	return nil
}

// dup covers dup, dup2, dup3 and fcntl(F_DUPFD).
func (t *tracer) dup(e event, args []string, p *process) error {
	if len(args) == 0 || !succeeded(e.ret) || strings.HasPrefix(e.call, "fcntl") && (len(args) < 2 || !strings.HasPrefix(args[1], "F_DUPFD")) {
		return nil
	}
	old, _, ok1 := fdArg(args[0])
	fd, _, ok2 := fdArg(e.ret)
	if ok1 && ok2 {
		p.files.set(fd, p.files.paths[old])
	}
	return nil
}

// socket records Unix sockets by path and ports that were bound.
func (t *tracer) socket(e event, args []string, p *process) error {
	if len(args) < 2 || !t.running {
		return nil
	}
	if _, rest, ok := strings.Cut(args[1], "sun_path="); ok && !strings.HasPrefix(rest, "@") {
		if i := skipString(rest, 0); strings.HasPrefix(rest, `"`) && i < len(rest) {
			ks := []Kind{Open, Write}
			if e.call == "bind" {
				ks = []Kind{Create}
			}
			return t.access(e, []string{rest[:i+1]}, pathArg{0, -1, ks}, p, "")
		}
		return nil
	}
	if e.call != "bind" || !succeeded(e.ret) {
		return nil
	}
	for _, key := range []string{"sin_port=htons(", "sin6_port=htons("} {
		if _, rest, ok := strings.Cut(args[1], key); ok {
			num, _, _ := strings.Cut(rest, ")")
			if port, err := strconv.Atoi(num); err == nil && port > 0 && port < 65536 {
				t.ports[port] = true
			}
		}
	}
	return nil
}

// setIDs follows set*uid and set*gid; the effective id is what counts: the
// second of three or two, the only one else. -1 leaves it as it is.
func (t *tracer) setIDs(e event, args []string, p *process) error {
	if !succeeded(e.ret) || len(args) == 0 || !t.running {
		return nil
	}
	i := 0
	if strings.HasPrefix(e.call, "setre") {
		i = min(1, len(args)-1)
	}
	id, err := strconv.Atoi(args[i])
	if err != nil || id < 0 || id > math.MaxInt32 {
		return nil
	}
	if strings.Contains(e.call, "gid") {
		p.gid = id
		return nil
	}
	p.uid = id
	if len(t.users) < maxList {
		t.users[User{UID: id, GID: max(p.gid, 0)}] = true
	}
	return nil
}
