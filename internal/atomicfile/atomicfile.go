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

// special says that path is there, and no file or directory that another
// could take the place of: /dev/null, a terminal, a pipe with a name.
func special(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// Try finds out whether a file can be made at path, as the only sure way is.
// Of a device or pipe, opening it for writing will tell.
func Try(path string) error {
	if special(path) {
		return nil
	}
	f, err := create(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Replace makes path hold what fill writes, on disk, whole or not at all. A
// symlink at path is followed. What fill writes to a device or a pipe goes
// there as it comes: another file in its place would be the end of it.
func Replace(path string, fill func(*os.File) error) error {
	path, err := Resolve(path)
	if err != nil {
		return err
	}
	if special(path) {
		return pour(path, fill)
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

func pour(path string, fill func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Close())
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
