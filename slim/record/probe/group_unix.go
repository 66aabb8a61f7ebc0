//go:build unix

package probe

import (
	"os/exec"
	"syscall"
)

// ownGroup has the end of cmd's context end what cmd started, too: a test
// suite is a shell and its children.
func ownGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
