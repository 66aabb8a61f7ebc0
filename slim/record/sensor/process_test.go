//go:build linux && (amd64 || arm64)

package sensor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
)

func init() {
	programs["chroot"] = func(args []string) {
		d := args[0]
		must(unix.Chdir(d + "/sub"))
		must(unix.Chroot(d))
		must(raw("openat", cwd, "f", 0)) // still d/sub/f
		must(raw("openat", cwd, "/g", 0))
		must(raw("openat", cwd, "/../../f", 0))
		must(raw("openat", cwd, "/to-f", 0))
		must(unix.Chdir("/empty"))
		must(raw("newfstatat", cwd, "../a", stat, 0))
		mustErr(raw("newfstatat", cwd, "/etc/passwd", stat, 0), unix.ENOENT)
	}
	programs["users"] = func(args []string) {
		runtime.LockOSThread()
		must(raw("setgroups", 0, 0))
		must(raw("setresgid", 1234, 1234, 1234))
		must(raw("setresuid", 4321, 4321, 4321))
		must(raw("openat", cwd, args[0]+"/f", 0))
		mustErr(raw("setuid", 0), unix.EPERM)
	}
	programs["ports"] = func([]string) {
		for _, port := range []int{0, 97, 18081} {
			fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
			must(err)
			_ = unix.Bind(fd, &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}})
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		must(err)
		_ = unix.Bind(fd, &unix.SockaddrInet4{Port: 18082, Addr: [4]byte{127, 0, 0, 1}})
	}
	programs["exec"] = func(args []string) {
		for _, argv := range splitOn(args, "--") {
			out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
			if err != nil {
				must(fmt.Errorf("%q: %w: %s", argv, err, out))
			}
		}
	}
	programs["try"] = func(args []string) {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		fmt.Printf("%v %s\n", err, out)
	}
	programs["fexec"] = func(args []string) {
		fd := openFD(args[0], unix.O_PATH|unix.O_CLOEXEC)
		must(raw("execveat", fd, "", 0, 0, unix.AT_EMPTY_PATH))
	}
	programs["storm"] = func(args []string) {
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				runtime.LockOSThread() // a thread each
				for j := range 20 {
					must(raw("openat", cwd, fmt.Sprintf("%s/t%d-%d", args[0], i, j), unix.O_CREAT|unix.O_WRONLY, 0o644))
					must(raw("newfstatat", cwd, fmt.Sprintf("%s/t%d-%d", args[0], i, j), stat, 0))
				}
			})
		}
		wg.Wait()
	}
	programs["signals"] = func(args []string) {
		// The Go runtime's own preemption signals, and a timer's.
		var it [4]int64
		every, err := strconv.ParseInt(args[1], 10, 64)
		must(err)
		calls, err := strconv.Atoi(args[2])
		must(err)
		it[1], it[3] = every, every // microseconds
		_, _, errno := unix.Syscall(unix.SYS_SETITIMER, unix.ITIMER_REAL, uintptr(unsafe.Pointer(&it)), 0)
		if errno != 0 {
			must(errno)
		}
		c := make(chan os.Signal, 1)
		signal.Notify(c, unix.SIGALRM)
		go func() {
			for range c {
			}
		}()
		for range 3 {
			go func() {
				for i := 0; ; i++ {
					_ = make([]byte, i%4096)
				}
			}()
		}
		for i := range calls {
			must(raw("newfstatat", cwd, fmt.Sprintf("%s/f%d", args[0], i%7), stat, 0))
		}
	}
	programs["few"] = func(args []string) {
		for i := range 100 {
			mustErr(raw("newfstatat", cwd, fmt.Sprintf("%s/f%d", args[0], i), stat, 0), unix.ENOENT)
		}
	}
	programs["stat forever"] = func(args []string) {
		for i := 0; ; i++ {
			_ = raw("newfstatat", cwd, fmt.Sprintf("%s/no%d", args[0], i%1000), stat, 0)
		}
	}
	programs["die in mid-call"] = func(args []string) {
		for range 40 {
			cmd := exec.Command(os.Args[0], asProgram, "stat forever", args[0])
			must(cmd.Start())
			time.Sleep(5 * time.Millisecond)
			must(cmd.Process.Kill())
			_ = cmd.Wait()
		}
	}
	programs["io_uring"] = func([]string) { mustErr(raw("io_uring_setup", 1, buf), unix.ENOSYS) }
	programs["listener"] = func([]string) {
		runtime.LockOSThread()
		must(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		prog := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: allow}}
		fprog := unix.SockFprog{Len: 1, Filter: &prog[0]}
		mustErr(raw("seccomp", unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, unsafe.Pointer(&fprog)), unix.EBUSY)
		must(raw("seccomp", unix.SECCOMP_SET_MODE_FILTER, 0, unsafe.Pointer(&fprog)))
	}
	programs["deep"] = func(args []string) {
		must(unix.Chdir(args[0]))
		name := strings.Repeat("d", 250)
		for range 20 {
			must(unix.Mkdir(name, 0o755))
			must(unix.Chdir(name))
		}
		must(raw("newfstatat", cwd, ".", stat, 0))
	}
	programs["may not"] = func(args []string) {
		d := args[0]
		mustErr(raw("openat", cwd, d+"/root", unix.O_WRONLY), unix.EACCES)
		mustErr(unix.Mkdir(d+"/closed/new", 0o755), unix.EACCES)
		mustErr(unix.Unlink(d+"/closed/f"), unix.EACCES)
		must(unix.Mkdir(d+"/new", 0o755))
		openFD(d+"/world", unix.O_WRONLY)
		openFD(d+"/grouped", unix.O_RDWR)
	}
	programs["namespace"] = func(args []string) {
		d := args[0]
		runtime.LockOSThread()
		must(unix.Unshare(unix.CLONE_NEWNS))
		must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount(d+"/sub", d+"/empty", "", unix.MS_BIND, ""))
		must(raw("openat", cwd, d+"/empty/f", 0))
		must(raw("openat", cwd, d+"/g", 0))
	}
}

