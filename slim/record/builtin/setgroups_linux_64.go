//go:build linux && !386 && !arm

package builtin

import "golang.org/x/sys/unix"

const sysSetgroups = unix.SYS_SETGROUPS
