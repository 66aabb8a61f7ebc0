package builtin

import (
	"fmt"

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
	return nil
}
