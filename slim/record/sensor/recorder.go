package sensor

import (
	"errors"
	"time"
)

// What a caller tells apart.
var (
	// ErrUnsupported says that this kernel, or what stands for one, cannot
	// notify; the text has what remains.
	ErrUnsupported = errors.New("recording is not possible here")
	// ErrNotStarted says that the child ended, or failed, before its filter
	// was in place.
	ErrNotStarted = errors.New("the program was not started under the recorder")
)

// ChildCommand is the first argument with which [Supervise] executes its own
// program again; main must then call [Child] with the rest.
const ChildCommand = "sensor-child"

// FilterOptions say what [Enter] has the kernel ask about.
type FilterOptions struct {
	// Syscalls asks about every system call, not only those that name a path:
	// each then costs some microseconds.
	Syscalls bool
}

// Info is what the child half tells the parent half.
type Info struct {
	// NoNewPrivs says that the filter needed no_new_privs, so that setuid
	// programs and file capabilities gain nothing below it.
	NoNewPrivs bool
	// WaitKillable says that signals do not interrupt a call that is being
	// looked at (Linux 5.19).
	WaitKillable bool
}

// RecorderOptions go with a listener.
type RecorderOptions struct {
	Info     Info // what Receive returned
	Syscalls bool // as given to Enter: names go into the session
	Engine   string
	// Readers is how many threads answer; 0 chooses.
	Readers int
	// Async has the recorder leave synchronous wake-ups alone (Linux 6.6):
	// for measuring.
	Async bool
	// Started, when not nil, is called once, when the first program is about
	// to be executed and recording begins.
	Started func()
}

// Support is what this kernel can do for a recording.
type Support struct {
	Kernel       string // release
	Notify       bool   // seccomp user notification, Linux 5.0
	Continue     bool   // ... that lets the call go on, 5.5
	WaitKillable bool   // 5.19
	SyncWakeUp   bool   // 6.6
	Openat2      bool   // 5.6
	// Why says what is missing and what to do instead; "" when recording works.
	Why string
}

// OK says that recording works.
func (s Support) OK() bool { return s.Why == "" }

// remains is what can be done where the kernel cannot notify.
const remains = "record on a Linux host of kernel 5.5 or later (pare instrument makes an image that records itself there), or import a trace (pare profile import; docs/profile.md)"

// defaultFlush is how often a directory gets the profile so far.
const defaultFlush = 5 * time.Second
