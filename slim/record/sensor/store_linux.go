//go:build amd64 || arm64

package sensor

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
)

// Bounds of what is kept; what is beyond them counts as lost. They are those
// of slim/profile's format.
const (
	maxAccesses = 1_000_000
	maxBytes    = 96 << 20 // of JSON, about
	maxList     = 10_000
	maxSeen     = 200_000
	maxKnown    = 32 << 20 // bytes of paths that are kept to be quick
)

// store is what was recorded.
type store struct {
	mu       sync.Mutex
	session  profile.Session
	accesses map[string]*entry
	bytes    int
	ports    map[int]bool
	users    map[profile.User]bool
	homes    map[string]bool
	privs    map[profile.Privilege]bool
	findings map[string]*profile.Finding
	ended    time.Time

	lost, unread atomic.Int64
	syscalls     [maxNr]atomic.Bool
	all          bool

	seenMu sync.RWMutex
	seenIt map[seenKey]seenState
	known  int // bytes of its paths
}

// entry is everything seen of a path.
type entry struct {
	resolved string
	followed bool // resolved is where the path leads, not a link itself
	exists   bool
	kinds    kindSet
	first    time.Time
	by       []uint32
}

// accessed is one access.
type accessed struct {
	path, resolved   string
	exists, followed bool
	kinds            kindSet
	exe              uint32
}

// seenKey is a question that was asked before, and answered by what it says.
type seenKey struct {
	path      string
	exe       uint32
	kinds     kindSet
	follow    bool
	target    bool // pathArg.target
	exclusive bool // pathArg.exclusive
}

type seenState uint8

const (
	seenNever seenState = iota
	seenHere            // it existed
	seenNot             // it did not, outside proc
)

func (s *store) init(o RecorderOptions) {
	s.accesses, s.seenIt = map[string]*entry{}, map[seenKey]seenState{}
	s.ports, s.users, s.homes = map[int]bool{}, map[profile.User]bool{}, map[string]bool{}
	s.privs, s.findings = map[profile.Privilege]bool{}, map[string]*profile.Finding{}
	s.all = o.Syscalls
	s.session.Engine = o.Engine
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		s.session.Kernel = printable(unix.ByteSliceToString(uts.Release[:]))
	}
	// Of what no other session is made from.
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %s", time.Now().UnixNano(), os.Getpid(), rand.Text())
	s.session.ID = fmt.Sprintf("sha256:%x", h.Sum(nil))
}

func (s *store) lose() { s.lost.Add(1) }

func (s *store) unreadable() {
	s.lost.Add(1)
	s.unread.Add(1)
}

func (s *store) used(nr int) {
	if s.all && nr < maxNr {
		s.syscalls[nr].Store(true)
	}
}

// seenExisting is seen for a path that nobody has made a string of yet.
func (s *store) seenExisting(k *seenKey, path []byte) bool {
	s.seenMu.RLock()
	defer s.seenMu.RUnlock()
	return s.seenIt[seenKey{string(path), k.exe, k.kinds, k.follow, k.target, k.exclusive}] == seenHere
}

func (s *store) seen(k seenKey) seenState {
	s.seenMu.RLock()
	defer s.seenMu.RUnlock()
	return s.seenIt[k]
}

func (s *store) remember(k seenKey, st seenState) {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	if s.known += len(k.path); len(s.seenIt) >= maxSeen || s.known > maxKnown {
		clear(s.seenIt)
		s.known = len(k.path)
	}
	s.seenIt[k] = st
}

// forgetSeen is for links that come to be, or move: what was seen may lead
// elsewhere from now on.
func (s *store) forgetSeen() {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	clear(s.seenIt)
	s.known = 0
}

// add stores an access. A path that leads elsewhere than it did is one to the
// new place too.
func (s *store) add(a accessed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.accesses[a.path]; e != nil && e.followed && a.followed && a.resolved != e.resolved &&
		a.resolved != "" && !strings.HasPrefix(a.resolved, "/proc/") {
		s.addOne(accessed{path: a.resolved, resolved: a.resolved, exists: true, followed: true, kinds: a.kinds, exe: a.exe})
	}
	s.addOne(a)
}

func (s *store) addOne(a accessed) {
	e := s.accesses[a.path]
	if e == nil {
		const line = 160 // an access in JSON, without its paths
		s.bytes += len(a.path) + len(a.resolved) + line
		if len(s.accesses) >= maxAccesses || s.bytes > maxBytes {
			s.lost.Add(1)
			return
		}
		e = &entry{first: time.Now()}
		s.accesses[strings.Clone(a.path)] = e
	}
	e.kinds |= a.kinds
	e.exists = e.exists || a.exists
	if e.resolved == "" || a.followed && !e.followed {
		e.resolved, e.followed = a.resolved, a.followed
	}
	if len(a.resolved) > pathMax {
		e.resolved = ""
	}
	if a.exe != 0 && len(e.by) < profile.MaxBy && !slices.Contains(e.by, a.exe) {
		e.by = append(e.by, a.exe)
	}
}

func (s *store) privilege(p profile.Privilege) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.privs) < maxList {
		s.privs[p] = true
	}
}

// unprivilegedPort is the first one that needs no capability.
const unprivilegedPort = 1024

func (s *store) port(p int) {
	s.mu.Lock()
	s.ports[p] = len(s.ports) < maxList || s.ports[p]
	s.mu.Unlock()
	if p < unprivilegedPort {
		s.privilege(profile.Privilege{Kind: profile.CapCall, Path: "bind"})
	}
}

func (s *store) user(u profile.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.users) < maxList && u.UID >= 0 && u.GID >= 0 {
		s.users[u] = true
	}
}

func (s *store) addHome(h string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.homes) < maxList {
		s.homes[h] = true
	}
}

// find counts a finding; what it was about first stays.
func (s *store) find(name, by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.findings[name]
	if f == nil {
		f = &profile.Finding{Name: name, By: by, Text: findingTexts[name]}
		s.findings[name] = f
	}
	f.Count++
}

func (s *store) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = time.Now()
}

// printable is a text for people: quoted where it is not UTF-8 or would do
// something to a terminal.
func printable(t string) string {
	if q := strconv.Quote(t); !utf8.ValidString(t) || len(q) != len(t)+2 {
		return q
	}
	return t
}
