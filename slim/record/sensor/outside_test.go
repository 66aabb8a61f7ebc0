//go:build linux && (amd64 || arm64)

package sensor

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
)

func init() {
	// The child half of an engine: in namespaces of its own, with another
	// root, it enters the filter and becomes a program.
	programs["inside"] = func(args []string) {
		runtime.LockOSThread()
		root := args[0]
		must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount(root, root, "", unix.MS_BIND, ""))
		for _, dir := range []string{"/usr", "/lib", "/lib64", "/bin", "/dev"} {
			if st, err := os.Lstat(dir); err == nil && st.IsDir() {
				must(os.Mkdir(root+dir, 0o755))
				must(unix.Mount(dir, root+dir, "", unix.MS_BIND|unix.MS_REC, ""))
			} else if err == nil {
				to, err := os.Readlink(dir)
				must(err)
				must(os.Symlink(to, root+dir))
			}
		}
		must(os.Mkdir(root+"/proc", 0o755))
		must(unix.Mount("proc", root+"/proc", "proc", 0, ""))
		must(unix.Chdir(root))
		must(unix.PivotRoot(".", "."))
		must(unix.Unmount(".", unix.MNT_DETACH))
		unix.CloseOnExec(childConn)
		must(Enter(childConn, FilterOptions{}))
		must(syscall.Exec("/case-data/program", append([]string{"program", asProgram}, args[1:]...), os.Environ()))
	}
}

// fromOutside records a program in a container, from outside of it.
func fromOutside(t *testing.T, program ...string) (*profile.Profile, string) {
	t.Helper()
	needRoot(t)
	needRecording(t)
	root := openDir(t)
	d := filepath.Join(root, "case-data")
	if err := os.Mkdir(d, 0o777); err != nil {
		t.Fatal(err)
	}
	furnish(t, d)
	if err := os.Remove(d + "/to-sub"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/case-data/sub", d+"/to-sub"); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self(t), d+"/program"); err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	cmd := exec.Command(self(t), append([]string{asProgram, "inside", root}, program...)...)
	theirs := os.NewFile(uintptr(pair[1]), "conn")
	cmd.ExtraFiles, cmd.Stderr = []*os.File{theirs}, os.Stderr
	cmd.Stdin, err = os.Open(d + "/sub/f")
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	listener, info, err := Receive(pair[0])
	if err != nil {
		t.Fatal(err, cmd.Wait())
	}
	r, err := NewRecorder(listener, RecorderOptions{Info: info, Engine: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- r.Run(t.Context()) }()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ran:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the recorder does not notice that all is over")
	}
	return r.Snapshot(), "/case-data"
}

// TestFromOutside: paths, links and /proc are those inside.
func TestFromOutside(t *testing.T) {
	for _, name := range []string{"relative", "dirfd", "the process's own proc", "links themselves", "what creates", "an empty directory"} {
		t.Run(name, func(t *testing.T) {
			p, d := fromOutside(t, "case", name, "/case-data")
			want := maps.Clone(cases[name].want)
			if _, ok := want["/dev/stdin"]; ok {
				want["/dev/stdin"] = "open there" // a file of the outside has no name inside
			}
			got := dump(p, d, want)
			delete(got, "$D/program")
			if diff := cmp.Diff(want, got); diff != "" || p.Lost() != 0 {
				t.Errorf("%d lost; want -, got +\n%s", p.Lost(), diff)
			}
		})
	}
	t.Run("chroot", func(t *testing.T) {
		p, _ := fromOutside(t, "chroot", "/case-data")
		for _, name := range []string{"/case-data/sub/f", "/case-data/g", "/case-data/f", "/case-data/to-f"} {
			if a := lookup(p, name); a == nil || !a.Exists {
				t.Errorf("%s: %+v", name, a)
			}
		}
	})
}

// TestReceive: a child that dies, or cannot, is an error with its words.
func TestReceive(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	refuse(pair[1], os.ErrPermission)
	if _, _, err := Receive(pair[0]); err == nil || err.Error() != "the program was not started under the recorder: permission denied" {
		t.Error(err)
	}
	unix.Close(pair[1])
	if _, _, err := Receive(pair[0]); err == nil {
		t.Error("a child that is gone")
	}
}