func splitOn(args []string, sep string) [][]string {
	out := [][]string{{}}
	for _, a := range args {
		if a == sep {
			out = append(out, nil)
			continue
		}
		out[len(out)-1] = append(out[len(out)-1], a)
	}
	return out
}

func TestChroot(t *testing.T) {
	needRoot(t)
	d := openDir(t)
	furnish(t, d)
	p := recorded(t, supervised{}, "chroot", d)
	want := map[string]string{
		"$D": "chdir there", "$D/sub": "chdir there", "$D/sub/f": "open there", "$D/g": "open there", "$D/f": "open there",
		"$D/to-f": "open there -> $D/f", "$D/empty": "chdir there", "$D/a": "stat there", "$D/etc/passwd": "stat missing",
	}
	got := dump(p, d, want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	wantPrivilege(t, p, profile.Privilege{Kind: profile.CapCall, Path: "chroot"})
}

func wantPrivilege(t *testing.T, p *profile.Profile, want profile.Privilege) {
	t.Helper()
	if got := p.Sessions[0].Privileges; !slices.Contains(got, want) {
		t.Errorf("privileges %+v, without %+v", got, want)
	}
}

func TestNamespace(t *testing.T) {
	needRoot(t)
	d := openDir(t)
	furnish(t, d)
	p := recorded(t, supervised{}, "namespace", d)
	for _, name := range []string{"/empty/f", "/g", "/sub", "/empty"} {
		if a := lookup(p, d+name); a == nil || !a.Exists {
			t.Errorf("%s: %+v", name, a)
		}
	}
	wantPrivilege(t, p, profile.Privilege{Kind: profile.CapCall, Path: "mount"})
	if f := p.Sessions[0].Findings; len(f) != 1 || f[0].Name != FindingOwnMounts {
		t.Errorf("findings %+v", f)
	}
}

func TestUsers(t *testing.T) {
	needRoot(t)
	d := openDir(t)
	furnish(t, d)
	p := recorded(t, supervised{}, "users", d)
	if want := []profile.User{{UID: 4321, GID: 1234}}; !slices.Equal(p.Users, want) {
		t.Errorf("users %v, want %v", p.Users, want)
	}
	if a := lookup(p, d+"/f"); a == nil || !a.Exists {
		t.Errorf("%+v after the switch", a)
	}
	for _, call := range []string{"setgroups", "setresgid", "setresuid"} {
		wantPrivilege(t, p, profile.Privilege{Kind: profile.CapCall, Path: call})
	}
	if slices.Contains(p.Sessions[0].Privileges, profile.Privilege{Kind: profile.CapCall, Path: "setuid"}) {
		t.Error("a setuid that failed counts as a use of privilege")
	}
}

func TestSwitchingTools(t *testing.T) {
	needRoot(t)
	needTool(t, "setpriv")
	o := supervised{cfg: Config{Argv: []string{"setpriv", "--reuid", "4444", "--regid", "3333", "--clear-groups", "cat", "/etc/hostname"}}}.run(t)
	p := o.one(t)
	if want := (profile.User{UID: 4444, GID: 3333}); o.code != 0 || !slices.Contains(p.Users, want) {
		t.Errorf("exit %d, users %v, want %v", o.code, p.Users, want)
	}
	if a := lookup(p, "/etc/hostname"); a == nil || !a.Exists || !slices.Equal(a.By, []string{realPath(t, "cat")}) {
		t.Errorf("%+v", a)
	}
}

func realPath(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err == nil {
		p, err = filepath.EvalSymlinks(p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPorts(t *testing.T) {
	p := recorded(t, supervised{}, "ports")
	if want := []int{97, 18081, 18082}; !slices.Equal(p.Ports, want) {
		t.Errorf("ports %v, want %v", p.Ports, want)
	}
	wantPrivilege(t, p, profile.Privilege{Kind: profile.CapCall, Path: "bind"})
}

// TestExec is about chains of programs: who is executed, and by whom.
func TestExec(t *testing.T) {
	d := openDir(t)
	for name, body := range map[string]string{"script": "#!/bin/sh\n. " + d + "/part\nexec " + d + "/script2\n", "part": "", "script2": "#!/usr/bin/env sh\ncat " + d + "/data\n", "data": "x"} {
		if err := os.WriteFile(filepath.Join(d, name), []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := recorded(t, supervised{}, "exec", d+"/script")
	want := map[string]string{"$D/script": "exec there", "$D/part": "open there", "$D/script2": "exec there", "$D/data": "open there"}
	got := dump(p, d, want)
	for name, line := range want {
		if !strings.Contains(got[name], strings.TrimSuffix(line, " there")) {
			t.Errorf("%s: %s, want %s", name, got[name], line)
		}
	}
	for name, by := range map[string]string{"script": self(t), "part": realPath(t, "sh"), "script2": realPath(t, "sh"), "data": realPath(t, "cat")} {
		if a := lookup(p, d+"/"+name); !slices.Contains(a.By, by) {
			t.Errorf("%s was accessed by %v, want %s", name, a.By, by)
		}
	}
	if a := lookup(p, self(t)); !a.Has(profile.Exec) || slices.ContainsFunc(a.By, func(by string) bool { return by != self(t) }) {
		t.Errorf("the first program: %+v", a)
	}
	if s := p.Sessions[0]; !slices.Contains(p.Home, os.Getenv("HOME")) || !slices.Contains(s.Env, "PATH") || s.Argv[2] != "exec" || s.User != fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()) {
		t.Errorf("home %v, %+v", p.Home, s)
	}
}

func TestFexecve(t *testing.T) {
	p := recorded(t, supervised{}, "fexec", realPath(t, "true"))
	if a := lookup(p, realPath(t, "true")); a == nil || !a.Has(profile.Exec) || !a.Exists {
		t.Errorf("%+v", a)
	}
}

// privileged copies /bin/true twice, setuid to another user and with a file
// capability, and returns the two.
func privilegedPrograms(t *testing.T) (setuid, capable string) {
	t.Helper()
	needRoot(t)
	d := openDir(t)
	body, err := os.ReadFile(realPath(t, "true"))
	if err != nil {
		t.Fatal(err)
	}
	setuid, capable = d+"/setuid", d+"/capable"
	for _, name := range []string{setuid, capable} {
		if err := os.WriteFile(name, body, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chown(setuid, 77, 77), os.Chmod(setuid, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	// struct vfs_cap_data, version 2: cap_net_bind_service+ep
	var c [20]byte
	binary.LittleEndian.PutUint32(c[:], 0x02000001)
	binary.LittleEndian.PutUint32(c[4:], 1<<unix.CAP_NET_BIND_SERVICE)
	if err := unix.Setxattr(capable, "security.capability", c[:], 0); err != nil {
		skip(t, "no file capabilities: "+err.Error())
	}
	return setuid, capable
}

func TestPrivilegedPrograms(t *testing.T) {
	setuid, capable := privilegedPrograms(t)
	user := &User{UID: 1001, GID: 1001}
	argv := []string{self(t), asProgram, "exec", setuid, "--", capable}
	o := supervised{cfg: Config{Argv: argv, User: user}}.run(t)
	if o.code != 0 {
		t.Fatalf("exit %d: %s%s", o.code, o.stdout, o.stderr)
	}
	p := o.one(t)
	wantPrivilege(t, p, profile.Privilege{Kind: profile.SetuidExec, Path: setuid})
	wantPrivilege(t, p, profile.Privilege{Kind: profile.CapExec, Path: capable})

	p = supervised{cfg: Config{Argv: []string{self(t), asProgram, "fexec", setuid}, User: user}}.run(t).one(t)
	wantPrivilege(t, p, profile.Privilege{Kind: profile.SetuidExec, Path: setuid})

	// Without CAP_SYS_ADMIN the filter needs no_new_privs, and they gain nothing.
	needTool(t, "setpriv")
	p = supervised{
		cfg: Config{Argv: argv, User: user}, prefix: []string{"setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"},
	}.run(t).one(t)
	wantPrivilege(t, p, profile.Privilege{Kind: profile.SetuidExec, Path: setuid, Denied: true})
	wantPrivilege(t, p, profile.Privilege{Kind: profile.CapExec, Path: capable, Denied: true})
}

func TestStorm(t *testing.T) {
	d := openDir(t)
	p := recorded(t, supervised{}, "storm", d)
	n := 0
	for _, a := range p.Accesses {
		if strings.HasPrefix(a.Path, d+"/t") && a.Exists && a.Has(profile.Create) && a.Has(profile.Stat) {
			n++
		}
	}
	if n != 200*20 || p.Lost() != 0 {
		t.Errorf("%d of %d paths, %d lost", n, 200*20, p.Lost())
	}
}

func TestSignalsDuringCalls(t *testing.T) {
	d := openDir(t)
	for i := range 7 {
		if err := os.WriteFile(d+"/f"+strconv.Itoa(i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	every, calls := "300", "3000" // microseconds
	if emulated {                 // if signals came faster than calls get through, there would be no end
		every, calls = "20000", "200"
	}
	if p := recorded(t, supervised{}, "signals", d, every, calls); p.Lost() != 0 {
		t.Errorf("%d lost", p.Lost())
	}
}

func TestDeathInMidCall(t *testing.T) {
	if p := recorded(t, supervised{}, "die in mid-call", openDir(t)); p.Lost() != 0 {
		t.Errorf("%d lost", p.Lost())
	}
}

func TestRefused(t *testing.T) {
	for program, finding := range map[string]string{"io_uring": FindingIOUring, "listener": FindingOwnListener} {
		t.Run(program, func(t *testing.T) {
			p := recorded(t, supervised{}, program)
			wantFinding(t, p, finding)
		})
	}
}

func wantFinding(t *testing.T, p *profile.Profile, name string) {
	t.Helper()
	if !slices.ContainsFunc(p.Sessions[0].Findings, func(f profile.Finding) bool { return f.Name == name && f.Count > 0 && f.By != "" }) {
		t.Errorf("findings %+v, without %s", p.Sessions[0].Findings, name)
	}
}

// foreign are programs of this processor's 32-bit half: exit(7), and a trap
// if that fails.
var foreign = map[string]struct {
	machine uint16
	flags   uint32
	code    []byte
	trap    syscall.Signal
}{
	"amd64": {3, 0, []byte{0xb8, 1, 0, 0, 0, 0xbb, 7, 0, 0, 0, 0xcd, 0x80, 0xf4}, syscall.SIGSEGV},
	// mov r0, #7; mov r7, #1; svc 0; udf 0 (EABI 5)
	"arm64": {40, 0x05000000, []byte{7, 0, 0xa0, 0xe3, 1, 0x70, 0xa0, 0xe3, 0, 0, 0, 0xef, 0xf0, 0, 0xf0, 0xe7}, syscall.SIGILL},
}

func elf32(t *testing.T) []byte {
	const at, head = 0x08048000, 52 + 32
	p, ok := foreign[runtime.GOARCH]
	if !ok {
		t.Fatalf("no 32-bit program for %s", runtime.GOARCH)
	}
	var b bytes.Buffer
	b.WriteString("\x7fELF\x01\x01\x01" + strings.Repeat("\x00", 9))
	for _, v := range []any{
		uint16(2), p.machine, uint32(1), uint32(at + head), uint32(52), uint32(0), p.flags, uint16(52), uint16(32), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(0), uint32(at), uint32(at), uint32(head + len(p.code)), uint32(head + len(p.code)), uint32(5), uint32(0x1000),
	} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.Write(p.code)
	return b.Bytes()
}

// elfX32 is a 64-bit program that makes an x32 call, which kernels know by a
// bit of its number: exit(7), and a trap if that fails.
func elfX32() []byte {
	const at, head = 0x400000, 64 + 56
	code := []byte{0xb8, 60, 0, 0, 0x40, 0xbf, 7, 0, 0, 0, 0x0f, 0x05, 0xf4}
	var b bytes.Buffer
	b.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	for _, v := range []any{
		uint16(2), uint16(62), uint32(1), uint64(at + head), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(at), uint64(at), uint64(head + len(code)), uint64(head + len(code)), uint64(0x1000),
	} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.Write(code)
	return b.Bytes()
}

// TestForeignABI: where the kernel runs no 32-bit programs (a virtual machine
// without hardware's help, say) nobody can record one; x32 calls can be made
// on every kernel.
func TestForeignABI(t *testing.T) {
	programs := map[string][]byte{}
	if runtime.GOARCH == "amd64" {
		programs["x32"] = elfX32()
	}
	file := openDir(t) + "/program"
	if err := os.WriteFile(file, elf32(t), 0o755); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	switch err := exec.Command(file).Run(); {
	case errors.As(err, &exit) && exit.ExitCode() == 7:
		programs["32-bit"] = elf32(t)
	case errors.Is(err, syscall.ENOEXEC) && len(programs) > 0:
		t.Logf("this kernel runs no 32-bit programs: %v", err)
	default:
		skip(t, fmt.Sprintf("this kernel runs no 32-bit programs: %v", err))
	}
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			file := openDir(t) + "/program"
			if err := os.WriteFile(file, program, 0o755); err != nil {
				t.Fatal(err)
			}
			o := supervised{cfg: Config{Argv: []string{file}}}.run(t)
			p := o.one(t)
			wantFinding(t, p, FindingForeignABI)
			if o.code != 128+int(foreign[runtime.GOARCH].trap) || p.Lost() == 0 {
				t.Errorf("exit %d, %d lost; want a program that cannot work, and a loss", o.code, p.Lost())
			}
		})
	}
}

// TestWithoutPrivilege records as an ordinary user.
func TestWithoutPrivilege(t *testing.T) {
	needRoot(t)
	d := openDir(t)
	furnish(t, d)
	needTool(t, "setpriv")
	s := supervised{prefix: []string{"setpriv", "--reuid", "1001", "--regid", "1001", "--clear-groups"}}
	s.cfg.Argv = []string{"sh", "-c", "cat " + d + "/to-f; cat /proc/self/comm; cd " + d + " && ls sub"}
	o := s.run(t)
	p := o.one(t)
	if p.Lost() != 0 || o.code != 0 || p.Sessions[0].User != "1001:1001" {
		t.Errorf("exit %d, %d lost, as %s: %s", o.code, p.Lost(), p.Sessions[0].User, o.stderr)
	}
	want := map[string]string{
		"$D": "chdir there", "$D/to-f": "open there -> $D/f", "$D/sub": "list,open,stat there", "/proc/self/comm": "open there -> /proc/PID/comm",
	}
	got := dump(p, d, want)
	if diff := cmp.Diff(want["$D/to-f"], got["$D/to-f"]); diff != "" || got["/proc/self/comm"] != want["/proc/self/comm"] || !strings.Contains(got["$D/sub"], "list") {
		t.Errorf("%v", got)
	}
}

// TestUnreadable: a recorder that is no longer allowed to look says so.
func TestUnreadable(t *testing.T) {
	needRoot(t)
	needTool(t, "setpriv")
	d := openDir(t)
	furnish(t, d)
	o := supervised{
		cfg:    Config{Argv: []string{self(t), asProgram, "users", d}},
		prefix: []string{"setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"},
	}.run(t)
	p := o.one(t)
	if s := p.Sessions[0]; o.code != 0 || s.Unreadable == 0 || s.Lost < s.Unreadable {
		t.Errorf("exit %d (%s), %d unreadable, %d lost", o.code, o.stderr, s.Unreadable, s.Lost)
	}
}

func TestSyscalls(t *testing.T) {
	p := recorded(t, supervised{cfg: Config{Syscalls: true}}, "ports")
	for _, name := range []string{"execve", "bind", "socket", "futex", "mmap", "exit_group"} {
		if !slices.Contains(p.Sessions[0].Syscalls, name) {
			t.Errorf("%s is not in %v", name, p.Sessions[0].Syscalls)
		}
	}
	if len(recorded(t, supervised{}, "ports").Sessions[0].Syscalls) != 0 {
		t.Error("system calls were recorded unasked")
	}
}

// TestDeep: what no profile can hold is a loss that is counted.
func TestDeep(t *testing.T) {
	if p := recorded(t, supervised{}, "deep", openDir(t)); p.Lost() == 0 {
		t.Error("nothing lost")
	}
}

// TestMayNot: an attempt that permissions forbid changes nothing.
func TestMayNot(t *testing.T) {
	needRoot(t)
	d := openDir(t)
	for name, mode := range map[string]os.FileMode{"root": 0o644, "world": 0o666, "grouped": 0o660, "closed/f": 0o666} {
		file := filepath.Join(d, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o666), os.Chmod(file, mode), os.Chown(file, 0, map[string]int{"grouped": 1003}[name])); err != nil {
			t.Fatal(err)
		}
	}
	p := recorded(t, supervised{cfg: Config{User: &User{UID: 1001, GID: 1002, Groups: []int{1003}}}}, "may not", d)
	want := map[string]string{
		"$D/root": "stat there", "$D/closed/new": "stat missing", "$D/closed/f": "stat there", "$D/new": "create there",
		"$D/world": "write there", "$D/grouped": "write there",
	}
	if diff := cmp.Diff(want, dump(p, d, want)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

// TestInterruptedSensor: a signal may interrupt any of the sensor's own calls
// to the listener.
func TestInterruptedSensor(t *testing.T) {
	needTool(t, "strace")
	d, seconds := openDir(t), "30"
	if emulated {
		seconds = "300"
	}
	p := recorded(t, supervised{prefix: []string{
		"timeout", "-s", "KILL", seconds, "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=ioctl", "-e", "inject=ioctl:error=EINTR:when=5+3",
	}}, "few", d)
	n := 0
	for _, a := range p.Accesses {
		if strings.HasPrefix(a.Path, d+"/f") {
			n++
		}
	}
	if n != 100 || p.Lost() != 0 {
		t.Errorf("%d of 100 paths, %d lost", n, p.Lost())
	}
}
