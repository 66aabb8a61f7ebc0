//go:build amd64 || arm64

package sensor

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// profile is the store as it is now.
func (r *Recorder) profile() *profile.Profile {
	s := &r.store
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.session
	session.Lost, session.Unreadable = s.lost.Load(), s.unread.Load()
	session.Unreadable = min(session.Unreadable, session.Lost)
	session.Privileges = slices.SortedFunc(maps.Keys(s.privs), comparePrivileges)
	session.Findings = s.sortedFindings()
	session.Syscalls = s.syscallNames()
	if !r.begun.IsZero() {
		end := s.ended
		if end.IsZero() {
			end = time.Now()
		}
		session.Start, session.Duration = r.begun.UTC().Round(0), end.Sub(r.begun)
	}
	p := &profile.Profile{Sessions: []profile.Session{session}, Users: slices.Collect(maps.Keys(s.users)), Home: slices.Collect(maps.Keys(s.homes))}
	for port, bound := range s.ports {
		if bound {
			p.Ports = append(p.Ports, port)
		}
	}
	p.Accesses = make([]profile.Access, 0, len(s.accesses))
	for name, e := range s.accesses {
		p.Accesses = append(p.Accesses, r.access(name, e))
	}
	sorted, err := profile.Union(p)
	if err != nil {
		return p // of one image, there is nothing to differ
	}
	return sorted
}

func (r *Recorder) access(name string, e *entry) profile.Access {
	a := profile.Access{Path: name, Resolved: e.resolved, Exists: e.exists, FirstMS: max(0, e.first.Sub(r.begun).Milliseconds())}
	for i, k := range kindNames {
		if e.kinds&(1<<i) != 0 {
			a.Kinds = append(a.Kinds, k)
		}
	}
	for _, id := range e.by {
		a.By = append(a.By, r.exeName(id))
	}
	return a
}

func comparePrivileges(a, b profile.Privilege) int {
	denied := func(p profile.Privilege) int {
		if p.Denied {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Path, b.Path), cmp.Compare(denied(a), denied(b)))
}

func (s *store) sortedFindings() []profile.Finding {
	var out []profile.Finding
	for _, name := range slices.Sorted(maps.Keys(s.findings)) {
		out = append(out, *s.findings[name])
	}
	return out
}

func (s *store) syscallNames() []string {
	var out []string
	for nr := range s.syscalls {
		if name := table().names[nr]; name != "" && s.syscalls[nr].Load() {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
