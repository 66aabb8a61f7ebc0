//go:build linux

package sensor

import "golang.org/x/sys/unix"

const (
	nativeArch  = unix.AUDIT_ARCH_X86_64
	addressBits = 1<<64 - 1
)
