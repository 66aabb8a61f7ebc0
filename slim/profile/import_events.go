package profile

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// event of another recorder, in our words.
type recorded struct {
	origin
	time int64 // ns since any moment; 0 unknown
	user *User
	port int
	// accesses, with Path as the recorder wrote it.
	accesses []Access
	dir      string // for relative paths; "" unknown
	skip     string // why there is none; "" when there are some
	cut      bool   // the path may be cut off
}

// stream is how the events of one recorder are read.
type stream struct {
	engine string
	read   func(raw []byte) (recorded, error) // an error: not an event of this recorder
	lossy  []string
	hint   string // how to record, for a stream without paths
}

const (
	skipForeign = "not an event of this recorder"
	skipText    = "not JSON, or damaged"
	skipLong    = "longer than 1 MiB"
	skipOther   = "of another container, or of none"
)

// importEvents reads a stream of JSON events and keeps its containers apart.
func importEvents(r io.Reader, o ImportOptions, s stream) (*Profile, *ImportReport, error) {
	in := newLines(r)
	objs, all := newObjects(in), newContainers()
	report := &ImportReport{Unit: "event", Lossy: s.lossy}
	var lost int64
	for {
		raw, err := objs.next()
		if errors.Is(err, io.EOF) {
			break
		}
		report.Lines++
		reason := damage(err)
		switch {
		case reason != "":
		case err != nil:
			return nil, nil, fmt.Errorf("reading %s: %w", s.engine, err)
		case !utf8.Valid(raw):
			reason = skipBytes
		default:
			if reason, err = all.event(raw, s); err != nil {
				return nil, nil, fmt.Errorf("reading %s event %d: %w", s.engine, report.Lines, err)
			}
		}
		if reason != "" {
			report.skip(reason)
			if reason != skipForeign && !errors.Is(err, errNoObject) {
				lost++
			}
		}
	}
	if len(all.parts) == 0 {
		return nil, nil, fmt.Errorf("importing %s: %w: none of %d objects is an event of it", s.engine, ErrNothing, report.Lines)
	}
	return all.profile(in.id(), lost, report, o, s)
}

// event gives an event to its container; or the reason why it is none.
func (c *containers) event(raw []byte, s stream) (reason string, err error) {
	e, err := s.read(raw)
	if err != nil {
		return skipForeign, nil
	}
	p, err := c.of(e.origin)
	if err != nil {
		return "", err
	}
	return "", p.take(e)
}

// damage is the reason for which a piece of a stream is read over; "" when
// err is another.
func damage(err error) string {
	switch {
	case errors.Is(err, errLongLine):
		return skipLong
	case errors.Is(err, errNoObject), errors.Is(err, errBroken):
		return skipText
	}
	return ""
}

// profile makes one of the container that is meant.
func (c *containers) profile(id string, lost int64, report *ImportReport, o ImportOptions, s stream) (*Profile, *ImportReport, error) {
	parts, others, err := c.choose(o.Container)
	if err != nil {
		return nil, nil, fmt.Errorf("importing %s: %w", s.engine, err)
	}
	session := Session{ID: id, Engine: s.engine, Lost: lost}
	sum := newCollector()
	mapped := false
	for _, p := range parts {
		session.Lost += p.lost
		report.Used += p.used
		for reason, n := range p.skipped {
			report.skipMany(reason, n)
		}
		mapped = mapped || p.ids.mapped
		if err := sum.merge(p); err != nil {
			return nil, nil, err
		}
		if p.last > p.begin {
			session.Duration = max(session.Duration, time.Duration(p.last-p.begin).Truncate(time.Millisecond))
		}
	}
	report.skipMany(skipOther, others)
	if mapped {
		sum.users = map[User]bool{}
		report.Lossy = append(report.Lossy[:len(report.Lossy):len(report.Lossy)], "user numbers from 65536 on are of a user namespace, so none are taken; give one with --user")
	}
	if len(sum.byPath) == 0 {
		return nil, nil, fmt.Errorf("importing %s: %w: none of its %d events shows a path; %s", s.engine, ErrNothing, report.Lines, s.hint)
	}
	p, err := sum.profile(o.Image, session)
	return p, report, err
}

// merge adds what a part holds. Several parts are runs of one container, each
// with a time of its own, as the sessions of a union have.
func (c *collector) merge(p *part) error {
	for _, a := range p.byPath {
		if err := c.add(*a); err != nil {
			return err
		}
	}
	for _, port := range slices.Sorted(maps.Keys(p.ports)) {
		if len(c.ports) < maxList {
			c.ports[port] = true
		}
	}
	for u := range p.ids.others {
		if len(c.users) < maxList-maxIdentities || c.users[u] {
			c.users[u] = true
		}
	}
	return nil
}

// take adds an event.
func (p *part) take(e recorded) error {
	if e.user != nil {
		p.ids.see(*e.user)
	}
	if e.port > 0 && e.port <= math.MaxUint16 {
		p.ports[e.port] = true
	}
	used := e.port > 0
	for _, a := range e.accesses {
		name, reason := place(e.dir, a.Path)
		if reason == "" && e.cut {
			reason = skipCut
		}
		if reason != "" {
			e.skip = reason
			if lossy(reason) {
				p.lost++
			}
			continue
		}
		if a.Path = name; a.Resolved != "" {
			a.Resolved, _ = place("", a.Resolved)
		}
		a.FirstMS = p.offset(e.time)
		if err := p.add(a); err != nil {
			return err
		}
		used = true
	}
	if used {
		p.used++
		return nil
	}
	if e.skip == "" {
		e.skip = skipNoPath
	}
	p.skipped[e.skip]++
	return nil
}

// offset is the time since the part's first access in ms; without times, the
// number of accesses so far, which keeps their order.
func (p *part) offset(ns int64) int64 {
	if ns <= 0 {
		return int64(p.used)
	}
	if p.begin == 0 {
		p.begin = ns
	}
	p.last = max(p.last, ns)
	return max(ns-p.begin, 0) / int64(time.Millisecond)
}

// nanoseconds reads a time as recorders write it: a number of ns, or RFC 3339.
func nanoseconds(s scalar) int64 {
	if n, err := strconv.ParseInt(string(s), 10, 64); err == nil {
		return n
	}
	if t, err := time.Parse(time.RFC3339Nano, string(s)); err == nil && t.Year() > 1970 && t.Year() < 2262 {
		return t.UnixNano()
	}
	return 0
}

// number reads an integer; -1 when it is none.
func (s scalar) number() int64 {
	n, err := strconv.ParseInt(string(s), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// userOf is a user by two numbers of a record; nil when one is missing.
func userOf(uid, gid scalar) *User {
	u, g := uid.number(), gid.number()
	if u < 0 || g < 0 || u > math.MaxInt32 || g > math.MaxInt32 {
		return nil
	}
	return &User{int(u), int(g)}
}
