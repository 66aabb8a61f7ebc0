package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/slim"
)

// derivedAnswers are what the derived image must say.
var derivedAnswers = map[string]string{
	"/sum":     "42",
	"/digest":  `"6a6f02676afa294c96c7440f39ae13c357aee4782c8c811edddb8f04e3aa926c"`,
	"/trust":   "true",
	"/library": "true",
}

// TestDerive records an image on this machine's architecture, takes the
// profile to the same image of another, and runs what is slimmed by that under
// emulation of the processor.
func TestDerive(t *testing.T) {
	b, set := testBed(t)
	if set != "full" || runtime.GOARCH != "amd64" {
		return // it needs images that CI does not make
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	here, there := derivedImage(b, "amd64"), derivedImage(b, "arm64")
	from := must[string](t, "making the image of this architecture")(here.make(ctx, b, "derived"))
	to := must[string](t, "making the image of the other")(there.make(ctx, b, "derived"))
	dir := must[string](t, "preparing")(b.scratch("derived"))
	file := func(name string) string { return filepath.Join(dir, name) }

	args := []string{"record", from, "-o", file("amd64.json"), "--engine", "builtin", "--progress", "quiet"}
	for path := range derivedAnswers {
		args = append(args, "--http", ":8000"+path)
	}
	must[string](t, "recording")(b.runPare(ctx, args...))
	must[string](t, "deriving")(b.runPare(ctx, "profile", "derive", file("amd64.json"), to, "--platform", "linux/arm64", "-o", file("arm64.json"), "--progress", "quiet"))
	must[string](t, "slimming")(b.runPare(ctx, "slim", to, "--platform", "linux/arm64", "-p", file("arm64.json"), "-o", "oci:"+file("oci")+":slim",
		"--plan", file("plan.json"), "--granularity", "file", "--progress", "quiet"))
	plan := must[*slim.Plan](t, "reading the plan")(readPlan(file("plan.json")))
	t.Logf("%d MB became %d MB", plan.Summary.SourceBytes>>20, plan.Summary.KeptBytes>>20)
	text := string(must[[]byte](t, "reading the plan")(os.ReadFile(file("plan.json"))))
	for _, want := range []string{
		`"/usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so"`, "_sqlite3.cpython-311-aarch64-linux-gnu.so",
		`"/lib/x86_64-linux-gnu/libexpat.so.1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan does not say what became of %s", want)
		}
	}
	root := must[string](t, "unpacking")(b.unpack(ctx, file("oci"), "slim", "derived"))
	if err := checkEmulated(ctx, root, plan.User); err != nil {
		t.Error(err)
	}
}

func derivedImage(b *bed, arch string) extracted {
	return extracted{
		arch:     arch,
		packages: []string{"ca-certificates", "libexpat1", "libpython3-stdlib", "python3-minimal"},
		files: map[string]string{
			// As its installation makes it, which is a program that was not run.
			"etc/ssl/certs/ca-certificates.crt": "/etc/ssl/certs/ca-certificates.crt",

			"app/serve.py": filepath.Join(b.root, "testdata/images/derived/serve.py"),
			"etc/passwd":   "/usr/share/base-passwd/passwd.master",
			"etc/group":    "/usr/share/base-passwd/group.master",
		},
		config: v1.Config{Entrypoint: []string{"/usr/bin/python3.11", "/app/serve.py"}, Cmd: []string{"8000"}, WorkingDir: "/app", ExposedPorts: map[string]struct{}{"8000/tcp": {}}},
	}
}

// checkEmulated runs the server in root as its user, every instruction by
// qemu, and asks it everything.
func checkEmulated(ctx context.Context, root string, user slim.User) (err error) {
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		return err
	}
	program, err := os.ReadFile(qemu)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, ".qemu"), program, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/.qemu", "/usr/bin/python3.11", "/app/serve.py", "0")
	cmd.Path, cmd.Dir, cmd.Env = "/.qemu", "/app", []string{"PATH=/usr/bin", "PYTHONDONTWRITEBYTECODE=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(user.UID), Gid: uint32(user.GID)}}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the emulation: %w", err)
	}
	defer func() {
		cancel()
		cmd.Wait() //nolint:errcheck // it was killed
		if err != nil {
			err = fmt.Errorf("%w; it wrote %q", err, stderr.String())
		}
	}()
	line, err := bufio.NewReader(said).ReadString('\n')
	port, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		return fmt.Errorf("it did not start: %q (%v)", line, err)
	}
	var errs []error
	for path, want := range derivedAnswers {
		r, err := httpDo(ctx, "GET", "http://127.0.0.1:"+port+path, nil, nil)
		if err == nil {
			err = r.expect(200, nil, want)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
