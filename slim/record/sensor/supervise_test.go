//go:build linux && (amd64 || arm64)

package sensor

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
)

func TestExitCodes(t *testing.T) {
	plainFile := openDir(t) + "/plain"
	if err := os.WriteFile(plainFile, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		argv []string
		want int
	}{
		{[]string{"sh", "-c", "exit 7"}, 7},
		{[]string{"sh", "-c", "kill -9 $$"}, 128 + 9},
		{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15},
		{[]string{"no-such-program"}, 127},
		{[]string{"/no/such/program"}, 127},
		{[]string{plainFile}, 126},
	} {
		o := supervised{cfg: Config{Argv: c.argv}}.run(t)
		if o.code != c.want {
			t.Errorf("%q: exit %d, want %d; %s", c.argv, o.code, c.want, o.stderr)
		}
		if c.want < 126 && o.one(t).Lost() != 0 {
			t.Errorf("%q: losses", c.argv)
		}
	}
}

// awaitFile waits until a program has made a file.
func awaitFile(t *testing.T, name string) {
	t.Helper()
	for range 1000 {
		if _, err := os.Stat(name); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s did not appear", name)
}

func TestSignalsAreForwarded(t *testing.T) {
	d := openDir(t)
	script := `trap 'echo got it; cat ` + d + `/last; exit 3' TERM; touch ` + d + `/ready; while :; do sleep 0.05; done`
	o := supervised{
		cfg: Config{Argv: []string{"sh", "-c", script}},
		during: func(p *os.Process) {
			awaitFile(t, d+"/ready")
			_ = p.Signal(unix.SIGTERM)
		},
	}.run(t)
	if o.code != 3 || o.stdout != "got it\n" {
		t.Errorf("exit %d, said %q", o.code, o.stdout)
	}
	if a := lookup(o.one(t), d+"/last"); a == nil {
		t.Error("what the handler did was not recorded")
	}
}

// TestEndsDisplaceNoSignal: a queue that is full of children's ends, while a
// profile is being written, must not cost the program its stop signal.
func TestEndsDisplaceNoSignal(t *testing.T) {
	if all := forwarded(); slices.Contains(all, os.Signal(unix.SIGCHLD)) || !slices.Contains(all, os.Signal(unix.SIGTERM)) {
		t.Errorf("%v", all)
	}
}

// TestSIGPIPE: pare ignores it, its program must not.
func TestSIGPIPE(t *testing.T) {
	o := supervised{cfg: Config{Argv: []string{"sh", "-c", `grep SigIgn /proc/self/status; grep SigBlk /proc/self/status`}}}.run(t)
	if o.stdout != "SigIgn:\t0000000000000000\nSigBlk:\t0000000000000000\n" {
		t.Errorf("the program starts with %s", o.stdout)
	}
}

// TestOrphans: what is left running becomes the init's child, is reaped, and
// ends when the program does.
func TestOrphans(t *testing.T) {
	d := openDir(t)
	script := `(sh -c 'sleep 0.01; : >` + d + `/orphan' &) ; (sleep 1000 & echo $! >` + d + `/pid); while ! test -e ` + d + `/orphan; do sleep 0.01; done; sleep 0.1; ps -o stat= --ppid $PPID | grep -c Z; exit 0`
	needTool(t, "ps")
	start := time.Now()
	o := supervised{cfg: Config{Argv: []string{"sh", "-c", script}}}.run(t)
	if o.code != 0 || strings.TrimSpace(o.stdout) != "0" || time.Since(start) > time.Minute {
		t.Errorf("exit %d, zombies %q, after %s", o.code, o.stdout, time.Since(start))
	}
	pid, err := os.ReadFile(d + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/comm"); err == nil && string(raw) == "sleep\n" {
		t.Error("a program is still running, without a recorder")
	}
}

func TestEnvironment(t *testing.T) {
	o := supervised{cfg: Config{Argv: []string{"env"}}, env: []string{"PATH=" + os.Getenv("PATH"), "PARE_OUT=/x", "A=b\xff", "PARE_X=1"}}.run(t)
	if o.stdout != "PATH="+os.Getenv("PATH")+"\nA=b\xff\n" {
		t.Errorf("the program has %q", o.stdout)
	}
	if env := o.one(t).Sessions[0].Env; !slices.Equal(env, []string{"A", "PATH"}) {
		t.Errorf("names %v", env)
	}
	o = supervised{cfg: Config{Argv: []string{"env"}, Env: []string{"PATH=/usr/bin:/bin", "ONLY=1"}, Dir: "/usr"}, env: []string{"Z=1"}}.run(t)
	if o.stdout != "PATH=/usr/bin:/bin\nONLY=1\n" {
		t.Errorf("the program has %q", o.stdout)
	}
}

func TestUserAndCapabilities(t *testing.T) {
	needRoot(t)
	o := supervised{cfg: Config{
		Argv: []string{"sh", "-c", "id -u; id -g; id -G; pwd; grep -h CapEff /proc/self/status"},
		User: &User{UID: 1001, GID: 1002, Groups: []int{1003, 1004}}, Dir: "/usr/share",
	}}.run(t)
	if want := "1001\n1002\n1002 1003 1004\n/usr/share\nCapEff:\t0000000000000000\n"; o.stdout != want {
		t.Errorf("%q, want %q; %s", o.stdout, want, o.stderr)
	}
	if p := o.one(t); p.Sessions[0].User != "1001:1002" || len(p.Users) != 0 || p.Lost() != 0 || len(p.Sessions[0].Privileges) != 0 {
		t.Errorf("%+v, users %v: the sensor's own switch is none of the program's", p.Sessions[0], p.Users)
	}
	o = supervised{cfg: Config{Argv: []string{"sh", "-c", "grep -hE 'Cap(Eff|Bnd)' /proc/self/status"}, Drop: []string{"SYS_PTRACE", "CAP_SYS_ADMIN"}}}.run(t)
	for line := range strings.Lines(o.stdout) {
		mask := strings.TrimSpace(line[strings.Index(line, ":")+1:])
		if mask[len(mask)-6] != '0' && (mask[len(mask)-6]-'0')&0x2 != 0 {
			t.Errorf("%s keeps what it was to lose", line)
		}
	}
	if o.code != 0 || o.one(t).Lost() != 0 {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
}

// Programs open their output by its name, to log there.
func TestOutputIsTheUsers(t *testing.T) {
	needRoot(t)
	o := supervised{cfg: Config{Argv: []string{"sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr"}, User: &User{UID: 1001, GID: 1002}}}.run(t)
	if o.code != 0 || o.stdout != "out\n" || !strings.Contains(o.stderr, "err\n") {
		t.Errorf("exit %d, %q, %q", o.code, o.stdout, o.stderr)
	}
}

func TestNothingStartsWithoutAPlaceForTheProfile(t *testing.T) {
	d := openDir(t)
	for _, out := range []string{"/no/such/directory", "http://127.0.0.1:1/x", "/proc"} {
		o := supervised{cfg: Config{Out: out, Argv: []string{"touch", d + "/started"}}}.run(t)
		if _, err := os.Stat(d + "/started"); err == nil || o.code != 1 || !strings.Contains(o.stderr, "PARE_OUT") {
			t.Errorf("%s: exit %d, %s; started: %v", out, o.code, o.stderr, err == nil)
		}
	}
	from := openDir(t)
	o := supervised{cfg: Config{Out: "/no/such/directory", OutFromEnv: true, Argv: []string{"true"}}, env: []string{"PARE_OUT=" + from}}.run(t)
	if o.code != 0 || len(profilesIn(t, from)) != 1 {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

func TestPut(t *testing.T) {
	var tries atomic.Int32
	got := make(chan *profile.Profile, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed) // it is there, and that is all
			return
		}
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		p, err := profile.Read(r.Body)
		if err != nil || r.Method != http.MethodPut || r.Header.Get("Content-Type") != profile.MediaType || !strings.HasSuffix(r.URL.Path, ".json") {
			t.Errorf("%s %s %v: %v", r.Method, r.URL, r.Header, err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		got <- p
	}))
	defer server.Close()
	o := supervised{cfg: Config{Out: server.URL + "/profiles/", Argv: []string{"cat", "/etc/hostname"}, Image: profile.Image{Digest: "sha256:x"}}}.run(t)
	if o.code != 0 {
		t.Fatalf("exit %d: %s", o.code, o.stderr)
	}
	if p := <-got; lookup(p, "/etc/hostname") == nil || p.Image.Digest != "sha256:x" {
		t.Errorf("%+v", p)
	}
}

// TestFlush: a program that is killed with its recorder has lost little.
func TestFlush(t *testing.T) {
	d := openDir(t)
	cfg := Config{Argv: []string{"sh", "-c", "echo $$ >" + d + "/pid; cat " + d + "/x; exec sleep 60"}, Flush: 50 * time.Millisecond, Out: openDir(t)}
	o := supervised{cfg: cfg, during: func(p *os.Process) {
		for range 500 {
			if ps, _ := filepath.Glob(cfg.Out + "/*.json"); len(ps) == 1 && lookup(profilesIn(t, cfg.Out)[0], d+"/x") != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		_ = p.Kill()
	}}.run(t)
	if raw, err := os.ReadFile(d + "/pid"); err == nil { // it outlives its recorder
		if pid, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if p := o.one(t); lookup(p, d+"/x") == nil {
		t.Error("the profile so far was not written")
	}
}

// TestRecorderDies: the workload fails then, it does not hang.
func TestRecorderDies(t *testing.T) {
	d := openDir(t)
	script := `echo $$ >` + d + `/pid; while cat /etc/hostname >/dev/null; do :; done`
	supervised{cfg: Config{Argv: []string{"bash", "-c", script}}, during: func(p *os.Process) {
		awaitFile(t, d+"/pid")
		time.Sleep(50 * time.Millisecond)
		_ = p.Kill()
	}}.run(t)
	raw, err := os.ReadFile(d + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(raw))); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the program still runs, or hangs, 5 s after its recorder was killed")
}

// TestSessions: each start has a file of its own.
func TestSessions(t *testing.T) {
	out := openDir(t)
	for _, name := range []string{"hostname", "passwd"} {
		supervised{cfg: Config{Out: out, Argv: []string{"cat"}}, args: []string{"/etc/" + name}}.run(t)
	}
	ps := profilesIn(t, out)
	if len(ps) != 2 {
		t.Fatalf("%d profiles", len(ps))
	}
	u, err := profile.Union(ps...)
	if err != nil || len(u.Sessions) != 2 || lookup(u, "/etc/hostname") == nil || lookup(u, "/etc/passwd") == nil {
		t.Errorf("%v, %+v", err, u.Sessions)
	}
	left, _ := filepath.Glob(out + "/.*")
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCheck(t *testing.T) {
	needRecording(t)
	before := len(children())
	for range 3 {
		s := Check()
		if !s.OK() || !s.Notify || !s.Continue || s.Kernel == "" {
			t.Errorf("%+v", s)
		}
	}
	if n := len(children()); n != before {
		t.Errorf("%d children", n)
	}
}

// TestInterruptedCheck: a signal that comes while the call of the check waits,
// or between its answer and its end, has the kernel begin it anew. Signals
// like the Go runtime's own are sent to every thread as fast as they go.
func TestInterruptedCheck(t *testing.T) {
	needRecording(t)
	ctx, cancel := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() {
		for ctx.Err() == nil {
			threads, err := os.ReadDir("/proc/self/task")
			if err != nil {
				t.Error(err)
				return
			}
			for _, thread := range threads {
				if tid, err := strconv.Atoi(thread.Name()); err == nil {
					_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
				}
			}
		}
	})
	for i := range 300 {
		if s := Check(); !s.OK() {
			t.Errorf("%d: %+v", i, s)
			break
		}
	}
	cancel()
	sending.Wait()
}
