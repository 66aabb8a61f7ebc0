//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// capNames are capabilities by number, from linux/capability.h.
var capNames = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
	LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
	SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
	AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON
	BPF CHECKPOINT_RESTORE`)

// boundCaps takes capabilities, by name without CAP_, from the bounding set of
// the calling thread, so that no program gets them back. Without the right to
// shrink it (SETPCAP) no_new_privs does that, under which setuid programs gain
// nothing either.
func boundCaps(names []string) error {
	for _, name := range names {
		nr := capNumber(name)
		if nr < 0 {
			return fmt.Errorf("dropping the recorder's capabilities: %s is none that this pare knows", printable(name))
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(nr), 0, 0, 0); errors.Is(err, unix.EPERM) {
			err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
			if err != nil {
				return fmt.Errorf("keeping the recorder's capabilities from the program: %w; add SETPCAP", err)
			}
		}
	}
	return nil
}

// dropCaps takes capabilities that boundCaps knows from the other sets of the
// calling thread: those that were given to the recorder only.
func dropCaps(names []string) error {
	if len(names) == 0 {
		return nil
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&hdr, &sets[0]); err != nil {
		return fmt.Errorf("reading capabilities: %w", err)
	}
	for _, name := range names {
		nr := capNumber(name)
		_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_LOWER, uintptr(nr), 0, 0)
		s, bit := &sets[nr/32], uint32(1)<<(nr%32)
		s.Effective &^= bit
		s.Permitted &^= bit
		s.Inheritable &^= bit
	}
	if err := unix.Capset(&hdr, &sets[0]); err != nil {
		return fmt.Errorf("dropping the recorder's capabilities: %w", err)
	}
	return nil
}

func capNumber(name string) int {
	name = strings.TrimPrefix(strings.ToUpper(name), "CAP_")
	for i, n := range capNames {
		if n == name {
			return i
		}
	}
	return -1
}
