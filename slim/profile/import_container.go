package profile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrContainers says that a recording holds several containers, or not the
// one that was asked for; the message lists those it holds.
var ErrContainers = errors.New("which container")

// maxContainers bounds how many containers one stream may name.
const maxContainers = 1000

// maxOrigin bounds the name of a container, of its pod with the namespace, and
// its ID, in bytes; Kubernetes' are 253 at most.
const maxOrigin = 1000

// origin says in which container an event happened, as far as the recorder
// knew. Events early in a container's life may lack its name, or even its ID.
type origin struct {
	id    string // the runtime's
	name  string // the runtime's, or the name in the pod
	pod   string // "NAMESPACE/POD", or ""
	mount string // mount namespace's number
}

func (o origin) known() bool { return o.id != "" || o.name != "" || o.pod != "" }

// label is how people call it.
func (o origin) label() string {
	switch {
	case o.pod != "" && o.name != "":
		return o.pod + "/" + o.name
	case o.name != "":
		return o.name
	case o.id != "":
		return o.id
	case o.pod != "":
		return o.pod
	case o.mount != "":
		return "mount namespace " + o.mount
	}
	return "no container"
}

// named says whether a user who wrote want means this one.
func (o origin) named(want string) bool {
	if want == o.label() || want == o.name || want == o.id || o.mount != "" && want == o.mount && !o.known() {
		return want != ""
	}
	return len(want) >= 12 && strings.HasPrefix(o.id, want)
}

// containers keeps apart what happened in each container of a stream.
type containers struct {
	parts  map[string]*part
	mounts map[string]*part // of known containers, by mount namespace
	room   *room            // for all together
}

// part is what happened in one container.
type part struct {
	origin
	*collector
	ids     identities
	skipped map[string]int
	used    int
	lost    int64
	begin   int64 // ns, of its first event; 0 none
	last    int64
}

func newContainers() *containers {
	return &containers{map[string]*part{}, map[string]*part{}, newRoom()}
}

// of is the part of an event's container. What is learned of a container
// later (its name) holds for its earlier events too.
func (c *containers) of(o origin) (*part, error) {
	for _, s := range []*string{&o.id, &o.name, &o.pod, &o.mount} {
		*s = (*s)[:min(len(*s), maxOrigin)]
	}
	key := o.id
	switch {
	case o.id != "":
	case o.known():
		key = "name " + o.label()
	default:
		key = "mount " + o.mount
	}
	p := c.parts[key]
	if p == nil {
		if len(c.parts) == maxContainers {
			return nil, fmt.Errorf("%w: the recording holds more than %d; filter it where it is made", ErrContainers, maxContainers)
		}
		p = &part{origin: o, collector: newCollector(), skipped: map[string]int{}}
		p.collector.room = c.room
		c.parts[key] = p
	}
	if o.name != "" {
		p.name = o.name
	}
	if o.pod != "" {
		p.pod = o.pod
	}
	if o.known() && o.mount != "" {
		c.mounts[o.mount] = p
	}
	return p, nil
}

// choose returns the parts of the one container that is meant, "" for the
// only one, and how many events the others had.
func (c *containers) choose(want string) (chosen []*part, others int, err error) {
	groups := map[string][]*part{}
	for _, key := range slices.Sorted(maps.Keys(c.parts)) {
		p := c.parts[key]
		as := p
		if owner := c.mounts[p.mount]; !p.known() && owner != nil {
			as = owner
		}
		groups[as.label()] = append(groups[as.label()], p)
	}
	inside := slices.ContainsFunc(slices.Collect(maps.Values(c.parts)), func(p *part) bool { return p.known() && p.events() > 0 })
	labels := slices.DeleteFunc(slices.Sorted(maps.Keys(groups)), func(l string) bool { return !means(groups[l], want, inside) })
	if len(labels) != 1 {
		return nil, 0, c.unclear(groups, labels, want)
	}
	for l, ps := range groups {
		for _, p := range ps {
			if l != labels[0] {
				others += p.events()
			}
		}
	}
	return groups[labels[0]], others, nil
}

// means says whether a group may be what is wanted. Without a name that is
// any container, and what is in none only where none is known.
func means(group []*part, want string, inside bool) bool {
	return slices.ContainsFunc(group, func(p *part) bool {
		if want == "" {
			return p.known() == inside && p.events() > 0
		}
		return p.named(want)
	})
}

func (p *part) events() int {
	n := p.used
	for _, k := range p.skipped {
		n += k
	}
	return n
}

// maxListed bounds how many containers an error lists.
const maxListed = 20

func (c *containers) unclear(groups map[string][]*part, fitting []string, want string) error {
	list := fitting
	if len(list) == 0 {
		list = slices.Sorted(maps.Keys(groups))
	}
	var names []string
	for _, l := range list[:min(len(list), maxListed)] {
		names = append(names, printable(l))
	}
	if len(list) > maxListed {
		names = append(names, fmt.Sprintf("and %d more", len(list)-maxListed))
	}
	all := strings.Join(names, ", ")
	switch {
	case want == "":
		return fmt.Errorf("%w: the recording holds %d: %s; name one with --container", ErrContainers, len(list), all)
	case len(fitting) > 1:
		return fmt.Errorf("%w: %s may be each of %s; name one in full with --container", ErrContainers, printable(want), all)
	}
	return fmt.Errorf("%w: the recording holds none called %s, but %s", ErrContainers, printable(want), all)
}

// identities are the users that a container's processes ran as.
type identities struct {
	first  *User
	others map[User]bool
	mapped bool // some are of a user namespace
}

// Recorders in the kernel see the host's numbers. From maxOwnID on they are
// those of a user namespace, which mean nothing in the image.
const maxOwnID = 65536

// maxIdentities bounds how many are kept.
const maxIdentities = 1000

func (i *identities) see(u User) {
	if i.mapped = i.mapped || u.UID >= maxOwnID || u.GID >= maxOwnID; i.mapped {
		return
	}
	switch {
	case i.first == nil:
		i.first = &u
	case u != *i.first && u.UID != 0 && len(i.others) < maxIdentities:
		if i.others == nil {
			i.others = map[User]bool{}
		}
		i.others[u] = true
	}
}
