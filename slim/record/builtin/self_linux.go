package builtin

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

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
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, err
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
