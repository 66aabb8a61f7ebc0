//go:build unix

package layers

import (
	"os"
	"syscall"
)

// unlinkOpen takes away the name of an open file; its bytes live until it is
// closed, also by a crash.
func unlinkOpen(f *os.File) error {
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return err
	}
	return nil
}

// ownedByUser says that a file belongs to who runs this process.
func ownedByUser(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
