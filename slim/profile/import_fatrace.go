package profile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// fatraceLine is a line of fatrace's text output (format_fatrace_event_text
// and format_fatrace_event_json in event.c of martinpitt/fatrace, 2026; that
// of 0.17.0 is in testdata): time with -t or -tt, name and number of the
// process, user with -u, types of access, and the path. fatrace pads the types
// to three.
var fatraceLine = regexp.MustCompile(`^(?:(\d\d:\d\d:\d\d\.\d+|\d+\.\d+) )?(.*?)\((\d+)\)(?: \[\d+:\d+\])?: ([RCWO+D<>]*) +(.*)$`)

// fatraceEvent is one access, from a line or from --json.
type fatraceEvent struct {
	Timestamp scalar  `json:"timestamp"`
	PID       scalar  `json:"pid"`
	Types     *string `json:"types"`
	Path      string  `json:"path"`
	PathRaw   []int   `json:"path_raw"` // bytes, when the path needs escaping
	Exe       string  `json:"exe"`
	ExeRaw    []int   `json:"exe_raw"`
}

// importFatrace reads what fatrace wrote, as text or with --json. fatrace
// cannot watch an overlay (fanotify needs file handles of the file system):
// of a container it sees what the overlay opens below, in the directories of
// the image's layers and of the container's own. Those are o.Root, separated
// by colons as overlay's mount options and `inspect` have them.
func importFatrace(r io.Reader, o ImportOptions) (*Profile, *ImportReport, error) {
	in := newLines(r)
	br := bufio.NewReaderSize(in, 64<<10)
	f := fatraceImport{
		roots:     strings.Split(o.Root, ":"),
		collector: newCollector(),
		report:    &ImportReport{Unit: "line", Lossy: fatraceLossy},
		session:   Session{Engine: string(FormatFatrace)},
	}
	for {
		line, err := readLine(br, '\n')
		if errors.Is(err, io.EOF) {
			break
		}
		line = bytes.TrimSuffix(line, []byte("\r")) // of a terminal
		if len(line) == 0 && err == nil {
			continue
		}
		f.report.Lines++
		if err := f.line(line, err); err != nil {
			return nil, nil, fmt.Errorf("reading fatrace line %d: %w", f.report.Lines, err)
		}
	}
	f.session.ID = in.id()
	if f.report.Used == 0 && o.Root != "" {
		return nil, nil, fmt.Errorf("importing fatrace: %w: none of %d lines is of a file below %s; give the directories of all of the container's layers with --root", ErrNothing, f.report.Lines, printable(o.Root))
	}
	p, err := f.collector.profile(o.Image, f.session)
	return p, f.report, err
}

var fatraceLossy = []string{
	"fatrace shows files that were opened, read and written: no stat, no readlink, nothing that was not found, nothing on tmpfs or other virtual file systems",
	"which link was followed, and by which of its names a file with several hard links was opened",
	"what was executed, unless fatrace ran with --exe",
	"users (its numbers are the host's), ports, HOME",
	"which process is the container's: other containers' with the same layers, and the host's, are taken too",
	"names with a newline, and where a path ends before \" exe=\": record with --json",
}

type fatraceImport struct {
	roots     []string
	collector *collector
	report    *ImportReport
	session   Session
	clock     fatraceClock
}

// line reads a line; err is what finding it gave.
func (f *fatraceImport) line(line []byte, err error) error {
	a, stamp, reason, err := fatraceAccess(line, err, f.roots)
	if err != nil {
		return err
	}
	if reason != "" {
		f.report.skip(reason)
		if reason != skipForeign && lossy(reason) {
			f.session.Lost++
		}
		return nil
	}
	a.FirstMS = f.clock.offset(stamp, f.report.Used)
	f.report.Used++
	return f.collector.add(a)
}

// fatraceAccess reads a line; err is what finding it gave.
func fatraceAccess(line []byte, err error, roots []string) (a Access, stamp scalar, reason string, _ error) {
	if errors.Is(err, errLongLine) {
		return a, "", skipLong, nil
	}
	if err != nil {
		return a, "", "", err
	}
	e, ok := parseFatrace(line)
	if !ok {
		return a, "", skipForeign, nil
	}
	a, reason, err = e.access(roots)
	return a, e.Timestamp, reason, err
}

