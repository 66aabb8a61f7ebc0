//go:build linux && (amd64 || arm64)

package sensor

import (
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	// A path that lies in a page which another thread fills, some time after
	// it was first looked at, and not without a recorded call of its own.
	programs["late page"] = func(args []string) {
		const (
			uffdAPI, uffdRegister, uffdCopy = 0xc018aa3f, 0xc020aa00, 0xc028aa03 // ioctls of linux/userfaultfd.h
			modeMissing                     = 1
		)
		uffd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
		ioctl := func(nr uintptr, arg unsafe.Pointer) {
			if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uffd, nr, uintptr(arg)); errno != 0 {
				must(errno)
			}
		}
		if errno != 0 {
			must(errno)
		}
		size := os.Getpagesize()
		page, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		must(err)
		at := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(page))))
		ioctl(uffdAPI, unsafe.Pointer(&[3]uint64{0xaa}))
		ioctl(uffdRegister, unsafe.Pointer(&[4]uint64{at, uint64(size), modeMissing}))
		go func() {
			time.Sleep(300 * time.Millisecond)
			_, _ = os.Stat(args[0] + "/filler")
			full := make([]byte, size)
			copy(full, args[0]+"/late")
			from := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(full))))
			ioctl(uffdCopy, unsafe.Pointer(&[5]uint64{at, from, uint64(size)}))
			runtime.KeepAlive(full)
		}()
		_, _, errno = unix.Syscall(unix.SYS_CHDIR, uintptr(at), 0, 0)
		mustErr(errno, unix.ENOENT)
	}
}

// TestLatePage, with one processor for the sensor.
func TestLatePage(t *testing.T) {
	needRoot(t)
	d := openDir(t)
	p := recorded(t, supervised{env: []string{"GOMAXPROCS=1"}, prefix: []string{"timeout", "-s", "KILL", "20"}}, "late page", d)
	for _, name := range []string{"late", "filler"} {
		if lookup(p, d+"/"+name) == nil {
			t.Errorf("%s was not recorded", name)
		}
	}
}
