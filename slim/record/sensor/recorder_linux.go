//go:build amd64 || arm64

package sensor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
)

// Recorder answers the notifications of one process tree: it looks at what
// each call names, and lets it go on.
type Recorder struct {
	listener *os.File
	options  RecorderOptions
	proc     int // the sensor's own /proc
	openat2  bool

	started atomic.Bool
	begun   time.Time // when recording began; read after started
	base    root      // of the first program
	level   int       // of pid namespaces: where in NSpid the container is
	uids    []idRange // of the first program's user namespace
	gids    []idRange
	baseDir string // where its root is for the sensor; "" for / and for another mount namespace
	// ownRoots says that some process may have another root than the first.
	ownRoots atomic.Bool

	store
	executables
	switching

	// How many readers there are, how many of them look at a call, and how
	// many calls were looked at: for reinforce.
	readers, busy atomic.Int32
	handled       atomic.Int64
	over          atomic.Bool
	threads       sync.Map // tid of each reader
	wg            sync.WaitGroup
	failure       atomic.Pointer[error]
}

// The bounds of readers: a call may wait for another one of the tree (a path
// in a file system that one of its programs serves through FUSE).
const (
	maxReaders     = 128
	reinforceAfter = 50 * time.Millisecond
)

// NewRecorder takes over a listener that [Receive] returned. Nothing is
// answered before [Recorder.Run].
func NewRecorder(listener *os.File, o RecorderOptions) (*Recorder, error) {
	proc, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = mustBeProc(proc)
	}
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("opening /proc, through which the recorder sees what a path means: %w; mount it", err)
	}
	if o.Readers <= 0 {
		o.Readers = 1
	}
	if !o.Async {
		syncWakeUp(listener.Fd())
	}
	r := &Recorder{listener: listener, options: o, proc: proc, openat2: knowsOpenat2(), base: root{fd: -1}}
	r.store.init(o)
	r.executables.init()
	return r, nil
}

func mustBeProc(fd int) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	if st.Type != unix.PROC_SUPER_MAGIC {
		return errors.New("it is not the file system proc")
	}
	return nil
}

// Run answers until the last process of the tree is gone, and closes the
// listener. When ctx ends first, what still runs of the tree gets ENOSYS from
// every notified call: end the tree instead.
func (r *Recorder) Run(ctx context.Context) error {
	defer r.close()
	for range r.options.Readers {
		r.addReader()
	}
	end := make(chan error, 1)
	go func() { end <- r.awaitEnd() }()
	tick := time.NewTicker(reinforceAfter)
	defer tick.Stop()
	last := int64(-1)
	for {
		select {
		case err := <-end:
			return errors.Join(err, r.failed())
		case <-ctx.Done():
			r.over.Store(true)
			<-end
			return ctx.Err()
		case <-tick.C:
			last = r.reinforce(last)
		}
	}
}

// awaitEnd returns when nobody can send notifications any more.
func (r *Recorder) awaitEnd() error {
	p := []unix.PollFd{{Fd: int32(r.listener.Fd())}} // POLLHUP comes unasked
	for !r.over.Load() {
		n, err := unix.Poll(p, 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for the recorded programs to end: %w", err)
		}
		if n > 0 && p[0].Revents != 0 {
			return nil
		}
	}
	return nil
}

// reinforce adds a reader when all of them have been at the same calls since
// the last time.
func (r *Recorder) reinforce(last int64) int64 {
	now := r.handled.Load()
	if n := r.readers.Load(); now == last && n < maxReaders && r.busy.Load() >= n {
		r.addReader()
	}
	return now
}

// close ends the readers, which a kernel before 6.11 leaves waiting although
// nothing can come any more.
func (r *Recorder) close() {
	r.over.Store(true)
	gone := make(chan struct{})
	go func() { r.wg.Wait(); close(gone) }()
	pid := os.Getpid()
	for wait := true; wait; {
		r.threads.Range(func(tid, _ any) bool {
			_ = unix.Tgkill(pid, tid.(int), unix.SIGURG) // the Go runtime takes it as nothing
			return true
		})
		select {
		case <-gone:
			wait = false
		case <-time.After(10 * time.Millisecond):
		}
	}
	r.settleUsers()
	r.finish()
	r.listener.Close()
	unix.Close(r.proc)
	if r.base.fd >= 0 {
		unix.Close(r.base.fd)
	}
}

func (r *Recorder) failed() error {
	if e := r.failure.Load(); e != nil {
		return *e
	}
	return nil
}

// addReader starts a thread that answers.
func (r *Recorder) addReader() {
	r.readers.Add(1)
	r.wg.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tid := unix.Gettid()
		r.threads.Store(tid, nil)
		defer r.threads.Delete(tid)
		if err := r.read(); err != nil {
			r.failure.CompareAndSwap(nil, &err)
		}
	})
}

// read answers notifications until the end.
func (r *Recorder) read() error {
	var (
		w  = &reader{Recorder: r, listener: r.listener.Fd(), path: make([]byte, 0, pathMax)}
		n  notification
		to response
	)
	for !r.over.Load() {
		switch errno := n.receive(w.listener); errno {
		case 0:
		case unix.EINTR, unix.ENOENT: // ENOENT: the process died just now, or all have
			continue
		default:
			return fmt.Errorf("receiving a notification: %w", errno)
		}
		r.busy.Add(1)
		to = response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if errno := w.handle(&n); errno != 0 {
			to.flags, to.error = 0, -int32(errno)
		}
		r.handled.Add(1)
		r.busy.Add(-1)
		if errno := to.send(w.listener); errno != 0 && errno != unix.ENOENT {
			return fmt.Errorf("answering a notification: %w", errno)
		}
	}
	return nil
}

// Snapshot is what was recorded so far: one session; Image is not filled in.
// It may be called at any time.
func (r *Recorder) Snapshot() *profile.Profile { return r.profile() }
