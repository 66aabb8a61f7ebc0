//go:build amd64 || arm64

package sensor

import (
	"bytes"
	"errors"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pathMax is PATH_MAX: longer paths fail in the kernel, whose count includes
// the NUL.
const pathMax = 4096

// What reading of a process can end with.
var (
	errDenied = errors.New("too little privilege to read the process")
	errGone   = errors.New("the process is gone")
	errFault  = errors.New("no such memory")
	errLong   = errors.New("longer than a path can be")
)

// fetch reads memory of a thread's process, as much as is there up to
// len(buf): what crosses into a page that is not mapped is cut. A page can take
// long to come, and from a program of the tree (FUSE, userfaultfd): the Go
// runtime must know that the thread waits, else no other reader gets a turn.
func (w *reader) fetch(pid uint32, addr uint64, buf []byte) (int, error) {
	local := unix.Iovec{Base: &buf[0]}
	local.SetLen(len(buf))
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(buf)}
	n, _, errno := unix.Syscall6(unix.SYS_PROCESS_VM_READV, uintptr(pid),
		uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EPERM, unix.ENOSYS: // a seccomp profile around may forbid it: ask another way
		return w.fetchMem(pid, addr, buf)
	case unix.ESRCH:
		return 0, errGone
	}
	return 0, errFault
}

func (w *reader) fetchMem(pid uint32, addr uint64, buf []byte) (int, error) {
	fd, err := unix.Openat(w.proc, string(w.procName(pid, "/mem")), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, reading(err)
	}
	defer unix.Close(fd)
	n, err := unix.Pread(fd, buf, int64(addr&(1<<56-1)))
	if err != nil || n == 0 {
		return 0, errFault
	}
	return n, nil
}

// reading sorts the errors of looking at a process through /proc.
func reading(err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return errDenied
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH):
		return errGone
	}
	return err
}

// readPath reads the NUL-terminated path at addr into w.path. Most are short:
// it reads a little first, and never over the end of a page in one go.
func (w *reader) readPath(pid uint32, addr uint64) error {
	const page = 4096
	addr &= addressBits
	w.path = w.path[:0]
	for chunk := 256; len(w.path) < pathMax; chunk = page {
		at := addr + uint64(len(w.path))
		size := min(chunk, page-int(at%page), pathMax-len(w.path))
		part := w.path[len(w.path) : len(w.path)+size]
		n, err := w.fetch(pid, at, part)
		if err != nil {
			return err
		}
		if i := bytes.IndexByte(part[:n], 0); i >= 0 {
			w.path = w.path[:len(w.path)+i]
			return nil
		}
		w.path = w.path[:len(w.path)+n]
	}
	return errLong
}

// procName is "PID/what", for use below w.proc.
func (w *reader) procName(pid uint32, what string) []byte {
	return append(strconv.AppendUint(w.name[:0], uint64(pid), 10), what...)
}

func (w *reader) procFD(pid uint32, fd int32) []byte {
	b := append(strconv.AppendUint(w.name[:0], uint64(pid), 10), "/fd/"...)
	return strconv.AppendInt(b, int64(fd), 10)
}

// readlink reads a link below /proc; the result is good until the next.
func (w *reader) readlink(name []byte) ([]byte, error) {
	name = append(name, 0)
	n, _, errno := unix.RawSyscall6(unix.SYS_READLINKAT, uintptr(w.proc), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(&w.link[0])), uintptr(len(w.link)), 0, 0)
	if errno != 0 {
		return nil, reading(errno)
	}
	return w.link[:n], nil
}

// file reads a small file below /proc.
func (w *reader) file(pid uint32, what string) ([]byte, error) {
	fd, err := unix.Openat(w.proc, string(w.procName(pid, what)), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, reading(err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 16<<10)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return nil, reading(err)
	}
	return buf[:n], nil
}

// status is what /proc/PID/status says, numbers as the sensor sees them.
type status struct {
	tgid       uint32
	uid, gid   [4]uint32 // real, effective, saved, file system
	capEff     uint64
	noNewPrivs bool
	nsTgid     []int // by pid namespace, from the sensor's inwards
	nsPid      []int
	groups     []int
}

func (w *reader) status(pid uint32) (status, error) {
	raw, err := w.file(pid, "/status")
	if err != nil {
		return status{}, err
	}
	var s status
	for line := range bytes.Lines(raw) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		f := numbers(value)
		switch {
		case len(f) == 0:
		case string(key) == "Tgid":
			s.tgid = uint32(f[0])
		case string(key) == "Uid" && len(f) == 4:
			s.uid = [4]uint32{uint32(f[0]), uint32(f[1]), uint32(f[2]), uint32(f[3])}
		case string(key) == "Gid" && len(f) == 4:
			s.gid = [4]uint32{uint32(f[0]), uint32(f[1]), uint32(f[2]), uint32(f[3])}
		case string(key) == "NStgid":
			s.nsTgid = f
		case string(key) == "Groups":
			s.groups = f
		case string(key) == "NSpid":
			s.nsPid = f
		case string(key) == "NoNewPrivs":
			s.noNewPrivs = f[0] == 1
		}
		if string(key) == "CapEff" {
			s.capEff, _ = strconv.ParseUint(string(bytes.TrimSpace(value)), 16, 64)
		}
	}
	return s, nil
}

func numbers(value []byte) []int {
	var out []int
	for f := range bytes.FieldsSeq(value) {
		n, err := strconv.Atoi(string(f))
		if err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}

func (s *status) capable(capability uint) bool { return s.capEff&(1<<capability) != 0 }

// idRange is a line of /proc/PID/uid_map or gid_map: a range of ids inside a
// user namespace and what they are outside.
type idRange struct{ inside, outside, count uint32 }

func idRanges(raw []byte) []idRange {
	var out []idRange
	for line := range bytes.Lines(raw) {
		if f := numbers(line); len(f) == 3 {
			out = append(out, idRange{uint32(f[0]), uint32(f[1]), uint32(f[2])})
		}
	}
	return out
}

// inside is an id as the container knows it.
func inside(rs []idRange, id uint32) uint32 {
	for _, r := range rs {
		if id-r.outside < r.count {
			return r.inside + id - r.outside
		}
	}
	return id
}

// knowsOpenat2 asks with an open that always works.
func knowsOpenat2() bool {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC})
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// xattr says whether an O_PATH descriptor's file has an attribute.
func (w *reader) xattr(fd int, attr string) bool {
	_, err := unix.Getxattr("/proc/self/fd/"+strconv.Itoa(fd), attr, nil)
	return err == nil || errors.Is(err, syscall.ERANGE)
}
