package registry

import (
	"slices"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// placed remembers which blobs this client has put into which repositories:
// one that several images share is then mounted, or left alone.
type placed struct {
	mu sync.Mutex
	in map[v1.Hash][]name.Repository
}

func (p *placed) add(d v1.Hash, repo name.Repository) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.in == nil {
		p.in = map[v1.Hash][]name.Repository{}
	}
	if !slices.Contains(p.in[d], repo) {
		p.in[d] = append(p.in[d], repo)
	}
}

// near is where a blob is in the registry of repo: in repo itself, if it is.
func (p *placed) near(d v1.Hash, repo name.Repository) (name.Repository, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found name.Repository
	ok := false
	for _, have := range p.in[d] {
		if have == repo {
			return have, true
		}
		if have.RegistryStr() == repo.RegistryStr() && !ok {
			found, ok = have, true
		}
	}
	return found, ok
}

// hostSet remembers what registries cannot do, so that each is asked once in a
// run.
type hostSet struct {
	mu    sync.Mutex
	hosts map[string]bool
}

func (s *hostSet) has(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[host]
}

func (s *hostSet) add(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts == nil {
		s.hosts = map[string]bool{}
	}
	s.hosts[host] = true
}
