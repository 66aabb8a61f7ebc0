//go:build amd64 || arm64

package sensor

import (
	"sync"
	"sync/atomic"

	"github.com/pare-image/pare/slim/profile"
)

// switching remembers which threads were about to switch users. What came of
// it, and which group they took afterwards, their next call shows.
type switching struct {
	userMu  sync.Mutex
	pending map[uint32]profile.User // what they asked for
	waiting atomic.Int32            // len(pending), for who has no time to lock
}

// switches is for a thread that asks to become u.
func (w *reader) switches(pid uint32, u profile.User) {
	w.userMu.Lock()
	defer w.userMu.Unlock()
	if w.pending == nil {
		w.pending = map[uint32]profile.User{}
	}
	if len(w.pending) >= maxList {
		return
	}
	w.pending[pid] = u
	w.waiting.Store(int32(len(w.pending)))
}

// switched looks at who a thread has become, if it was about to switch.
func (w *reader) switched(pid uint32) {
	w.userMu.Lock()
	_, ok := w.pending[pid]
	delete(w.pending, pid)
	w.waiting.Store(int32(len(w.pending)))
	w.userMu.Unlock()
	if !ok {
		return
	}
	if s, err := w.status(pid); err == nil {
		w.user(profile.User{UID: int(inside(w.uids, s.uid[1])), GID: int(inside(w.gids, s.gid[1]))})
	}
}

// settleUsers takes those at their word that made no call since.
func (r *Recorder) settleUsers() {
	r.userMu.Lock()
	defer r.userMu.Unlock()
	for _, u := range r.pending {
		r.user(u)
	}
	clear(r.pending)
}
