//go:build amd64 || arm64

package sensor

import (
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// permitted says whether a process may change what it is about to change. It
// is a guess from modes, owners and read-only mounts, good enough to tell
// Python's attempt to write beside its modules from state that is written:
// an access list, whatever it says, counts as a permission.
func (w *reader) permitted(n *notification, p place, kinds kindSet, f *found) bool {
	s, err := w.status(n.pid)
	if err != nil {
		return true
	}
	fd := f.fd
	if kinds&(kCreate|kDelete|kRename) != 0 || fd < 0 {
		// A name is made or removed: its directory changes.
		if fd, err = w.openPath(p.root.fd, path.Dir(path.Clean(p.path)), true, 0); err != nil {
			return true
		}
		defer unix.Close(fd)
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0 && !device(fd) {
		return false
	}
	return s.capable(unix.CAP_DAC_OVERRIDE) || w.mayWrite(&s, fd)
}

// device says that writing goes elsewhere than into the file system.
func device(fd int) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK:
		return true
	}
	return false
}

func (w *reader) mayWrite(s *status, fd int) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || w.xattr(fd, "system.posix_acl_access") {
		return true
	}
	switch fsuid, fsgid := s.uid[3], s.gid[3]; {
	case st.Uid == fsuid:
		return true // what it may not write it may chmod
	case st.Gid == fsgid || slices.Contains(s.groups, int(st.Gid)):
		return st.Mode&unix.S_IWGRP != 0
	}
	return st.Mode&unix.S_IWOTH != 0
}
