// Package testroot gives tests the files of a real Debian system. mmdebstrap
// makes them once; they stay in the user's cache directory.
package testroot

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/internal/testimage"
)

// suite is pinned, so that a test sees the same kind of system everywhere.
const suite = "bookworm"

// patience is how long mmdebstrap may take; on two cores it takes half a
// minute.
const patience = 10 * time.Minute

// Debian returns the name of a tar with a minimal Debian system. Where none
// can be made, the test skips with the reason; in CI it fails.
func Debian(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: a real system takes half a minute")
	}
	name, err := debian(t)
	if err == nil {
		return name
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("making a Debian root: %v", err)
	}
	t.Skipf("making a Debian root: %v", err)
	return ""
}

func debian(t testing.TB) (string, error) {
	dir, err := workDir()
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "debian-"+suite+".tar")
	unlock, err := lock(name + ".lock") // tests of several packages run at once
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	program, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	part := name + ".part.tar" // mmdebstrap goes by the name's end
	defer os.Remove(part)
	cmd := exec.CommandContext(ctx, program, "--variant=minbase", suite, part)
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mmdebstrap (within %v): %w: %w\n%s", patience, err, ctx.Err(), tail(out))
	}
	return name, os.Rename(part, name)
}

// workDir is where testdata/run keeps what tests build, too.
func workDir() (string, error) {
	dir := os.Getenv("PARE_WORK")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "pare-test")
	}
	return dir, os.MkdirAll(dir, 0o755)
}

func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	// The holder is bounded by patience, and the kernel frees the lock of one
	// that dies.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }

// Image is that system as an image of one layer, uncompressed and read from
// the file.
func Image(t testing.TB) v1.Image {
	t.Helper()
	name := Debian(t)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	digest, size, err := v1.SHA256(f)
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, &fileLayer{name, digest, size})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// fileLayer is a tar as it lies on the disk.
type fileLayer struct {
	name   string
	digest v1.Hash
	size   int64
}

func (l *fileLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *fileLayer) DiffID() (v1.Hash, error)             { return l.digest, nil }
func (l *fileLayer) Size() (int64, error)                 { return l.size, nil }
func (l *fileLayer) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
func (l *fileLayer) Compressed() (io.ReadCloser, error)   { return os.Open(l.name) }
func (l *fileLayer) Uncompressed() (io.ReadCloser, error) { return os.Open(l.name) }
