package profile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Session is one recording: a process tree from its first program to its
// last, or one command beside it (a health check).
type Session struct {
	// ID is "sha256:…" of what the session was read from, so that a union
	// counts no session twice.
	ID       string        `json:"id"`
	Engine   string        `json:"engine"` // "builtin", "docker", "instrument", "strace", "paths"
	Start    time.Time     `json:"start,omitzero"`
	Duration time.Duration `json:"durationNs,omitempty"`
	Argv     []string      `json:"argv,omitempty"`   // first program's; quoted where not UTF-8
	Kernel   string        `json:"kernel,omitempty"` // release, as uname says
	User     string        `json:"user,omitempty"`   // "UID:GID" that the first program ran as
	// Env holds the names of the first program's environment. Values are
	// nobody's business: they are where secrets are.
	Env []string `json:"env,omitempty"`
	// Probes are what was asked from outside, in order, and what came back.
	Probes []Probe `json:"probes,omitempty"`
	// Exited says that the first program ended by itself, with ExitCode; else
	// the recording ended it.
	Exited   bool `json:"exited,omitempty"`
	ExitCode int  `json:"exitCode,omitempty"`
	// Privileges are uses of privilege that a slim image would not have.
	Privileges []Privilege `json:"privileges,omitempty"`
	// Syscalls are names of system calls, where they were recorded.
	Syscalls []string `json:"syscalls,omitempty"`
	// Findings are what else the recorder did not see, or changed, by name.
	Findings []Finding `json:"findings,omitempty"`
	Lost     int64     `json:"lost,omitempty"` // events known to be missing
	// Unreadable counts events whose process could not be read, because the
	// sensor had too little privilege; they are part of Lost.
	Unreadable int64 `json:"unreadable,omitempty"`
}

// ProbeKind says how a probe asks.
type ProbeKind string

// The kinds of probe.
const (
	ProbeHTTP   ProbeKind = "http"
	ProbeTCP    ProbeKind = "tcp"    // connect, perhaps send, read what comes
	ProbeExec   ProbeKind = "exec"   // a command inside the container
	ProbeHealth ProbeKind = "health" // the image's HEALTHCHECK
	ProbeRun    ProbeKind = "run"    // a command of the host, which is given the address
)

// Probe is one question to the workload, complete enough to be asked again,
// and the baseline that was its answer.
type Probe struct {
	Kind ProbeKind `json:"kind"`
	// Port is the container's; 0 for commands.
	Port int `json:"port,omitempty"`
	// HTTP: the request. TLS without verification; Host is the Host header
	// and SNI name, "" for "localhost".
	TLS    bool     `json:"tls,omitempty"`
	Method string   `json:"method,omitempty"`
	Host   string   `json:"host,omitempty"`
	Path   string   `json:"path,omitempty"`   // with the query
	Header []string `json:"header,omitempty"` // "Name: value", or "Name: $VARIABLE" of pare's environment
	Body   []byte   `json:"body,omitempty"`   // also what a TCP probe sends
	// Commands: argv; the first is found by the container's PATH.
	Argv []string `json:"argv,omitempty"`

	Answer Answer `json:"answer"`
}

// Answer is what came back, reduced to what can be compared.
type Answer struct {
	// Error, when not "", says that there was no answer, and why; the rest is
	// then empty.
	Error string `json:"error,omitempty"`
	// HTTP.
	Status      int    `json:"status,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	// Commands.
	ExitCode int `json:"exitCode,omitempty"`
	// Digest is "sha256:…" of the body, of a TCP answer's bytes, or of a
	// command's stdout; Size its length in bytes.
	Digest string `json:"digest,omitempty"`
	Size   int64  `json:"size,omitempty"`
	// Volatile names the fields above (by JSON name) that differed when the
	// probe was asked twice: shown, not compared.
	Volatile []string `json:"volatile,omitempty"`
}

// PrivilegeKind says how privilege was used.
type PrivilegeKind string

// The kinds of privilege.
const (
	SetuidExec PrivilegeKind = "setuid-exec" // exec of a setuid or setgid file
	CapExec    PrivilegeKind = "cap-exec"    // exec of a file with capabilities
	// CapCall is a call that needs a capability: chroot, mount, a port below
	// 1024, and the like. Path is then the call's name.
	CapCall PrivilegeKind = "cap-call"
)

// Privilege is one use of privilege.
type Privilege struct {
	Kind PrivilegeKind `json:"kind"`
	Path string        `json:"path"` // quoted where not UTF-8
	// Denied says that under the recorder it gained nothing (no_new_privs),
	// so that what would have followed was not seen.
	Denied bool `json:"denied,omitempty"`
}

// Finding is something of a recording that its reader must know.
type Finding struct {
	Name  string `json:"name"`         // "foreign-abi", "own-listener", "io-uring", "own-mounts"
	By    string `json:"by,omitempty"` // the first executable; quoted where not UTF-8
	Count int64  `json:"count"`
	Text  string `json:"text"` // what happened and what to do
}

// maxBody bounds what a probe sends.
const maxBody = 1 << 20

// check holds the bounds of a session that was read.
func (s *Session) check() error {
	for _, l := range []int{len(s.Argv), len(s.Env), len(s.Probes), len(s.Privileges), len(s.Findings), len(s.Syscalls)} {
		if l > maxList {
			return fmt.Errorf("a list of %d, at most %d", l, maxList)
		}
	}
	if s.Lost < 0 || s.Unreadable < 0 || s.Unreadable > s.Lost || s.Duration < 0 {
		return errors.New("a negative number, or more events unreadable than lost")
	}
	for i := range s.Probes {
		if err := s.Probes[i].check(); err != nil {
			return fmt.Errorf("probe %d: %w", i, err)
		}
	}
	for _, p := range s.Privileges {
		if !slices.Contains([]PrivilegeKind{SetuidExec, CapExec, CapCall}, p.Kind) {
			return fmt.Errorf("unknown privilege %s", strconv.Quote(string(p.Kind)))
		}
	}
	return nil
}

func (p *Probe) check() error {
	switch {
	case !slices.Contains([]ProbeKind{ProbeHTTP, ProbeTCP, ProbeExec, ProbeHealth, ProbeRun}, p.Kind):
		return fmt.Errorf("unknown kind %s", strconv.Quote(string(p.Kind)))
	case p.Port < 0 || p.Port > 65535:
		return fmt.Errorf("port %d", p.Port)
	case len(p.Body) > maxBody:
		return fmt.Errorf("a body of %d bytes, at most %d", len(p.Body), maxBody)
	case len(p.Header) > maxList || len(p.Argv) > maxList:
		return fmt.Errorf("more than %d headers or arguments", maxList)
	}
	return nil
}
