//go:build amd64 || arm64

package sensor

import (
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
)

// reader looks at notifications, one at a time; its buffers are its own.
type reader struct {
	*Recorder
	listener uintptr
	path     []byte // what was read of the process
	link     [pathMax]byte
	name     [64]byte // of a file in /proc
	call     *call
}

// handle looks at a call. The result is 0 for one that shall go on, else what
// it fails with.
func (w *reader) handle(n *notification) syscall.Errno {
	if n.arch != nativeArch || n.nr >= x32 {
		w.find(FindingForeignABI, w.executable(n.pid))
		w.lose()
		return unix.ENOSYS
	}
	if n.nr < 0 || n.nr >= maxNr {
		return 0
	}
	c := table().notified[n.nr]
	if !w.started.Load() {
		if c == nil || c.name != "execve" && c.name != "execveat" {
			return 0 // the stub's own
		}
		w.begin(n)
	}
	w.used(int(n.nr))
	if w.waiting.Load() > 0 && (c == nil || !c.identity) {
		w.switched(n.pid)
	}
	if c == nil {
		return 0
	}
	w.call = c
	if c.refused {
		w.find(FindingIOUring, w.executable(n.pid))
		return unix.ENOSYS
	}
	if c.special != nil {
		c.special(w, n)
	} else {
		w.plain(n, c)
	}
	if c.own {
		w.ownRoots.Store(true)
	}
	if c.privileged {
		w.privilege(profile.Privilege{Kind: profile.CapCall, Path: c.name})
	}
	return 0
}

// plain records the paths of a call. Where the first of two is not there,
// the call fails and changes nothing.
func (w *reader) plain(n *notification, c *call) {
	whole, moved := true, (func(*found))(nil)
	if strings.HasPrefix(c.name, "rename") {
		moved = w.relinked
	}
	for _, p := range c.paths {
		kinds := p.kinds
		if !whole {
			kinds &^= kChanges
			p.target = false
		}
		whole = w.recordWith(n, p, kinds, moved) != missing
	}
	if strings.HasPrefix(c.name, "symlink") {
		w.forgetSeen()
	}
}

// relinked is for a name that moves: as a link it takes others along.
func (w *reader) relinked(f *found) {
	var st unix.Stat_t
	if f.fd >= 0 && unix.Fstat(f.fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		w.forgetSeen()
	}
}

// begin is the first program's execve: what was before is the stub's.
func (w *reader) begin(n *notification) {
	w.mu.Lock()
	if w.begun.IsZero() {
		w.begun = time.Now()
		w.beginProcess(n)
	}
	w.mu.Unlock()
	w.exeMu.Lock()
	w.byPID[n.pid] = running{at: time.Now()} // the stub is nobody
	w.exeMu.Unlock()
	if !w.started.Swap(true) && w.options.Started != nil {
		w.options.Started()
	}
}
