package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
)

// scratchLock is a file in a scratch directory that is locked while its run
// lives: the kernel lets go of it however the run ends.
const scratchLock = "lock"

// scratchName is what os.MkdirTemp makes of "pare-*".
var scratchName = regexp.MustCompile(`^pare-[0-9]+$`)

// tempDir makes a directory for scratch files; remove takes it away. What
// killed runs left goes first.
func tempDir() (dir string, remove func(), err error) {
	pruneScratch() //nolint:errcheck // another's leftovers are no reason to fail; pare cache prune says why
	dir, err = os.MkdirTemp("", "pare-*")
	if err != nil {
		return "", func() {}, err
	}
	lock, err := lockScratch(dir)
	if err != nil {
		os.RemoveAll(dir)
		return "", func() {}, err
	}
	return dir, func() { os.RemoveAll(dir); lock.Close() }, nil
}

// lockScratch gives the lock its name once it is held, so that nobody finds it free.
func lockScratch(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return f, nil // a file system without locks: not named, so never taken for dead
	}
	return f, os.Rename(f.Name(), filepath.Join(dir, scratchLock))
}

// pruneScratch removes what killed runs of this user left, and counts it.
func pruneScratch() (n int, err error) {
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, e := range entries {
		dir := filepath.Join(os.TempDir(), e.Name())
		if !scratchName.MatchString(e.Name()) || !deadScratch(dir) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			errs = append(errs, err)
			continue
		}
		n++
	}
	return n, errors.Join(errs...)
}

// deadScratch says whether dir is this user's and its lock can be taken.
func deadScratch(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return false
	}
	f, err := os.OpenFile(filepath.Join(dir, scratchLock), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
