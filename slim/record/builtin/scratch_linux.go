package builtin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The directories of this package have these names, and a lock (flock(2) on
// the directory itself) that their users hold: what is not locked is dead.
const (
	runPrefix  = "pare-run-"  // one container
	treePrefix = "pare-tree-" // one image's files
)

// scratch is a directory of ours, locked.
type scratch struct {
	path string
	lock *os.File
}

// newScratch makes and locks a directory in base.
func newScratch(base, prefix string) (*scratch, error) {
	for range 100 {
		path, err := os.MkdirTemp(base, prefix)
		if err != nil {
			return nil, fmt.Errorf("making a directory for a container (TMPDIR names another place): %w", err)
		}
		path, err = filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		// Another process may reap it before it is locked: then once more.
		s, err := lockScratch(path)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
	}
	return nil, fmt.Errorf("making a directory in %s: they vanish", base)
}

// lockScratch locks a directory that nobody uses.
func lockScratch(path string) (*scratch, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	var held, there unix.Stat_t
	err = errors.Join(unix.Fstat(int(f.Fd()), &held), unix.Lstat(path, &there))
	if err == nil && held.Ino != there.Ino {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &scratch{path: path, lock: f}, nil
}

// remove removes the directory with all that is in it. Files that a
// container's users own are removed by one who may.
func (s *scratch) remove(id identity) error {
	defer s.lock.Close()
	err := os.RemoveAll(s.path)
	if err == nil || id.footing == asRoot {
		return err
	}
	cmd, err := launch{role: roleRemove, args: []string{s.path}, id: id, dir: "/"}.start()
	if err != nil {
		return err
	}
	cmd.Wait()
	return os.RemoveAll(s.path) // nothing any more, or the reason why not
}

func removeMain(args []string) int {
	if len(args) != 1 || os.RemoveAll(args[0]) != nil {
		return 1
	}
	return 0
}

// reap removes what earlier runs of this user, ended by SIGKILL or a loss of
// power, left in dir. [Engine.Start] does it once.
func reap(dir string, id identity) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking for what earlier runs left: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), runPrefix) && !strings.HasPrefix(e.Name(), treePrefix) {
			continue
		}
		if info, err := e.Info(); err != nil || !info.IsDir() || !owned(info) {
			continue
		}
		s, err := lockScratch(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // in use, or gone
		}
		killRecorded(s.path)
		errs = append(errs, s.remove(id))
	}
	return errors.Join(errs...)
}

func owned(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == unix.Geteuid()
}

// The file in which a stage notes the container's first process, should the
// stage itself be killed: PID and start time (field 22 of proc_pid_stat(5)).
const firstPIDFile = "first"

func recordFirst(dir string, pid int) error {
	return os.WriteFile(filepath.Join(dir, firstPIDFile), []byte(strconv.Itoa(pid)+" "+startTime(pid)), 0o600)
}

// killRecorded ends a first process, and with it all of its pid namespace.
func killRecorded(dir string) {
	raw, err := readBounded(filepath.Join(dir, firstPIDFile))
	if err != nil {
		return
	}
	word, start, _ := strings.Cut(string(raw), " ")
	pid, err := strconv.Atoi(word)
	if err != nil || pid <= 1 || start == "" {
		return
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if startTime(pid) == start { // after the open: it is this one, not a later
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 5000)
	}
}

func startTime(pid int) string {
	raw, err := readBounded(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(raw[max(0, strings.LastIndexByte(string(raw), ')')):]), " ")
	words := strings.Fields(rest)
	if len(words) < 20 {
		return ""
	}
	return words[19]
}
