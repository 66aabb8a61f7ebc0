package builtin

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/layers"
)

// packed is one file on its way to the process that writes it; a regular
// file's content follows as it is. A path of "" is the end.
type packed struct {
	Path   string
	Header layers.Header
	LinkTo string
}

// unpacked is what that process answers.
type unpacked struct {
	Err     string
	Foreign int // owners that could not be set
	Lost    int // attributes and devices that could not be made
}

// unpackMain writes the files that it is sent, below its working directory.
// That becomes its root: no name and no link of the image leads out of it.
func unpackMain([]string) int {
	c, err := fileConn(inherited(0))
	if err != nil {
		return 1
	}
	unix.Umask(0)
	var u unpacker
	if err = unix.Chroot("."); err == nil {
		err = u.all(bufio.NewReaderSize(c, 1<<20))
	}
	if err != nil {
		u.Err = err.Error()
	}
	if send(c, u.unpacked) != nil || err != nil {
		return 1
	}
	return 0
}

type unpacker struct {
	unpacked
	dirs []packed // whose times are set last
}

func (u *unpacker) all(r *bufio.Reader) error {
	in := gob.NewDecoder(r)
	buf := make([]byte, 256<<10)
	for {
		var p packed
		if err := in.Decode(&p); err != nil {
			return fmt.Errorf("reading the image's files: %w", err)
		}
		if p.Path == "" {
			break
		}
		if err := u.one(p, r, buf); err != nil {
			return fmt.Errorf("writing %q: %w", p.Path, err)
		}
	}
	for i := len(u.dirs) - 1; i >= 0; i-- {
		if err := u.finish(u.dirs[i]); err != nil {
			return fmt.Errorf("writing %q: %w", u.dirs[i].Path, err)
		}
	}
	return nil
}

func (u *unpacker) one(p packed, r io.Reader, buf []byte) error {
	if p.LinkTo != "" {
		return os.Link(p.LinkTo, p.Path)
	}
	h := &p.Header
	var err error
	switch h.Type {
	case layers.Directory:
		if p.Path != "/" {
			err = os.Mkdir(p.Path, 0o700)
		}
		u.dirs = append(u.dirs, p)
		return err
	case layers.Regular:
		err = writeFile(p, r, buf)
	case layers.Symlink:
		err = os.Symlink(h.Linkname, p.Path)
	default:
		err = unix.Mknod(p.Path, nodeType(h.Type)|0o600, int(unix.Mkdev(uint32(h.Major), uint32(h.Minor))))
		if errors.Is(err, unix.EPERM) { // devices of a user namespace
			u.Lost++
			return nil
		}
	}
	if err != nil {
		return err
	}
	return u.finish(p)
}

func writeFile(p packed, r io.Reader, buf []byte) error {
	f, err := os.OpenFile(p.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(r, p.Header.Size), buf)
	if end := f.Close(); err == nil {
		err = end
	}
	return err
}

func nodeType(t layers.Type) uint32 {
	switch t {
	case layers.CharDevice:
		return unix.S_IFCHR
	case layers.BlockDevice:
		return unix.S_IFBLK
	default:
		return unix.S_IFIFO
	}
}

// finish sets a file's owner, then what a change of owner takes away: mode
// and attributes; then its time.
func (u *unpacker) finish(p packed) error {
	h := &p.Header
	switch err := os.Lchown(p.Path, h.UID, h.GID); {
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM): // not mapped
		u.Foreign++
	case err != nil:
		return err
	}
	if h.Type != layers.Symlink {
		if err := unix.Chmod(p.Path, h.Mode&0o7777); err != nil {
			return err
		}
	}
	for name, value := range h.Xattrs {
		// Another file system than the image's, or another privilege: trusted.*
		// is for the machine's root, security.selinux for its policy.
		if unix.Lsetxattr(p.Path, name, []byte(value), 0) != nil && !strings.HasPrefix(name, "security.selinux") {
			u.Lost++
		}
	}
	return setTime(p.Path, h.ModTime)
}

func setTime(path string, t time.Time) error {
	if t.IsZero() {
		return nil
	}
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		return nil // a year that this machine's time does not reach
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}
