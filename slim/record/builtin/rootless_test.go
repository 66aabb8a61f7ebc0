//go:build linux

package builtin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const nobody = 65534

// The other tests, as a user without privilege: with that id alone, and with
// ranges of ids from /etc/subuid. Root does it; anybody else is rootless.
func TestRootless(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this is rootless")
	}
	t.Run("one id", func(t *testing.T) { runAsNobody(t, "") })
	t.Run("ranges", func(t *testing.T) {
		needProgram(t, "newuidmap")
		runAsNobody(t, "65534:100000:65536\n")
	})
}

func needProgram(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
}

// runAsNobody runs this test program again. It sees subuid and subgid files
// of its own, in a mount namespace that ends with it.
func runAsNobody(t *testing.T, ranges string) {
	dir, err := os.MkdirTemp("", "pare-nobody-") // t.TempDir is nobody else's to read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"guest": program, "test": self, "sub": []byte(ranges)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(tmp, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	verbose := ""
	if testing.Verbose() {
		verbose = "-test.v"
	}
	script := fmt.Sprintf(`set -e
mount --bind %[1]s/sub /etc/subuid
mount --bind %[1]s/sub /etc/subgid
exec setpriv --reuid %[2]d --regid %[2]d --clear-groups %[1]s/test -test.timeout 300s -test.skip 'MissingProgram|Debian|Rootless' %[3]s`, dir, nobody, verbose)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Env = append(os.Environ(), "PARE_TEST_GUEST="+dir+"/guest", "TMPDIR="+tmp)
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	t.Logf("%s", strings.TrimSpace(string(out)))
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
