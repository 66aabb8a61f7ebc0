//go:build linux

package builtin

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A file in memory that is busy is sealed when it no longer is, and never
// passes for sealed before.
func TestSealWaits(t *testing.T) {
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, 4096); err != nil {
		t.Fatal(err)
	}
	busy, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	if err := seal(fd, 50*time.Millisecond); !errors.Is(err, unix.EBUSY) {
		t.Fatalf("got %v, want EBUSY", err)
	}
	done := make(chan error, 1)
	go func() { done <- seal(fd, time.Minute) }()
	select {
	case err := <-done:
		t.Fatalf("sealed while busy: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := unix.Munmap(busy); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(fd, []byte("x")); !errors.Is(err, unix.EPERM) {
		t.Errorf("writing: got %v, want EPERM", err)
	}
}
