//go:build linux && (386 || arm)

package builtin

import "golang.org/x/sys/unix"

// The older call has 16 bits an id.
const sysSetgroups = unix.SYS_SETGROUPS32
