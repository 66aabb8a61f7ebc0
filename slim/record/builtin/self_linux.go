package builtin

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// aloft is where descriptors are put that must not be in the way of those a
// child is given, which begin at 3.
const aloft = 1000

// self is this program as a sealed file in memory. Were containers to run the
// file on the disk, /proc/PID/exe would let their root write into it
// (CVE-2019-5736).
var self = sync.OnceValues(copySelf)

func copySelf() (*os.File, error) {
	f, err := copyExecutable()
	if err != nil {
		return nil, fmt.Errorf("copying this program into memory: %w", err)
	}
	return f, nil
}

func copyExecutable() (*os.File, error) {
	src, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer src.Close()
	fd, err := unix.MemfdCreate("pare", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("pare", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (the sysctl vm.memfd_noexec must not be 2)", err)
	}
	low := os.NewFile(uintptr(fd), "pare")
	defer low.Close()
	if _, err := io.Copy(low, src); err != nil {
		return nil, err
	}
	if err := seal(fd, sealWait); err != nil {
		return nil, fmt.Errorf("sealing it: %w", err)
	}
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, aloft)
	if errors.Is(err, unix.EINVAL) { // ulimit -n is lower
		high, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 20)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(high), "pare"), nil
}

// sealWait bounds the wait for pages that the kernel still holds.
const sealWait = 10 * time.Second

// seal makes a file in memory unchangeable. The kernel refuses with EBUSY
// while it holds a page of what was just written (mm/memfd.c,
// memfd_wait_for_pins: it waits for 150 ms), which happens on a busy machine
// and passes; nothing tells when.
func seal(fd int, limit time.Duration) error {
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}