func parseFatrace(line []byte) (fatraceEvent, bool) {
	var e fatraceEvent
	if line[0] == '{' {
		return e, json.Unmarshal(line, &e) == nil && e.Types != nil
	}
	m := fatraceLine.FindSubmatch(line)
	if m == nil {
		return e, false
	}
	e.Timestamp, e.PID = scalar(m[1]), scalar(m[3])
	types := string(m[4])
	e.Types, e.Path = &types, string(m[5])
	// --exe and --parents follow the path; a name may look like them, but then
	// it is no file of an image that anybody meant to make.
	if p, rest, ok := strings.Cut(e.Path, " exe=/"); ok {
		exe, _, _ := strings.Cut(rest, ", parents=(pid=")
		e.Path, e.Exe = p, "/"+exe
	} else if p, _, ok := strings.Cut(e.Path, ", parents=(pid="); ok {
		e.Path = p
	}
	return e, true
}

var fatraceDevice = regexp.MustCompile(`^device \d+:\d+ inode \d+$`)

// overlayRoot is where engines put a container's root on the host: docker also
// in a directory of a user namespace or wherever data-root says.
var overlayRoot = regexp.MustCompile(`^(.*?/overlay2/[^/]+/(?:merged|diff)|.*/containers/storage/overlay/[^/]+/(?:merged|diff)|/run/(?:k3s/)?containerd/io\.containerd\.runtime\.v2\.task/[^/]+/[^/]+/rootfs|.*/io\.containerd\.snapshotter\.v1\.[^/]+/snapshots/[^/]+/fs)(?:/|$)`)

// access is what the event shows; or the reason why there is none.
func (e *fatraceEvent) access(roots []string) (Access, string, error) {
	name := e.Path + bytesOf(e.PathRaw)
	if name == "" || name == "(deleted)" || fatraceDevice.MatchString(name) {
		return Access{}, "the path was gone when fatrace looked", nil
	}
	// The kernel's mark on a name that is no more: it was there when opened.
	name = strings.TrimSuffix(name, " (deleted)")
	layer := overlayRoot.FindStringSubmatch(name)
	if layer != nil && roots[0] == "" {
		return Access{}, "", fmt.Errorf("%s is a path of the host; name the directories of all layers of the container with --root DIR:DIR (one is %s); docker inspect and podman inspect have them as GraphDriver.Data.LowerDir and UpperDir", strconv.Quote(name), strconv.Quote(layer[1]))
	}
	p, reason := place("", name)
	if reason != "" {
		return Access{}, reason, nil
	}
	p, ok := inAnyRoot(roots, p)
	if !ok && layer != nil {
		return Access{}, skipLayer, nil
	}
	if !ok {
		return Access{}, skipOutside, nil
	}
	a := Access{Path: p, Exists: true, Kinds: fatraceKinds(*e.Types)}
	// The link /proc/PID/exe is the container's own path, whatever fatrace sees
	// of its files, or the path of a process on the host.
	if exe, reason := place("", e.Exe+bytesOf(e.ExeRaw)); reason == "" {
		if inside, ok := inAnyRoot(roots, exe); ok {
			exe = inside
		}
		a.By = []string{printable(exe)}
		if exe == p { // what a process runs was executed
			a.Kinds = append(a.Kinds, Exec)
		}
	}
	return a, "", nil
}

// inAnyRoot is a path below the first of the directories that holds it.
func inAnyRoot(roots []string, p string) (string, bool) {
	for _, root := range roots {
		if inside, ok := inRoot(root, p); ok {
			return inside, true
		}
	}
	return "", false
}

// fatraceKinds: of a directory, + D < > say that a name in it was made,
// removed or moved, which the directory was written for; the name is not told.
func fatraceKinds(types string) []Kind {
	var ks []Kind
	if types == "" || strings.ContainsAny(types, "ROC") {
		ks = append(ks, Open)
	}
	if strings.ContainsAny(types, "W+D<>") {
		ks = append(ks, Write)
	}
	return ks
}

func bytesOf(list []int) string {
	b := make([]byte, len(list))
	for i, n := range list {
		b[i] = byte(n)
	}
	return string(b)
}

// fatraceClock turns times into offsets: of day (-t, which may pass midnight)
// or since the epoch (-tt).
type fatraceClock struct {
	begin, last time.Duration
	running     bool
}

func (c *fatraceClock) offset(stamp scalar, used int) int64 {
	var now time.Duration
	var h, m int
	var s float64
	if _, err := fmt.Sscanf(string(stamp), "%d:%d:%f", &h, &m, &s); err == nil {
		now = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s*1e6)*time.Microsecond
	} else if f, err := strconv.ParseFloat(string(stamp), 64); err == nil && f > 0 && f < 1<<33 {
		now = time.Duration(f*1e6) * time.Microsecond
	} else {
		return int64(used)
	}
	if !c.running {
		c.begin, c.last, c.running = now, now, true
	}
	if now < c.last-12*time.Hour {
		c.begin -= 24 * time.Hour
	}
	c.last = now
	return max(now-c.begin, 0).Milliseconds()
}
