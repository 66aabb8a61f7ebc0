// Package atomicfile writes files that appear whole or not at all.
package atomicfile

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// TempName is a name beside path that nobody has.
func TempName(path string) string {
	b := make([]byte, 6)
	rand.Read(b) // never fails
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".pare-"+hex.EncodeToString(b))
}

// create makes a file beside path, with the mode that path would get.
func create(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(TempName(path), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// Try finds out whether a file can be made at path, as the only sure way is.
func Try(path string) error {
	f, err := create(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Replace makes path hold what fill writes, on disk, whole or not at all. A
// symlink at path is followed.
func Replace(path string, fill func(*os.File) error) error {
	path, err := Resolve(path)
	if err != nil {
		return err
	}
	f, err := create(path)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	SyncDir(filepath.Dir(path))
	return nil
}

// Resolve follows symlinks, so that a file is replaced and not the link to
// it. What does not exist is returned as it is.
func Resolve(path string) (string, error) {
	to, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return to, err
}

// SyncDir makes a rename last. Not every file system can.
func SyncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
