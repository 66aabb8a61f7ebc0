//go:build linux

package sensor

import "golang.org/x/sys/unix"

const (
	nativeArch = unix.AUDIT_ARCH_AARCH64
	// The top byte of an address is a tag that the kernel ignores.
	addressBits = 1<<56 - 1
)
