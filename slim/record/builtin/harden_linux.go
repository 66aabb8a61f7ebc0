package builtin

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// harden takes from this thread what the hardened conditions deny.
func (p program) harden() error {
	if p.Hardened == nil {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	prog := denyProgram(capMask(p.Hardened.Caps))
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(prog)
	if errno != 0 {
		return fmt.Errorf("installing the filter of the hardened conditions: %w", errno)
	}
	return nil
}

// denied are the calls that docker's default profile (moby,
// profiles/seccomp/default.json) refuses with EPERM, by the capability that
// would allow them; under -1 those that none does. It lists what is allowed,
// this what is not: calls that a later kernel brings are refused there, and
// not here. Calls of another architecture (32-bit programs on x86-64) are not
// looked at.
var denied = map[int][]uint32{
	-1: slices.Concat(deniedHere, []uint32{
		unix.SYS_ADD_KEY, unix.SYS_KEYCTL, unix.SYS_REQUEST_KEY, unix.SYS_MOVE_PAGES, unix.SYS_NFSSERVCTL, unix.SYS_USERFAULTFD,
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_SWAPON, unix.SYS_SWAPOFF,
	}),
	unix.CAP_SYS_ADMIN: {
		unix.SYS_FANOTIFY_INIT, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSOPEN, unix.SYS_FSPICK, unix.SYS_LOOKUP_DCOOKIE,
		unix.SYS_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_PIVOT_ROOT, unix.SYS_QUOTACTL,
		unix.SYS_QUOTACTL_FD, unix.SYS_SETDOMAINNAME, unix.SYS_SETHOSTNAME, unix.SYS_SETNS, unix.SYS_UMOUNT2, unix.SYS_UNSHARE,
	},
	unix.CAP_BPF:             {unix.SYS_BPF},
	unix.CAP_PERFMON:         {unix.SYS_PERF_EVENT_OPEN},
	unix.CAP_DAC_READ_SEARCH: {unix.SYS_OPEN_BY_HANDLE_AT},
	unix.CAP_SYS_BOOT:        {unix.SYS_REBOOT, unix.SYS_KEXEC_LOAD},
	unix.CAP_SYS_CHROOT:      {unix.SYS_CHROOT},
	unix.CAP_SYS_MODULE:      {unix.SYS_DELETE_MODULE, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE},
	unix.CAP_SYS_PACCT:       {unix.SYS_ACCT},
	unix.CAP_SYS_TIME:        {unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME},
	unix.CAP_SYS_TTY_CONFIG:  {unix.SYS_VHANGUP},
	unix.CAP_SYS_NICE:        {unix.SYS_GET_MEMPOLICY, unix.SYS_MBIND, unix.SYS_SET_MEMPOLICY},
	unix.CAP_SYSLOG:          {unix.SYS_SYSLOG},
}

// Offsets into struct seccomp_data (linux/seccomp.h).
const (
	dataNr   = 0
	dataArch = 4
	dataArg0 = 16 // its lower half, on machines that are little-endian
)

// What an instruction returns.
const (
	allow   = unix.SECCOMP_RET_ALLOW
	refuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// denyProgram is the filter, for a program with these capabilities.
func denyProgram(caps uint64) []unix.SockFilter {
	arch, ok := auditArch[runtime.GOARCH]
	prog := []unix.SockFilter{load(dataArch), jump(unix.BPF_JEQ, arch, 1, 0), ret(allow), load(dataNr)}
	if !ok {
		return []unix.SockFilter{ret(allow)}
	}
	for _, c := range slices.Sorted(maps.Keys(denied)) {
		if c >= 0 && caps&(1<<c) != 0 {
			continue
		}
		for _, nr := range denied[c] {
			prog = append(prog, jump(unix.BPF_JEQ, nr, 0, 1), ret(refuse))
		}
	}
	if caps&(1<<unix.CAP_SYS_ADMIN) == 0 {
		// What clone3 is asked for a filter cannot see: libc then uses clone.
		prog = append(prog, jump(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1), ret(unknown))
		prog = append(prog, jump(unix.BPF_JEQ, unix.SYS_CLONE, 0, 4), load(dataArg0),
			jump(unix.BPF_JSET, newNamespaces, 0, 1), ret(refuse), ret(allow))
	}
	prog = append(prog, argument(unix.SYS_SOCKET, unix.AF_VSOCK)...)
	return append(prog, ret(allow))
}

// argument refuses a call whose first argument is value.
func argument(nr, value uint32) []unix.SockFilter {
	return []unix.SockFilter{
		jump(unix.BPF_JEQ, nr, 0, 4), load(dataArg0),
		jump(unix.BPF_JEQ, value, 0, 1), ret(refuse), ret(allow),
	}
}

var auditArch = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func jump(op uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: yes, Jf: no, K: k}
}

func ret(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
