package reference

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// tempName is a name beside path that nobody has.
func tempName(path string) string {
	b := make([]byte, 6)
	rand.Read(b) // never fails
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".pare-"+hex.EncodeToString(b))
}

// createTemp makes a file beside path, with the mode that path would get.
func createTemp(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(tempName(path), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// replaceFile makes path hold what fill writes, whole or not at all.
func replaceFile(path string, fill func(*os.File) error) error {
	f, err := createTemp(path)
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
	syncDir(filepath.Dir(path))
	return nil
}

// syncDir makes a rename last. Not every file system can.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
