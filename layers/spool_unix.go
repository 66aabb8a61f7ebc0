//go:build unix

package layers

import "os"

// unlinkOpen takes away the name of an open file; its bytes live until it is
// closed, also by a crash.
func unlinkOpen(f *os.File) error {
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return err
	}
	return nil
}
