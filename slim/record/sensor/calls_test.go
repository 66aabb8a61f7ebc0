//go:build linux && (amd64 || arm64)

package sensor

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
)

func init() {
	programs["every call"] = func([]string) { everyCall() }
	programs["every path"] = func(args []string) { everyPath(args[0]) }
}

// everyCall makes every system call there is, all of which a filter has fail.
func everyCall() {
	var known [maxNr]bool
	for nr, name := range table().names {
		// These two kill who calls them from elsewhere than a probe.
		known[nr] = name != "" && name != "uretprobe" && name != "uprobe"
	}
	runtime.LockOSThread()
	must(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	b := &builder{}
	b.load(offNr)
	b.jump(unix.BPF_JEQ, unix.SYS_EXIT_GROUP, 0, 3)
	b.arg(0)
	b.jump(unix.BPF_JEQ, 42, 0, 1)
	b.ret(allow)
	b.ret(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
	fprog := unix.SockFprog{Len: uint16(len(b.prog)), Filter: &b.prog[0]}
	all := ^uint64(0)
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), 0, 8, 0, 0)
	unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog)))
	for nr := range uintptr(maxNr) { // nothing but raw calls: the runtime has none left
		if !known[nr] {
			continue
		}
		unix.RawSyscall6(nr, 1<<20, 1<<20, 1<<20, 1<<20, 1<<20, 1<<20)
	}
	unix.RawSyscall(unix.SYS_EXIT_GROUP, 42, 0, 0)
}

