package profile

import (
	"io"
	"time"
)

// MediaType of a profile.
const MediaType = "application/vnd.pare.profile.v1+json"

// Kind of access.
type Kind string

// The kinds of access.
const (
	Exec     Kind = "exec"
	Open     Kind = "open"
	Write    Kind = "write"
	Create   Kind = "create"
	Delete   Kind = "delete"
	Rename   Kind = "rename"
	Stat     Kind = "stat"
	Readlink Kind = "readlink"
	List     Kind = "list"
	Chdir    Kind = "chdir"
	Xattr    Kind = "xattr"
	Watch    Kind = "watch"
)

// Profile is what a workload was seen to need.
type Profile struct {
	SchemaVersion int
	Image         Image
	Sessions      []Session // sorted by ID
	Accesses      []Access  // sorted by Path
	Ports         []int     // bound, sorted
	Users         []User    // switched to (setresuid and its like), sorted
	Home          []string  // HOME seen, sorted
	Lost          int64     // events lost
	// ... add what design.md says
}

// Image says what was recorded.
type Image struct {
	Digest   string // manifest digest of the platform's image; "" when the recorder could not know (import without --image)
	Platform string // "linux/amd64"
	CPULevel string // "x86-64-v3"; "" unknown
}

// User is a numeric identity a recorded process ran as.
type User struct{ UID, GID int }

// Session is one recording.
type Session struct {
	ID       string // content digest of the session's source, so that union is idempotent
	Engine   string // "strace", "paths"
	Start    time.Time
	Duration time.Duration
	Argv     []string
}

// Access is everything seen of one path.
type Access struct {
	Path     string   // requested, absolute, as the process meant it (cwd and dirfd joined, chroot prefix added), cleaned; bytes
	Resolved string   // after symlinks where known, else ""
	Exists   bool     // some access found it
	Kinds    []Kind   // sorted
	FirstMS  int64    // earliest offset in its session
	By       []string // executables, sorted; bounded
}

// Read parses a profile strictly, within bounds.
func Read(r io.Reader) (*Profile, error) { panic("contract") }

// Write writes the canonical JSON (sorted, same profile same bytes).
func (p *Profile) Write(w io.Writer) error { panic("contract") }

// Digest is the sha256 of the canonical JSON, "sha256:…".
func (p *Profile) Digest() (string, error) { panic("contract") }

// Union merges profiles of one image and platform: commutative, associative,
// idempotent. Different images give ErrDifferentImage.
func Union(ps ...*Profile) (*Profile, error) { panic("contract") }

// StraceOptions says what the trace was taken of.
type StraceOptions struct {
	Image Image
	// Root is the host path of the container's root in the trace, when strace
	// printed host paths; usually "".
	Root string
	// Cwd is the first process's working directory; "/" if "".
	Cwd string
}

// ImportStrace reads `strace -f` output (any of -t -tt -ttt -r, -y, -o with
// pids). Lines it cannot use are counted in the report by reason.
func ImportStrace(r io.Reader, o StraceOptions) (*Profile, *ImportReport, error) { panic("contract") }

// ImportPaths reads one absolute path a line (or NUL-separated).
func ImportPaths(r io.Reader, img Image) (*Profile, *ImportReport, error) { panic("contract") }

// ImportReport counts what an import used and what it could not.
type ImportReport struct {
	Lines   int
	Used    int
	Skipped map[string]int // reason -> lines
	Lossy   []string       // what the trace cannot show, for people
}
