//go:build linux

package builtin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/record/engine"
)

func TestStart(t *testing.T) {
	b := newBed(t, "")
	c := b.start(t, b.spec("say=hello", "ids", "env", "pid", "cwd", "host", "exit=3"))
	want := "hello\n0 0 []\nPATH=/nowhere:/usr/bin A=b\n1 0\n/ <nil>\npare <nil>\n"
	if got := withoutGroups(output(t, c)); got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if e := c.Exit(); e.Code != 3 || e.Signal != 0 || e.After <= 0 {
		t.Errorf("ended as %+v", e)
	}
}

// oneID says that containers have one user and one group only.
func oneID() bool { return findIdentity(false).footing == withOneID }

// withoutGroups leaves out the supplementary groups where they are the test's
// own, because none can be set.
func withoutGroups(printed string) string {
	if !oneID() {
		return printed
	}
	return regexp.MustCompile(`\[[0-9 ]*\]`).ReplaceAllString(printed, "[]")
}

// A user other than root, whose working directory the image lacks.
func TestUser(t *testing.T) {
	b := newBed(t, "")
	s := b.spec("ids", "status=CapEff,CapPrm,CapInh,CapAmb,CapBnd,NoNewPrivs", "cwd", "write=/new", "open=/dev/stdout", "stat=/data/old")
	s.User = engine.Credential{UID: 7, GID: 8, Groups: []int{8, 9}}
	s.Dir = "/made/for/this"
	got := withoutGroups(output(t, b.start(t, s)))
	want := `7 8 [8 9]
CapInh 0000000000000000
CapPrm 0000000000000000
CapEff 0000000000000000
CapBnd 00000000a80425fb
CapAmb 0000000000000000
NoNewPrivs 0
/made/for/this <nil>
write /new: open /new: permission denied
ok
/data/old 100640 7:8 links=1 mtime=1
`
	if oneID() {
		want = strings.NewReplacer("[8 9]", "[]", "write /new: open /new: permission denied", "ok").Replace(want)
	}
	if got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

// What runtimes put into a container, and what it must not do.
func TestSurroundings(t *testing.T) {
	b := newBed(t, "-- layer --\nchar disk 0666 0:0 1:3\n")
	c := b.start(t, b.spec("ls=/dev", "ls=/proc/1/root/dev/pts", "cat=/etc/hosts", "cat=/run/deep/resolv.conf",
		"write=/proc/sys/net/ipv4/ip_forward", "open=/dev/null", "open=/disk", "mknod=/dev/evil", "mknod=/evil", "open=/evil",
		"mount=/data", "unshare", "cat=/proc/timer_list", "cat=/proc/sys/net/ipv4/ip_unprivileged_port_start",
		"status=CapEff,Seccomp", "write=/data/new", "write=/sys/x"))
	got := output(t, c)
	for _, want := range []string{
		"/dev/core /dev/fd /dev/full /dev/mqueue /dev/null /dev/ptmx /dev/pts /dev/random /dev/shm /dev/stderr /dev/stdin /dev/stdout /dev/tty /dev/urandom /dev/zero\n",
		"/proc/1/root/dev/pts/ptmx\n", "127.0.0.1\tlocalhost\n", "# there is no network but the loopback\n",
		"write /proc/sys/net/ipv4/ip_forward: open /proc/sys/net/ipv4/ip_forward: read-only file system\n",
		"mount: operation not permitted\nunshare: operation not permitted\n",
		"CapEff 00000000a80425fb\nSeccomp 0\nok\n", "write /sys/x: open /sys/x: ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	for _, device := range []string{"/disk", "/evil"} {
		if i := strings.Index(got, "open "+device+": open "+device+": "); i < 0 {
			t.Errorf("%s could be opened:\n%s", device, got)
		}
	}
}

// A container's standard input is the host's /dev/null, which stays root's.
func TestDevicesAreTheHosts(t *testing.T) {
	owner := func() (uid, gid uint32) {
		var st unix.Stat_t
		if err := unix.Stat(os.DevNull, &st); err != nil {
			t.Fatal(err)
		}
		return st.Uid, st.Gid
	}
	uid, gid := owner()
	b := newBed(t, "")
	s := b.spec("open=/dev/stdout", "say=done")
	s.User = engine.Credential{UID: 7, GID: 8}
	if got := output(t, b.start(t, s)); !strings.Contains(got, "done") {
		t.Errorf("printed %s", got)
	}
	if nuid, ngid := owner(); nuid != uid || ngid != gid {
		os.Chown(os.DevNull, int(uid), int(gid))
		t.Errorf("%s is now of %d:%d", os.DevNull, nuid, ngid)
	}
}

func TestNamesAsTold(t *testing.T) {
	b := newBed(t, "")
	s := b.spec("cat=/etc/hosts", "cat=/run/deep/resolv.conf")
	s.DNS, s.Hosts = []string{"127.0.0.1", "::1"}, []string{"db.example:192.0.2.7", "six.example:2001:db8::7"}
	got := output(t, b.start(t, s))
	for _, want := range []string{
		"127.0.0.1\tlocalhost\n", "192.0.2.7\tdb.example\n2001:db8::7\tsix.example\n", "\nnameserver 127.0.0.1\nnameserver ::1\n",
	} {
		if !strings.Contains("\n"+got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestHardened(t *testing.T) {
	b := newBed(t, "-- layer --\ndir run 0755 0:0\ndir cache 0700 5:5\ndir link\nsymlink link/out -> ../../../../data\n")
	s := b.spec("status=CapEff,CapBnd,NoNewPrivs,Seccomp", "write=/x", "write=/run/x", "write=/cache/x", "ls=/data", "write=/data/x",
		"write=/fresh/x", "write=/dev/shm/x", "unshare", "cat=/proc/sys/net/ipv4/ip_unprivileged_port_start", "listen=127.0.0.1:1024", "say=listens")
	s.User = engine.Credential{UID: 7, GID: 8, Groups: []int{8}}
	s.Volumes = []string{"/link/out", "/fresh"}
	s.Conditions = &engine.Conditions{ReadOnlyRoot: true, Tmpfs: []string{"/run", "/cache"}, Caps: []string{"CHOWN"}}
	want := `CapEff 0000000000000000
CapBnd 0000000000000001
NoNewPrivs 1
Seccomp 2
write /x: open /x: read-only file system
ok
ok
/data/old
ok
ok
ok
unshare: operation not permitted
1024

listens
`
	if got := output(t, b.start(t, s)); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
	s.Argv = []string{"guest", "ls=/data", "ls=/run"}
	if got, want := output(t, b.start(t, s)), "/data/old\n\n"; got != want {
		t.Errorf("the second container found %q, want %q", got, want)
	}
}

func TestProbesEnter(t *testing.T) {
	b := newBed(t, "")
	c := b.start(t, b.spec("listen=127.0.0.1:80", "listen=[::1]:81", "wait"))
	until(t, c, "ready")
	ports, err := c.Listening(t.Context())
	if err != nil || !slices.Equal(ports, []int{80, 81}) {
		t.Errorf("listening on %v, %v", ports, err)
	}
	for _, port := range []int{80, 81} {
		conn, err := c.Dial(t.Context(), port)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(conn); string(b) != "hello\n" || err != nil {
			t.Errorf("port %d answered %q, %v", port, b, err)
		}
		conn.Close()
	}
	if _, err := c.Dial(t.Context(), 82); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a closed port: %v", err)
	}
	if err := c.Signal(t.Context(), 15); err != nil {
		t.Error(err)
	}
	ended(t, c)
	if e := c.Exit(); e.Code != 7 {
		t.Errorf("ended as %+v", e)
	}
	if _, err := c.Exec(t.Context(), []string{"guest"}, nil); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("a command in a container that has ended: %v", err)
	}
}

func TestExec(t *testing.T) {
	b := newBed(t, "")
	s := b.spec("wait")
	s.User = engine.Credential{UID: 7, GID: 8, Groups: []int{8}}
	c := b.start(t, s)
	until(t, c, "ready")
	r, err := c.Exec(t.Context(), []string{"guest", "pid", "ids", "cat=/proc/1/comm", "echo", "exit=9"}, strings.NewReader("in"))
	groups := "[8]"
	if oneID() { // none can be set
		groups = "[]"
	}
	if err != nil || r.ExitCode != 9 || !strings.HasSuffix(withoutGroups(string(r.Stdout)), " 0\n7 8 "+groups+"\nguest\n\nin") {
		t.Errorf("command: %+v, %v", r, err)
	}
	if _, err := c.Exec(t.Context(), []string{"none"}, nil); err == nil || !strings.Contains(err.Error(), "not found in the image's PATH") {
		t.Errorf("a missing command: %v", err)
	}
	big := bytes.Repeat([]byte("x"), 3<<20)
	if r, err = c.Exec(t.Context(), []string{"guest", "echo"}, bytes.NewReader(big)); err != nil || len(r.Stdout) != 1<<20 {
		t.Errorf("of 3 MiB %d bytes were kept, %v", len(r.Stdout), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Exec(ctx, []string{"guest", "sleep=1h"}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that takes too long: %v", err)
	}
}

func TestHost(t *testing.T) {
	b := newBed(t, "")
	c := b.start(t, b.spec("listen=127.0.0.1:80", "wait"))
	until(t, c, "ready")
	var out strings.Builder
	cmd := exec.CommandContext(t.Context(), "/bin/bash", "-c", `cat; cat </dev/tcp/"$ADDR"/80; echo "$PWD" >&2; exit 5`)
	cmd.Env, cmd.Dir = []string{"ADDR=" + c.Addr()}, "/usr"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("in "), &out, &out
	err := c.Host(t.Context(), cmd)
	var ee *exec.ExitError
	if !errors.As(err, &ee) || ee.ExitCode() != 5 || out.String() != "in hello\n/usr\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Host(ctx, exec.CommandContext(ctx, "/bin/sleep", "1000")); err == nil {
		t.Error("a command outlives its context")
	}
	if err := c.Host(t.Context(), exec.CommandContext(t.Context(), "/no/such")); err == nil {
		t.Error("a command that is not there runs")
	}
}

func TestCheck(t *testing.T) {
	if err := newBed(t, "").Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMissingProgram(t *testing.T) {
	b := newBed(t, "-- layer --\nfile script 0755 0:0 \"#!/no/interpreter\\n\"\n")
	for program, want := range map[string]string{
		"nothing":    "not found in the image's PATH",
		"/no/thing":  "no such file",
		"/etc/hosts": "permission denied",
		"/usr":       "is a directory",
		"/script":    "not its interpreter",
	} {
		s := b.spec()
		s.Argv = []string{program}
		if c, err := b.Start(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", program, c, err)
		}
	}
}

// What nohup and a shell's "&" ignore, a container does not.
func TestSignalsHeeded(t *testing.T) {
	b := newBed(t, "")
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT)
	defer signal.Reset(syscall.SIGHUP, syscall.SIGINT)
	if got := output(t, b.start(t, b.spec("status=SigIgn"))); got != "SigIgn 0000000000000000\n" {
		t.Errorf("printed %q", got)
	}
}

// Files arrive as the image has them, in an overlay or copied.
func TestFiles(t *testing.T) {
	for _, plain := range []bool{false, true} {
		b := newBed(t, `-- layer --
dir  etc/locked 0500 7:7 mtime=5
file etc/locked/f 0400 7:7 "f" mtime=6
file suid 04755 0:0 "x" mtime=7
file caps 0755 0:0 "x" xattr:security.capability="\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" xattr:user.k="v"
link hard => suid
fifo pipe 0640 7:7 mtime=8
symlink dangling -> /../../nowhere mtime=9
`)
		b.plain = plain
		got := output(t, b.start(t, b.spec("stat=/etc/locked", "stat=/etc/locked/f", "stat=/suid", "stat=/hard", "stat=/pipe",
			"stat=/dangling", "xattr=/caps", "stat=/etc/resolv.conf", "stat=/")))
		want := `/etc/locked 40500 7:7 links=2 mtime=5
/etc/locked/f 100400 7:7 links=1 mtime=6
/suid 104755 0:0 links=2 mtime=7
/hard 104755 0:0 links=2 mtime=7
/pipe 10640 7:7 links=1 mtime=8
/dangling 120777 0:0 links=1 mtime=9
security.capability user.k
/etc/resolv.conf 120777 0:0 links=1 mtime=1
`
		if oneID() {
			want = strings.ReplaceAll(want, "7:7", "0:0")
		}
		if !strings.HasPrefix(got, want+"/ 40755 0:0") {
			t.Errorf("plain %v: printed\n%s\nwant\n%s", plain, got, want)
		}
	}
}

func TestHostNetwork(t *testing.T) {
	b := newBed(t, "")
	s := b.spec("listen=127.0.0.1:0", "ls=/sys/class/net", "cat=/etc/hostname", "wait")
	s.Network = engine.Host
	c := b.start(t, s)
	until(t, c, "ready")
	var out strings.Builder
	cmd := exec.CommandContext(t.Context(), "/bin/readlink", "/proc/self/ns/net")
	cmd.Stdout = &out
	if ports, err := c.Listening(t.Context()); err != nil || len(ports) != 1 {
		t.Errorf("listening on %v, %v; want the container's port alone", ports, err)
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err := errors.Join(err, c.Host(t.Context(), cmd)); err != nil || strings.TrimSpace(out.String()) != own {
		t.Errorf("a host command is in %q, not %q: %v", out.String(), own, err)
	}
}

// Programs that are left running end with the first one.
func TestOrphans(t *testing.T) {
	b := newBed(t, "")
	mark := "say=" + b.dir
	c := b.start(t, b.spec("spawn=sleep=1h "+mark, "wait"))
	until(t, c, "ready")
	if n := len(processesWith(t, mark)); n != 2 {
		t.Errorf("%d processes, want 2", n)
	}
	if err := c.Signal(t.Context(), 9); err != nil {
		t.Error(err)
	}
	ended(t, c)
	if e := c.Exit(); e.Signal != 9 || e.Code != 137 {
		t.Errorf("ended as %+v", e)
	}
	if left := processesWith(t, mark); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// processesWith lists the command lines that have text in them.
func processesWith(t testing.TB, text string) []string {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range names {
		if raw, err := os.ReadFile(name); err == nil && bytes.Contains(raw, []byte(text)) {
			out = append(out, strings.ReplaceAll(string(raw), "\x00", " "))
		}
	}
	return out
}
