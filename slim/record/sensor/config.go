// Package sensor records the path-taking system calls of a process tree
// through seccomp user notification, without a ptrace stop, a kernel module
// or a privileged container.
//
// Its parts, for two uses. Inside a container (docker, an instrumented image),
// [Supervise] does all: it is an init, starts the program under the filter,
// records, and writes the profile. An engine that makes the container itself
// calls [Enter] in the child, [Receive] and [NewRecorder] in the parent.
package sensor

import (
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// Config is what `pare sensor FILE [-- ARG...]` reads, as JSON.
type Config struct {
	// Argv is the program; arguments after "--" on the sensor's command line
	// are appended.
	Argv []string `json:"argv"`
	// Env is the program's environment; null: the sensor's own without PARE_*.
	Env []string `json:"env,omitempty"`
	// Dir is the working directory; "": the sensor's own.
	Dir string `json:"dir,omitempty"`
	// User, when not nil, is switched to before the program is executed.
	User *User `json:"user,omitempty"`
	// UserIfRoot says that only a sensor that is root switches: one that the
	// runtime started as somebody else was told whom to run the program as.
	UserIfRoot bool `json:"userIfRoot,omitempty"`
	// Drop are capabilities, by name without CAP_, that only the recorder was
	// given: the program does not get them.
	Drop []string `json:"drop,omitempty"`
	// Out is where the profile goes: a directory (one file a start, appearing
	// whole), or an http(s) URL that gets a PUT of it. PARE_OUT overrides it
	// when OutFromEnv. Nothing starts if it cannot be written.
	Out        string `json:"out"`
	OutFromEnv bool   `json:"outFromEnv,omitempty"`
	// Flush is how often a directory gets the profile so far; 0 is 5 s.
	Flush time.Duration `json:"flushNs,omitempty"`
	// Syscalls adds the set of system calls used. The kernel then asks about
	// every call, some microseconds each: a program may run many times slower.
	Syscalls bool `json:"syscalls,omitempty"`
	// Engine and Image are copied into the profile.
	Engine string        `json:"engine"`
	Image  profile.Image `json:"image"`
}

// User is who the program runs as.
type User struct {
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups,omitempty"`
}
