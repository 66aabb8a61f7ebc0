// Package profile holds what a recorded workload was seen to need: its
// format, the union of several, and imports of other recorders' formats.
//
// Paths are bytes. They are absolute, as the process meant them (working
// directory, dirfd and chroot joined), without empty or "." components; ".."
// stays, because only the image's tree can say what it means behind a
// symlink.
package profile

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// MediaType of a profile.
const MediaType = "application/vnd.pare.profile.v1+json"

// What a caller tells apart.
var (
	// ErrInvalid says that a document is no profile of a known version.
	ErrInvalid = errors.New("invalid profile")
	// ErrDifferentImage says that profiles of different images or platforms
	// were to be merged.
	ErrDifferentImage = errors.New("profiles of different images")
)

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

var kinds = []Kind{Exec, Open, Write, Create, Delete, Rename, Stat, Readlink, List, Chdir, Xattr, Watch}

// Profile is what a workload was seen to need. Every list is sorted and free
// of duplicates; [Profile.normalize] sees to it.
type Profile struct {
	Image    Image
	Sessions []Session // by ID
	Accesses []Access  // by Path
	Ports    []int     // bound
	Users    []User    // switched to (setresuid and its like)
	Home     []string  // values of HOME seen

	// Of the image that was recorded, to carry the profile to another:
	// packages of which files were touched, by ID, and directories of files
	// that were opened or run, by Path.
	Packages    []Package
	Directories []Directory
	Derived     []Derivation // where it was carried from, by From
}

// Image says what was recorded.
type Image struct {
	Digest string `json:"digest,omitempty"` // manifest digest of the platform's image
	// Config is the digest of the image's config. It names the image wherever
	// it is stored, while the manifest's digest follows how layers are packed.
	Config   string `json:"config,omitempty"`
	Platform string `json:"platform,omitempty"` // "linux/amd64"
	CPULevel string `json:"cpuLevel,omitempty"` // "x86-64-v3"; "" unknown
}

// User is a numeric identity that a recorded process switched to.
type User struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// Access is everything seen of one path.
type Access struct {
	Path     string
	Resolved string // after symlinks, where the recorder knew; else ""
	Exists   bool   // some access found it
	Kinds    []Kind
	FirstMS  int64    // earliest offset in its session
	By       []string // executables; at most MaxBy, quoted where not UTF-8
	// Package is the ID of the package that owned it in the recorded image,
	// links followed; where none did, Origin says what it was.
	Package string
	Origin  Origin
}

// MaxBy bounds [Access.By]: the first so many by name.
const MaxBy = 16

// Has says whether the path was accessed in one of these ways.
func (a *Access) Has(ks ...Kind) bool {
	return slices.ContainsFunc(ks, func(k Kind) bool { return slices.Contains(a.Kinds, k) })
}

// Lost is the number of events known to be missing, of all sessions.
func (p *Profile) Lost() int64 {
	var n int64
	for _, s := range p.Sessions {
		n += s.Lost
	}
	return n
}

// Union merges profiles of one image and platform: commutative, associative,
// idempotent. Different ones give ErrDifferentImage; an unknown digest or
// platform goes with any.
func Union(ps ...*Profile) (*Profile, error) {
	u := &Profile{}
	for _, p := range ps {
		if err := joinImage(&u.Image, p.Image); err != nil {
			return nil, err
		}
		u.Sessions = append(u.Sessions, p.Sessions...)
		u.Accesses = append(u.Accesses, p.Accesses...)
		u.Ports = append(u.Ports, p.Ports...)
		u.Users = append(u.Users, p.Users...)
		u.Home = append(u.Home, p.Home...)
		u.Packages = append(u.Packages, p.Packages...)
		u.Directories = append(u.Directories, p.Directories...)
		u.Derived = append(u.Derived, p.Derived...)
	}
	u.normalize()
	return u, nil
}

func joinImage(into *Image, other Image) error {
	for _, f := range []struct {
		what string
		a    *string
		b    string
		same bool // whatever the two say
	}{
		{"digest", &into.Digest, other.Digest, into.Config != "" && into.Config == other.Config},
		{"config", &into.Config, other.Config, false},
		{"platform", &into.Platform, other.Platform, false},
	} {
		if *f.a != "" && f.b != "" && *f.a != f.b && !f.same {
			return fmt.Errorf("%w: %s %s and %s; merge those of one image, and give several with -p for several platforms", ErrDifferentImage, f.what, *f.a, f.b)
		}
		*f.a = max(*f.a, f.b)
	}
	into.CPULevel = max(into.CPULevel, other.CPULevel)
	return nil
}

// normalize sorts every list and merges accesses of one path.
func (p *Profile) normalize() {
	slices.SortFunc(p.Sessions, func(a, b Session) int { return cmp.Compare(a.ID, b.ID) })
	p.Sessions = slices.CompactFunc(p.Sessions, func(a, b Session) bool { return a.ID == b.ID })
	slices.SortStableFunc(p.Accesses, func(a, b Access) int { return cmp.Compare(a.Path, b.Path) })
	out := p.Accesses[:0]
	for _, a := range p.Accesses {
		a.Kinds, a.By = sorted(a.Kinds), sorted(a.By)
		if n := len(out); n > 0 && out[n-1].Path == a.Path {
			out[n-1].join(a)
			continue
		}
		a.By = a.By[:min(len(a.By), MaxBy)]
		out = append(out, a)
	}
	p.Accesses = out
	p.Ports, p.Home = sorted(p.Ports), sorted(p.Home)
	p.Users = slices.Clone(p.Users)
	slices.SortFunc(p.Users, func(a, b User) int { return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.GID, b.GID)) })
	p.Users = slices.Compact(p.Users)
	p.normalizeOrigins()
	p.normalizeDerived()
}

// join adds another access of the same path.
func (a *Access) join(b Access) {
	a.Kinds = sorted(append(slices.Clone(a.Kinds), b.Kinds...))
	a.By = sorted(append(slices.Clone(a.By), b.By...))
	a.By = a.By[:min(len(a.By), MaxBy)]
	a.Exists = a.Exists || b.Exists
	a.FirstMS = min(a.FirstMS, b.FirstMS)
	if a.Resolved == "" || b.Resolved != "" && b.Resolved < a.Resolved {
		a.Resolved = b.Resolved
	}
	a.joinOrigin(b)
}

// sorted returns a sorted copy without duplicates; nil when empty.
func sorted[T cmp.Ordered](l []T) []T {
	if len(l) == 0 {
		return nil
	}
	l = slices.Clone(l)
	slices.Sort(l)
	return slices.Compact(l)
}

// checkPath holds the form that the package comment gives.
func checkPath(p string) error {
	switch {
	case len(p) > maxPath:
		return fmt.Errorf("a path of %d bytes, at most %d", len(p), maxPath)
	case !path.IsAbs(p):
		return errors.New("not an absolute path")
	case strings.ContainsRune(p, 0):
		return errors.New("a path with a NUL byte")
	case clean(p) != p:
		return errors.New(`a path with empty or "." components`)
	}
	return nil
}

// clean removes empty and "." components and leaves ".." alone.
func clean(p string) string {
	if !strings.Contains(p, "//") && !strings.Contains(p, "/.") && (len(p) < 2 || !strings.HasSuffix(p, "/")) {
		return p
	}
	var b strings.Builder
	for c := range strings.SplitSeq(p, "/") {
		if c != "" && c != "." {
			b.WriteByte('/')
			b.WriteString(c)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}
