//go:build linux && (amd64 || arm64)

package sensor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// raw makes a system call by its name. Strings are paths.
func raw(name string, args ...any) error {
	nr, ok := table().nr[name]
	if !ok {
		return unix.ENOSYS
	}
	var a [6]uintptr
	for i, v := range args {
		switch v := v.(type) {
		case string:
			p, err := unix.BytePtrFromString(v)
			must(err)
			a[i] = uintptr(unsafe.Pointer(p))
			defer func() { _ = p }()
		case int:
			a[i] = uintptr(v)
		case unsafe.Pointer:
			a[i] = uintptr(v)
		}
	}
	if _, _, errno := unix.Syscall6(uintptr(nr), a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

const cwd = unix.AT_FDCWD

func openFD(name string, flags int) int {
	fd, err := unix.Open(name, flags, 0o644)
	must(err)
	return fd
}

// oneCase is a program in a directory d, which has the files f, g, sub/f and
// the empty directory empty, the link to-f to f and to-sub to sub; and what
// the profile must say.
type oneCase struct {
	run  func(d string)
	want map[string]string
}

var cases = map[string]oneCase{
	"names that end in deleted": {func(d string) {
		must(raw("mkdirat", cwd, d+"/x (deleted)", 0o777))
		must(raw("chdir", d+"/x (deleted)"))
		_ = openFD("new", unix.O_CREAT|unix.O_WRONLY)
	}, map[string]string{
		"$D/x (deleted)": "chdir,create there", "$D/x (deleted)/new": "create,write there",
	}},
	"links that change": {func(d string) {
		look := func() { _ = openFD(d+"/l", unix.O_RDONLY) }
		must(raw("symlinkat", "f", cwd, d+"/l"))
		look()
		must(raw("symlinkat", "g", cwd, d+"/n"))
		must(raw("renameat2", cwd, d+"/n", cwd, d+"/l", 0))
		look()
		must(raw("unlinkat", cwd, d+"/l", 0))
		must(raw("symlinkat", "a", cwd, d+"/l"))
		look()
		for _, dir := range []string{d, d + "/sub"} {
			must(raw("chdir", dir))
			_ = openFD("/proc/self/cwd/f", unix.O_RDONLY)
		}
	}, map[string]string{
		"$D": "chdir there", "$D/sub": "chdir there",
		"$D/l": "create,delete,open,rename there -> $D/f", "$D/n": "create,rename there",
		"$D/g": "open there", "$D/a": "open there", "$D/sub/f": "open there",
	}},
	"relative": {func(d string) {
		must(unix.Chdir(d))
		must(raw("faccessat", cwd, "f", 4))
		must(raw("faccessat", cwd, "./sub//f", 4))
		must(raw("newfstatat", cwd, "to-sub/../f", stat, 0))
		must(raw("openat", cwd, "sub/f", unix.O_RDONLY))
		mustErr(raw("faccessat", cwd, "nowhere/f", 4), unix.ENOENT)
	}, map[string]string{
		"$D": "chdir there", "$D/f": "stat there", "$D/sub/f": "open,stat there",
		"$D/to-sub/../f": "stat there -> $D/f", "$D/nowhere/f": "stat missing",
	}},
	"dirfd": {func(d string) {
		fd := openFD(d+"/to-sub", unix.O_PATH)
		must(raw("faccessat2", fd, "f", 4, 0))
		must(raw("statx", fd, "../g", 0, unix.STATX_ALL, statxBuf))
		must(unix.Fchdir(fd))
		must(raw("openat", cwd, "f", unix.O_RDONLY))
		mustErr(raw("faccessat", 77, "f", 4), unix.EBADF)
		mustErr(raw("faccessat", openFD(d+"/f", 0), "f", 4), unix.ENOTDIR)
	}, map[string]string{
		"$D/to-sub": "open there -> $D/sub", "$D/sub/f": "open,stat there", "$D/sub/../g": "stat there -> $D/g",
		"$D/sub": "chdir there", "$D/f": "open there", "$D/f/f": "stat missing",
	}},
	"links made at start": {func(d string) {
		must(unix.Symlink("sub/f", d+"/new"))
		must(raw("openat", cwd, d+"/new", unix.O_RDONLY))
		must(unix.Symlink("nothing", d+"/dangling"))
		mustErr(raw("faccessat", cwd, d+"/dangling", 4), unix.ENOENT)
		must(unix.Symlink(d+"/loop", d+"/loop"))
		mustErr(raw("faccessat", cwd, d+"/loop", 4), unix.ELOOP)
		must(unix.Link(d+"/f", d+"/hard"))
	}, map[string]string{
		"$D/new": "create,open there -> $D/sub/f", "$D/dangling": "create,stat there -> $D/nothing", "$D/loop": "create,stat there",
		"$D/f": "stat there", "$D/hard": "create there",
	}},
	"a dangling link": {func(d string) {
		mustErr(raw("faccessat", cwd, d+"/to-nothing", 4), unix.ENOENT)
		must(raw("newfstatat", cwd, d+"/to-nothing2", stat, unix.AT_SYMLINK_NOFOLLOW))
	}, map[string]string{"$D/to-nothing": "stat missing -> $D/nothing", "$D/to-nothing2": "stat there"}},
	"links themselves": {func(d string) {
		must(raw("newfstatat", cwd, d+"/to-f", stat, unix.AT_SYMLINK_NOFOLLOW))
		must(raw("readlinkat", cwd, d+"/to-sub", buf, 100))
		mustErr(raw("openat", cwd, d+"/to-f", unix.O_NOFOLLOW), unix.ELOOP)
		must(raw("newfstatat", cwd, d+"/to-sub/", stat, unix.AT_SYMLINK_NOFOLLOW))
		mustErr(raw("newfstatat", cwd, d+"/f/", stat, 0), unix.ENOTDIR)
	}, map[string]string{
		"$D/to-f": "open,stat there", "$D/to-sub": "readlink,stat there -> $D/sub", "$D/f": "stat missing",
	}},
	"the process's own proc": {func(d string) {
		must(unix.Chdir(d))
		fd := openFD("f", 0)
		must(raw("openat", cwd, "/proc/self/root"+d+"/g", 0))
		must(raw("openat", cwd, "/proc/self/cwd/sub/f", 0))
		must(raw("openat", cwd, fmt.Sprintf("/dev/fd/%d", fd), 0))
		must(raw("openat", cwd, fmt.Sprintf("/proc/thread-self/fd/%d", fd), 0))
		must(raw("openat", cwd, "/dev/stdin", 0))
		must(raw("newfstatat", cwd, "/proc/self/exe", stat, 0))
		must(raw("readlinkat", cwd, "/proc/self/exe", buf, 100))
		must(raw("openat", cwd, "/proc/self/status", 0))
		must(raw("readlinkat", cwd, "/proc/self", buf, 100))
		must(raw("openat", cwd, fmt.Sprintf("/proc/%d/cwd/g", os.Getpid()), 0))
	}, map[string]string{
		"$D": "chdir there", "$D/f": "open there", "/proc/self/root$D/g": "open there -> $D/g", "/proc/self/cwd/sub/f": "open there -> $D/sub/f",
		"/dev/stdin": "open there -> $D/sub/f", "/proc/self/status": "open there -> /proc/PID/status", "/proc/self": "readlink there -> /proc/PID",
	}},
	"xattr only": {func(d string) {
		must(unix.Setxattr(d+"/f", "user.x", []byte("1"), 0))
		_, err := unix.Getxattr(d+"/to-f", "user.x", make([]byte, 8))
		must(err)
		_, err = unix.Llistxattr(d+"/to-sub", make([]byte, 100))
		must(err)
		mustErr(raw("lgetxattr", d+"/g", "user.x", buf, 8), unix.ENODATA)
	}, map[string]string{"$D/f": "write,xattr there", "$D/to-f": "xattr there -> $D/f", "$D/to-sub": "xattr there", "$D/g": "xattr there"}},
	"an empty directory": {func(d string) {
		fd := openFD(d+"/empty", unix.O_DIRECTORY)
		_, err := unix.Getdents(fd, make([]byte, 1000))
		must(err)
	}, map[string]string{"$D/empty": "list,open there"}},
	"stat beside a longer name": {func(d string) {
		must(raw("newfstatat", cwd, d+"/a", stat, 0))
		must(raw("openat", cwd, d+"/ab", 0))
	}, map[string]string{"$D/a": "stat there", "$D/ab": "open there"}},
	"what creates": {func(d string) {
		must(unix.Mkdir(d+"/dir", 0o755))
		mustErr(unix.Mkdir(d+"/sub", 0o755), unix.EEXIST)
		mustErr(unix.Mkdir(d+"/no/dir", 0o755), unix.ENOENT)
		openFD(d+"/f", unix.O_CREAT|unix.O_WRONLY)
		openFD(d+"/new", unix.O_CREAT|unix.O_RDWR)
		openFD(d+"/new-read", unix.O_CREAT|unix.O_RDONLY)
		mustErr(raw("openat", cwd, d+"/g", unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o644), unix.EEXIST)
		must(raw("openat", cwd, d+"/to-nothing", unix.O_CREAT|unix.O_WRONLY, 0o644))
		must(unix.Mknod(d+"/fifo", unix.S_IFIFO|0o600, 0))
		openFD(d+"/fifo", unix.O_RDWR|unix.O_NONBLOCK)
		openFD(d+"/fifo", unix.O_RDONLY|unix.O_NONBLOCK)
	}, map[string]string{
		"$D/dir": "create there", "$D/sub": "stat there", "$D/no/dir": "stat missing", "$D/f": "write there",
		"$D/new": "create,write there", "$D/new-read": "create,open there", "$D/g": "stat there",
		"$D/to-nothing": "create,write there -> $D/nothing", "$D/fifo": "create,open,write there",
	}},
	"what removes": {func(d string) {
		must(unix.Unlink(d + "/f"))
		mustErr(unix.Unlink(d+"/gone"), unix.ENOENT)
		must(unix.Rmdir(d + "/empty"))
		must(unix.Unlink(d + "/to-f"))
		must(unix.Rename(d+"/g", d+"/g2"))
		must(unix.Rename(d+"/a", d+"/ab"))
		mustErr(unix.Rename(d+"/gone", d+"/gone2"), unix.ENOENT)
	}, map[string]string{
		"$D/f": "delete there", "$D/gone": "stat missing", "$D/empty": "delete there", "$D/to-f": "delete there",
		"$D/g": "rename there", "$D/g2": "rename there", "$D/a": "rename there", "$D/ab": "rename there", "$D/gone2": "stat missing",
	}},
	"what changes": {func(d string) {
		must(unix.Chmod(d+"/f", 0o600))
		must(unix.Truncate(d+"/to-f", 0))
		must(unix.UtimesNanoAt(cwd, d+"/to-sub", make([]unix.Timespec, 2), unix.AT_SYMLINK_NOFOLLOW))
		openFD(d+"/g", unix.O_RDONLY|unix.O_TRUNC)
		openFD(d+"/sub", unix.O_TMPFILE|unix.O_WRONLY)
		mustErr(unix.Chmod(d+"/gone", 0o600), unix.ENOENT)
	}, map[string]string{
		"$D/f": "write there", "$D/to-f": "write there -> $D/f", "$D/to-sub": "write there", "$D/g": "write there",
		"$D/sub": "write there", "$D/gone": "stat missing",
	}},
	"watches": {func(d string) {
		fd, err := unix.InotifyInit()
		must(err)
		_, err = unix.InotifyAddWatch(fd, d+"/to-sub", unix.IN_CREATE)
		must(err)
		_, err = unix.InotifyAddWatch(fd, d+"/to-f", unix.IN_ATTRIB|unix.IN_DONT_FOLLOW)
		must(err)
	}, map[string]string{"$D/to-sub": "watch there -> $D/sub", "$D/to-f": "watch there"}},
	"openat2": {func(d string) {
		fd := openFD(d, unix.O_PATH)
		_, err := unix.Openat2(fd, "to-f", &unix.OpenHow{Flags: unix.O_WRONLY})
		must(err)
		_, err = unix.Openat2(fd, "g", &unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW})
		must(err)
	}, map[string]string{"$D": "open there", "$D/to-f": "write there -> $D/f", "$D/g": "open there"}},
	"names that are no UTF-8": {func(d string) {
		must(unix.Mkdir(d+"/\xff\xfe", 0o755))
		openFD(d+"/\xff\xfe/\n", unix.O_CREAT|unix.O_WRONLY)
	}, map[string]string{"$D/\xff\xfe": "create there", "$D/\xff\xfe/\n": "create,write there"}},
	"sockets": {func(d string) {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(err)
		must(unix.Bind(fd, &unix.SockaddrUnix{Name: d + "/socket"}))
		must(unix.Listen(fd, 1))
		fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(err)
		must(unix.Chdir(d))
		must(unix.Connect(fd, &unix.SockaddrUnix{Name: "socket"}))
		fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(err)
		must(unix.Bind(fd, &unix.SockaddrUnix{Name: "@abstract" + d}))
	}, map[string]string{"$D": "chdir there", "$D/socket": "create,open,write there"}},
	"descriptors without a path": {func(d string) {
		fd := openFD(d+"/f", 0)
		must(raw("newfstatat", fd, "", stat, unix.AT_EMPTY_PATH))
		must(raw("statx", fd, "", unix.AT_EMPTY_PATH, unix.STATX_ALL, statxBuf))
		must(raw("fchownat", fd, "", 0, 0, unix.AT_EMPTY_PATH))
		mustErr(raw("newfstatat", cwd, "", stat, 0), unix.ENOENT)
		mustErr(raw("newfstatat", cwd, 0, stat, 0), unix.EFAULT)
		mustErr(raw("newfstatat", cwd, 4096, stat, 0), unix.EFAULT)
		must(raw("newfstatat", cwd, d+"/g", stat, unix.AT_EMPTY_PATH))
	}, map[string]string{"$D/f": "open there", "$D/g": "stat there"}},
	"the end of a page": {func(d string) {
		mem, err := unix.Mmap(-1, 0, 3*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		must(err)
		must(unix.Mprotect(mem[8192:], unix.PROT_NONE))
		for _, end := range []int{4096 + 3, 8192} { // over an inner end, and up to the last byte
			name := d + "/f\x00"
			copy(mem[end-len(name):], name)
			must(raw("newfstatat", cwd, unsafe.Pointer(&mem[end-len(name)]), stat, 0))
		}
		copy(mem[8192-4:], "/tmp")
		mustErr(raw("newfstatat", cwd, unsafe.Pointer(&mem[8192-4]), stat, 0), unix.EFAULT)
	}, map[string]string{"$D/f": "stat there"}},
	"long paths": {func(d string) {
		deep := d
		for len(deep)+101 < 4000 {
			deep += "/" + strings.Repeat("x", 100)
			must(unix.Mkdir(deep, 0o755))
		}
		must(raw("newfstatat", cwd, deep, stat, 0))
		mustErr(raw("newfstatat", cwd, d+"/"+strings.Repeat("y/", 2100), stat, 0), unix.ENAMETOOLONG)
		mustErr(raw("newfstatat", cwd, d+"/"+strings.Repeat("z", 256), stat, 0), unix.ENAMETOOLONG)
	}, nil},
	"everything is a path": {func(d string) {
		must(raw("name_to_handle_at", cwd, d+"/to-f", unsafe.Pointer(&handleBuf), buf, 0))
		must(raw("name_to_handle_at", cwd, d+"/to-sub", unsafe.Pointer(&handleBuf), buf, unix.AT_SYMLINK_FOLLOW))
		must(raw("statfs", d+"/sub", buf))
		must(raw("open_tree", cwd, d+"/g", 0))
	}, map[string]string{
		"$D/to-f": "stat there", "$D/to-sub": "stat there -> $D/sub", "$D/sub": "stat there", "$D/g": "open there",
	}},
}

var (
	statBuf   unix.Stat_t
	statxData unix.Statx_t
	bytesBuf  [4096]byte
	handleBuf = [34]uint32{128}

	stat     = unsafe.Pointer(&statBuf)
	statxBuf = unsafe.Pointer(&statxData)
	buf      = unsafe.Pointer(&bytesBuf)
)

func init() {
	programs["case"] = func(args []string) { cases[args[0]].run(args[1]) }
}

// furnish makes the files of a case.
func furnish(t *testing.T, d string) {
	t.Helper()
	for _, name := range []string{"sub", "empty"} {
		if err := os.Mkdir(filepath.Join(d, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"f", "g", "a", "ab", "sub/f"} {
		if err := os.WriteFile(filepath.Join(d, name), []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"to-f": "f", "to-sub": d + "/sub", "to-nothing": "nothing", "to-nothing2": "nothing"} {
		if err := os.Symlink(to, filepath.Join(d, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCases makes each call in a program of its own.
func TestCases(t *testing.T) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := openDir(t)
			furnish(t, d)
			stdin, err := os.Open(d + "/sub/f")
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			p := recorded(t, supervised{stdin: stdin}, "case", name, d)
			if p.Lost() != 0 {
				t.Errorf("%d events lost", p.Lost())
			}
			if c.want == nil {
				return
			}
			if diff := cmp.Diff(c.want, dump(p, d, c.want)); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
}
