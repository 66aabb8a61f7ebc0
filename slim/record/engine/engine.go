// Package engine is what recording and verifying need of a container runtime:
// start an image, reach it, end it, and leave nothing behind. The packages
// builtin and docker are engines.
package engine

import (
	"context"
	"io"
	"net"
	"os/exec"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// Spec says what to start and how.
type Spec struct {
	// Image is what is started. Tree is the same image, open; engines that
	// load images elsewhere need only Image.
	Image v1.Image
	Tree  *layers.Tree
	// Argv, Env, Dir are what the first program gets, decided from the
	// image's config and the user's wishes. Argv is not empty.
	Argv []string
	Env  []string
	Dir  string
	// User runs the first program; numbers, resolved in the image.
	User Credential
	// Network is Loopback or Host.
	Network Network
	// DNS are the name servers in resolv.conf, and Hosts ("NAME:ADDRESS")
	// further lines of /etc/hosts; without any, what the network has.
	DNS, Hosts []string
	// Sensor, when not nil, has everything recorded.
	Sensor *SensorOptions
	// Conditions, when not nil, are the hardened ones of pare verify; nil is
	// what a runtime does by default.
	Conditions *Conditions
	// Volumes are the image's volumes and further directories to be writable
	// and empty at the start (a volume has the image's content), by path.
	Volumes []string
	// StopSignal ends the first program: a number, SIGTERM unless the image
	// says otherwise.
	StopSignal int
}

// Credential is a numeric user, its group and its supplementary groups.
type Credential struct {
	UID, GID int
	Groups   []int
}

// Network of a container.
type Network string

// The networks.
const (
	Loopback Network = "loopback" // its own, with nothing but lo; probes enter it
	Host     Network = "host"
)

// SensorOptions say what is recorded.
type SensorOptions struct {
	// Syscalls adds the set of system calls used.
	Syscalls bool
	// Caps are capabilities to add to the recorder where it cannot do without
	// (docker: "SYS_ADMIN" to see setuid programs work).
	Caps []string
	// Async leaves synchronous wake-ups (Linux 6.6) alone: for measuring, and
	// for engine builtin only.
	Async bool
}

// Conditions are those a slim image is meant for: no new privileges, the
// runtime's default seccomp profile, unprivileged ports from 1024 on.
type Conditions struct {
	ReadOnlyRoot bool
	Tmpfs        []string // writable, empty, by path
	Caps         []string // kept, by name without CAP_; all others are dropped
	// PortStart is net.ipv4.ip_unprivileged_port_start; 0 is 1024. Lower, it is
	// what NET_BIND_SERVICE is to a user other than root, to whom runtimes
	// give no capability.
	PortStart int
}

// Engine starts containers. An error of Start says what the machine lacks
// and what to use instead.
type Engine interface {
	Name() string // "builtin", "docker"
	// Check says whether the engine can work here at all; the error says why
	// not and what would help. For pare doctor and for choosing.
	Check(ctx context.Context) error
	Start(ctx context.Context, s Spec) (Container, error)
}

// Container is a running container. All methods may be called concurrently.
type Container interface {
	// Dial connects to a TCP port of the container, from inside its network.
	Dial(ctx context.Context, port int) (net.Conn, error)
	// Exec runs a command inside, as the container's user; recorded when the
	// container is. An exit code is no error.
	Exec(ctx context.Context, argv []string, stdin io.Reader) (ExecResult, error)
	// Host runs cmd, a command of the host, where Addr can be reached, and
	// returns when it has ended, with what cmd.Run would return.
	Host(ctx context.Context, cmd *exec.Cmd) error
	// Addr is the host name or address at which commands run by Host reach
	// the container's ports.
	Addr() string
	// Listening lists TCP ports that something listens on inside, sorted.
	// (/proc/net/tcp and tcp6 of the container's network.)
	Listening(ctx context.Context) ([]int, error)
	// Logs follows stdout and stderr from the start until the container ends.
	Logs(ctx context.Context) (io.ReadCloser, error)
	// Signal sends a signal to the first program.
	Signal(ctx context.Context, sig int) error
	// Done is closed when the first program has ended and, when recorded,
	// everything it started too.
	Done() <-chan struct{}
	// Exit says how it ended; valid after Done.
	Exit() ExitStatus
	// Recording returns what was recorded, commands of Exec included, one
	// session each; valid after Done. Image is not filled in.
	Recording(ctx context.Context) ([]*profile.Profile, error)
	// Close ends what still runs and removes every trace of it. It works
	// after the context of Start is done.
	Close() error
}

// ExecResult is what a command inside has done.
type ExecResult struct {
	ExitCode       int
	Stdout, Stderr []byte // the first MiB of each
}

// ExitStatus says how a first program ended.
type ExitStatus struct {
	Code   int // 128+n when signal n ended it, as shells say
	Signal int // 0 if it ended by itself
	After  time.Duration
}
