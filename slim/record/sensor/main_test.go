//go:build linux && (amd64 || arm64)

package sensor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
)

// The test binary is also what it tests: the supervisor, its child, and the
// programs that are recorded.
const (
	asSupervisor = "test-supervise"
	asProgram    = "test-program"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case ChildCommand:
			err := Child(os.Args[2:])
			fmt.Fprintln(os.Stderr, err)
			os.Exit(map[bool]int{true: 127, false: 126}[errors.Is(err, fs.ErrNotExist)])
		case asSupervisor:
			os.Exit(superviseMain(os.Args[2:]))
		case asProgram:
			programs[os.Args[2]](os.Args[3:])
			os.Exit(0)
		}
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // for every program that a test starts
	dir, err := os.MkdirTemp("", "sensor")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		panic(err)
	}
	shared = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func superviseMain(args []string) int {
	signal.Ignore(unix.SIGPIPE) // as pare's main does
	raw, err := os.ReadFile(args[0])
	if err != nil {
		panic(err)
	}
	var cfg Config
	if err := json.Unmarshal(raw, &cfg); err != nil {
		panic(err)
	}
	code, err := Supervise(context.Background(), cfg, args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// programs are what is recorded, by name. They end with exit code 0, or die.
var programs = map[string]func([]string){}

// supervised is one run of the supervisor.
type supervised struct {
	cfg    Config
	args   []string
	env    []string
	stdin  *os.File
	user   *syscall.Credential // of the supervisor
	prefix []string            // a command before it
	during func(*os.Process)
}

type outcomeOf struct {
	code           int
	stdout, stderr string
	profiles       []*profile.Profile
}

// one is the profile of a run that made one.
func (o *outcomeOf) one(t testing.TB) *profile.Profile {
	t.Helper()
	if len(o.profiles) != 1 {
		t.Fatalf("%d profiles; exit %d, stderr %s", len(o.profiles), o.code, o.stderr)
	}
	return o.profiles[0]
}

// emulated machines (testdata/arm64) are given less to do, and more time.
var emulated = os.Getenv("PARE_TEST_EMULATED") != ""

// self is this program where every user can execute it.
func self(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(shared, "sensor.test")
	if err := os.Link(exe, name); err != nil && !errors.Is(err, fs.ErrExist) {
		body, err := os.ReadFile(exe)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, body, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// shared is a directory of all tests.
var shared string

// openDir is a directory that every user can write and reach.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sensor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (s supervised) run(t testing.TB) *outcomeOf {
	t.Helper()
	needRecording(t)
	dir := openDir(t)
	if s.cfg.Out == "" {
		s.cfg.Out = dir
	}
	raw, err := json.Marshal(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(openDir(t), "config.json")
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	argv := append(append(slices.Clone(s.prefix), self(t), asSupervisor, file), s.args...)
	patience := time.Minute
	if emulated {
		patience *= 10
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, s.env
	if s.stdin != nil {
		cmd.Stdin = s.stdin
	}
	if s.user != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if s.during != nil {
		s.during(cmd.Process)
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%v; stdout %s, stderr %s", err, &stdout, &stderr)
	}
	return &outcomeOf{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), profilesIn(t, s.cfg.Out)}
}

func profilesIn(t testing.TB, dir string) []*profile.Profile {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	var out []*profile.Profile
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := profile.Read(f)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, p)
	}
	return out
}

// recorded runs one of the programs under the recorder; it must succeed.
func recorded(t *testing.T, s supervised, program string, args ...string) *profile.Profile {
	t.Helper()
	s.cfg.Argv = append([]string{self(t), asProgram, program}, args...)
	o := s.run(t)
	if o.code != 0 {
		t.Fatalf("%s: exit %d\n%s%s", program, o.code, o.stdout, o.stderr)
	}
	return o.one(t)
}

var pidDir = regexp.MustCompile(`^/proc/\d+`)

// dump is every access below dir, and those named in also, as one line each:
// "kinds there|missing [-> where it leads]". dir is "$D".
func dump(p *profile.Profile, dir string, want map[string]string) map[string]string {
	out := map[string]string{}
	for _, a := range p.Accesses {
		name := strings.ReplaceAll(a.Path, dir, "$D")
		if _, asked := want[name]; !asked && !strings.HasPrefix(name, "$D/") {
			continue
		}
		var ks []string
		for _, k := range a.Kinds {
			ks = append(ks, string(k))
		}
		line := strings.Join(ks, ",") + " missing"
		if a.Exists {
			line = strings.Join(ks, ",") + " there"
		}
		if a.Resolved != "" && a.Resolved != a.Path {
			line += " -> " + pidDir.ReplaceAllString(strings.ReplaceAll(a.Resolved, dir, "$D"), "/proc/PID")
		}
		out[name] = line
	}
	return out
}

func lookup(p *profile.Profile, path string) *profile.Access {
	for i := range p.Accesses {
		if p.Accesses[i].Path == path {
			return &p.Accesses[i]
		}
	}
	return nil
}

// needRecording skips where the kernel cannot; in CI that is a failure.
func needRecording(t testing.TB) {
	t.Helper()
	if s := Check(); !s.OK() {
		skip(t, s.Why)
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "needs root")
	}
}

func needTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip(t, name+" is not installed")
	}
}

func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// must is for programs: they die when something is not as it must be.
func must(err error) {
	if err != nil {
		_, file, line, _ := runtime.Caller(1)
		fmt.Fprintf(os.Stderr, "%s:%d: %v\n", filepath.Base(file), line, err)
		os.Exit(99)
	}
}

func mustErr(err, want error) {
	if !errors.Is(err, want) {
		_, file, line, _ := runtime.Caller(1)
		fmt.Fprintf(os.Stderr, "%s:%d: %v, want %v\n", filepath.Base(file), line, err, want)
		os.Exit(99)
	}
}