// fileCalls are the calls of strace's class %file, found by trying them all.
func fileCalls(t *testing.T) []string {
	t.Helper()
	needTool(t, "strace")
	trace := filepath.Join(t.TempDir(), "trace")
	out, err := exec.Command("strace", "-f", "-qq", "-e", "trace=%file", "-o", trace, self(t), asProgram, "every call").CombinedOutput()
	if code := err.(*exec.ExitError).ExitCode(); code != 42 {
		t.Fatalf("exit %d: %s", code, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\d+ +(\w+)\(.*ENOSYS`).FindAllStringSubmatch(string(text), -1) {
		if !strings.HasPrefix(m[1], "syscall_") { // newer than this strace
			names[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// notPaths are calls of %file that name no path of the file system, or only
// where the recorder asks on other grounds.
var notPaths = []string{
	"getcwd", // strace shows its result
}

func TestListAgainstStrace(t *testing.T) {
	file := fileCalls(t)
	if len(file) < 40 { // arm64 has 48 of them
		t.Fatalf("strace's %%file was found to be only %q", file)
	}
	notified := map[string]bool{}
	for _, c := range table().notified {
		if c != nil {
			notified[c.name] = true
		}
	}
	for _, name := range file {
		if !notified[name] && !slices.Contains(notPaths, name) {
			t.Errorf("%s has a path, by strace's %%file, and is not notified about", name)
		}
		delete(notified, name)
	}
	for name := range notified {
		if !slices.Contains(beyond, name) {
			t.Errorf("%s is notified about; why? It is neither in %%file nor in the list of this test", name)
		}
	}
}

// beyond %file: sockets, descriptors, identities, what changes the meaning of
// paths, what is refused, and what strace 6.1 does not know yet.
var beyond = strings.Fields(`bind connect fchdir getdents getdents64
	setuid setgid setreuid setregid setresuid setresgid setgroups
	clone clone3 unshare setns seccomp io_uring_setup
	fchmodat2 file_getattr file_setattr getxattrat listxattrat removexattrat setxattrat open_tree_attr`)

// TestEveryNumberHasAName holds the table against x/sys.
func TestEveryNumberHasAName(t *testing.T) {
	for name, nr := range map[string]int{"openat": unix.SYS_OPENAT, "newfstatat": unix.SYS_NEWFSTATAT, "execveat": unix.SYS_EXECVEAT, "file_setattr": unix.SYS_FILE_SETATTR} {
		if got := table().names[nr]; got != name {
			t.Errorf("%d is %q, want %q", nr, got, name)
		}
	}
	for name := range special {
		if nr, ok := table().nr[name]; ok && table().notified[nr] == nil {
			t.Errorf("%s is not notified about", name)
		}
	}
}

// pathOf is the name that argument i of a call gets in everyPath.
func pathOfCall(dir, call string, i int) string {
	return dir + "/" + call + "-" + string(rune('0'+i))
}

// everyPath makes every plain call, each with directories of its own. Most
// fail, which is nothing to the recorder.
func everyPath(dir string) {
	names := slices.Sorted(maps.Keys(plain))
	for _, name := range names {
		if name == "chroot" {
			continue // last
		}
		callWithPaths(dir, name)
	}
	callWithPaths(dir, "chroot")
}

func callWithPaths(dir, name string) {
	args := make([]any, 6)
	for i := range args {
		args[i] = 0
	}
	for _, p := range plain[name] {
		if p.dirfd >= 0 {
			args[p.dirfd] = cwd
		}
		args[p.path] = pathOfCall(dir, name, p.path)
	}
	_ = raw(name, args...)
}

func TestEveryPath(t *testing.T) {
	d := openDir(t)
	var want []string
	for name, paths := range plain {
		if _, here := table().nr[name]; !here {
			continue
		}
		for _, p := range paths {
			dir := pathOfCall(d, name, p.path)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			want = append(want, dir)
		}
	}
	p := recorded(t, supervised{}, "every path", d)
	for _, dir := range want {
		if a := lookup(p, dir); a == nil {
			t.Errorf("%s was not recorded", dir)
		} else if !a.Exists || a.Resolved != dir && a.Resolved != "" {
			t.Errorf("%+v, want there", a)
		}
	}
}

// TestAgainstStrace records real programs, and strace beside them in the same
// run, and compares.
func TestAgainstStrace(t *testing.T) {
	needTool(t, "strace")
	scripts := map[string]string{
		"sh":     `cd sub && cat ../f >out; (cd ..; cat to-f); find . -type f | xargs ls -l; mv out out2; rm out2; test -e gone; ln -s f l; cat l; chmod 600 f; mkdir x; rmdir x; head -c1 /proc/self/status; ls /dev/fd; cp -a ../f ../copy; sh -c 'cat f & wait'`,
		"python": `python3 -c 'import json, ssl, os, subprocess; os.listdir("."); subprocess.run(["true"]); open("py","w").close(); os.stat("to-f")'`,
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			if name == "python" {
				needTool(t, "python3")
			}
			d := openDir(t)
			furnish(t, d)
			trace := filepath.Join(t.TempDir(), "trace")
			o := supervised{cfg: Config{Dir: d, Argv: []string{
				"strace", "-f", "-v", "-y", "-s", "4096", "-ttt", "-e", "trace=%file,%process,getdents64,fchdir,bind,connect,close,dup,dup2,dup3,fcntl", "-o", trace, "sh", "-c", script,
			}}}.run(t)
			got := o.one(t)
			if got.Lost() != 0 {
				t.Errorf("%d events lost", got.Lost())
			}
			compareWithTrace(t, got, trace, d)
		})
	}
}

func compareWithTrace(t *testing.T, got *profile.Profile, trace, cwd string) {
	t.Helper()
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, _, err := profile.ImportStrace(f, profile.StraceOptions{Cwd: cwd})
	if err != nil {
		t.Fatal(err)
	}
	if len(want.Accesses) < 50 {
		t.Errorf("strace saw only %d paths", len(want.Accesses))
	}
	for _, w := range want.Accesses {
		a := lookup(got, w.Path)
		switch {
		case a == nil && opened(got, w):
		case a == nil:
			t.Errorf("%q, seen by strace (%v, exists %v), is not in the profile", w.Path, w.Kinds, w.Exists)
		case w.Exists && !a.Exists:
			t.Errorf("%q existed (%v), the profile says it did not (%v)", w.Path, w.Kinds, a.Kinds)
		case slices.Equal(w.Kinds, []profile.Kind{profile.Stat}): // also what it says of a call that failed
		case !slices.ContainsFunc(w.Kinds, func(k profile.Kind) bool { return slices.Contains(a.Kinds, k) }):
			t.Errorf("%q: %v by strace, %v in the profile", w.Path, w.Kinds, a.Kinds)
		}
	}
}

// opened says that strace -y showed fstat(fd) as a look at the open file,
// which the recorder has as where an access led to, or does not have because
// it was open before: standard input.
func opened(got *profile.Profile, w profile.Access) bool {
	return w.Exists && slices.Equal(w.Kinds, []profile.Kind{profile.Stat}) &&
		(w.Path == os.DevNull || slices.ContainsFunc(got.Accesses, func(a profile.Access) bool {
			return a.Resolved == w.Path && a.Has(profile.Open, profile.Write, profile.Exec)
		}))
}
