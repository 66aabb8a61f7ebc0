package profile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// ImportReport counts what an import used and what it could not.
type ImportReport struct {
	// Unit is what is counted: "line", "event" or "path".
	Unit    string         `json:"unit"`
	Lines   int            `json:"lines"`
	Used    int            `json:"used"`
	Skipped map[string]int `json:"skipped"` // reason -> how many
	Lossy   []string       `json:"lossy"`   // what the recording cannot show, for people
}

func (r *ImportReport) skip(reason string) { r.skipMany(reason, 1) }

func (r *ImportReport) skipMany(reason string, n int) {
	if n == 0 {
		return
	}
	if r.Skipped == nil {
		r.Skipped = map[string]int{}
	}
	r.Skipped[reason] += n
}

// ErrNothing says that an input held no access at all.
var ErrNothing = errors.New("no accesses found")

// ImportPaths reads one absolute path a line, or NUL-separated ones if the
// input holds a NUL. Lines end in CR LF if the first does. Every path counts
// as opened; order is that of the input.
func ImportPaths(r io.Reader, img Image) (*Profile, *ImportReport, error) {
	in := newLines(r)
	br := bufio.NewReader(in)
	head, _ := br.Peek(64 << 10)
	sep := byte('\n')
	if bytes.IndexByte(head, 0) >= 0 {
		sep = 0
	}
	first, _, _ := bytes.Cut(head, []byte{sep})
	terminal := sep == '\n' && bytes.HasSuffix(first, []byte("\r"))
	report := &ImportReport{Unit: "line", Lossy: []string{"a path list says nothing of users, ports or writes"}}
	c := newCollector()
	for {
		line, err := readLine(br, sep)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, errLongLine) {
			return nil, nil, fmt.Errorf("reading path list: %w", err)
		}
		if terminal {
			line = bytes.TrimSuffix(line, []byte("\r"))
		}
		if len(line) == 0 && err == nil {
			continue
		}
		report.Lines++
		p := clean(string(line))
		if err != nil || checkPath(p) != nil {
			report.skip("not an absolute path of at most 4096 bytes")
			continue
		}
		if err := c.add(Access{Path: p, Exists: true, Kinds: []Kind{Open}, FirstMS: int64(report.Used)}); err != nil {
			return nil, nil, err
		}
		report.Used++
	}
	p, err := c.profile(img, Session{ID: in.id(), Engine: "paths"})
	return p, report, err
}

// lines counts and hashes what is read of an input.
type lines struct {
	r io.Reader
	h hash.Hash
}

func newLines(r io.Reader) *lines { return &lines{r, sha256.New()} }

func (l *lines) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.h.Write(p[:n])
	return n, err
}

func (l *lines) id() string { return fmt.Sprintf("sha256:%x", l.h.Sum(nil)) }

// maxLine bounds a line of any recording: strace -v shows whole environments.
const maxLine = 1 << 20

var errLongLine = errors.New("a line of more than 1 MiB")

// readLine returns the next line without its end. A line that is too long is
// read over and gives errLongLine.
func readLine(br *bufio.Reader, sep byte) ([]byte, error) {
	var line []byte
	for long := false; ; {
		part, err := br.ReadSlice(sep)
		if len(line)+len(part) > maxLine {
			long, line = true, nil
		}
		if !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || len(line) == 0 && !long):
			return nil, err
		case long:
			return nil, errLongLine
		}
		return bytes.TrimSuffix(line, []byte{sep}), nil
	}
}

// collector gathers accesses, one record a path, within the format's bounds.
type collector struct {
	byPath map[string]*Access
	ports  map[int]bool
	users  map[User]bool
	home   map[string]bool
	room   *room // several collectors may share it
}

func newCollector() *collector {
	return &collector{map[string]*Access{}, map[int]bool{}, map[User]bool{}, map[string]bool{}, newRoom()}
}

// room is what is left for paths: more fit in no profile.
type room struct{ paths, bytes int }

func newRoom() *room { return &room{maxAccesses, maxDocument} }

func (r *room) take(bytes int) error {
	if r.paths--; r.paths < 0 {
		return fmt.Errorf("importing: more than %d paths", maxAccesses)
	}
	if r.bytes -= bytes; r.bytes < 0 {
		return fmt.Errorf("importing: paths of more than %d bytes together", maxDocument)
	}
	return nil
}

func (c *collector) add(a Access) error {
	have, ok := c.byPath[a.Path]
	if !ok {
		if err := c.room.take(len(a.Path) + len(a.Resolved)); err != nil {
			return err
		}
		c.byPath[a.Path] = &a
		return nil
	}
	have.Exists = have.Exists || a.Exists
	have.FirstMS = min(have.FirstMS, a.FirstMS)
	if have.Resolved == "" || a.Resolved != "" && a.Resolved < have.Resolved {
		have.Resolved = a.Resolved
	}
	for _, k := range a.Kinds {
		if !have.Has(k) {
			have.Kinds = append(have.Kinds, k)
		}
	}
	for _, b := range a.By {
		if len(have.By) < 4*MaxBy && !slices.Contains(have.By, b) {
			have.By = append(have.By, b)
		}
	}
	return nil
}

func (c *collector) profile(img Image, s Session) (*Profile, error) {
	if len(c.byPath) == 0 {
		return nil, fmt.Errorf("importing %s: %w", s.Engine, ErrNothing)
	}
	p := &Profile{Image: img, Sessions: []Session{s}}
	for _, a := range c.byPath {
		p.Accesses = append(p.Accesses, *a)
	}
	for port := range c.ports {
		p.Ports = append(p.Ports, port)
	}
	for u := range c.users {
		p.Users = append(p.Users, u)
	}
	for h := range c.home {
		p.Home = append(p.Home, h)
	}
	p.normalize()
	return p, nil
}

// printable returns s, quoted when it is not UTF-8 or holds control characters.
func printable(s string) string {
	q := strconv.Quote(s)
	if utf8.ValidString(s) && len(q) == len(s)+2 {
		return s
	}
	return q
}
