//go:build linux

package oracle

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/layers"
)

// TestMain sets the umask under which unlisted directories get mode 0755.
func TestMain(m *testing.M) {
	syscall.Umask(0o022)
	os.Exit(m.Run())
}

// umoci unpacks images with the program of that name.
type umoci struct {
	program string
	can     abilities
}

// needUmoci skips on a machine without umoci; in CI that is a failure.
func needUmoci(t *testing.T) *umoci {
	t.Helper()
	program, err := exec.LookPath("umoci")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("umoci is not installed (Debian package umoci)")
		}
		t.Skip("umoci is not installed (Debian package umoci)")
	}
	u := &umoci{program: program, can: abilities{root: os.Geteuid() == 0, xattr: true}}
	probe := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(probe, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tries := map[string]error{"user xattrs": unix.Setxattr(probe, "user.a", []byte("x"), 0)}
	if u.can.root {
		tries["capabilities"] = unix.Setxattr(probe, "security.capability", []byte(capability(1)), 0)
		tries["devices"] = unix.Mknod(probe+"-dev", unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3)))
		tries["owners"] = os.Lchown(probe, 1<<32-2, 3_000_000)
	}
	for what, err := range tries {
		switch {
		case err == nil:
		case os.Getenv("CI") != "":
			t.Fatalf("no %s in %s: %v", what, t.TempDir(), err)
		case what == "user xattrs":
			u.can.xattr = false
			t.Logf("no %s in %s (%v): none are generated", what, t.TempDir(), err)
		default:
			t.Skipf("root, but no %s in %s: %v", what, t.TempDir(), err)
		}
	}
	return u
}

// needRoot skips where umoci cannot set owners and make devices.
func (u *umoci) needRoot(t *testing.T) {
	t.Helper()
	if u.can.root {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("owners and devices need root")
	}
	t.Skip("owners and devices need root")
}

// unpack is umoci's view of an image that it must take.
func (u *umoci) unpack(t testing.TB, img v1.Image) view {
	t.Helper()
	v, err := u.tryUnpack(t, img)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// tryUnpack is umoci's view of an image, or its refusal. The command "raw
// unpack" makes no runtime configuration.
func (u *umoci) tryUnpack(t testing.TB, img v1.Image) (view, error) {
	t.Helper()
	dir := t.TempDir()
	image, root := filepath.Join(dir, "image"), filepath.Join(dir, "root")
	defer func() {
		if err := os.RemoveAll(image); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	}()
	p, err := layout.Write(image, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "latest"})); err != nil {
		t.Fatal(err)
	}
	args := []string{"raw", "unpack", "--image", image + ":latest"}
	if !u.can.root {
		args = append(args, "--rootless")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, u.program, append(args, root)...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("umoci has not unpacked the image within a minute\n%s", out)
	}
	if err != nil {
		return nil, fmt.Errorf("umoci %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return viewOfDir(t, root), nil
}

// ours is the view of layers.Open.
func ours(t testing.TB, img v1.Image) view {
	t.Helper()
	tree, err := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	return viewOfTree(t, tree)
}

// exclusions are all the facts that are not compared with umoci's.
func (u *umoci) exclusions(dirTimes bool) []exclusion {
	list := []exclusion{
		{
			"mode of a symlink", "Linux has none",
			func(field, _ string, ours, _ fact) bool { return field == "mode" && ours.kind == layers.Symlink },
		},
		{
			"mtime of an unlisted directory", "umoci leaves the time of unpacking",
			func(field, path string, ours, _ fact) bool {
				return field == "mtime of a directory" && ours.implied && path != "/"
			},
		},
	}
	if !dirTimes {
		list = append(list, exclusion{
			"mtime of a directory of an unordered stack", "umoci does not restore it when it makes an unlisted directory, or removes, in it out of order",
			func(field, _ string, _, _ fact) bool { return field == "mtime of a directory" },
		})
	}
	if !u.can.root {
		list = append(list, exclusion{
			"owner without root", "umoci --rootless unpacks all as the user",
			func(field, _ string, _, _ fact) bool { return field == "owner" },
		})
	}
	return list
}
