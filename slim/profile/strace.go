package profile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// StraceOptions says what the trace was taken of.
type StraceOptions struct {
	Image Image
	// Root is the container's root as strace printed it in decorations (-y),
	// when it ran outside and saw host paths; usually "".
	Root string
	// Cwd is the first program's working directory; "" when the trace shows
	// a chdir before the first exec, or else "/".
	Cwd string
}

// ImportStrace reads the output of `strace -f`, to a file (-o, not -ff) or to
// a terminal, with any of -t -tt -ttt -r -T -v -y -yy -s. Before the first
// program of the container starts, a runtime prepares it: what comes before
// the first successful execve is followed but not recorded.
//
// Lines that cannot be used are counted by reason. What a trace cannot show
// is said in Lossy; strings cut off by a short -s make a session lossy.
func ImportStrace(r io.Reader, o StraceOptions) (*Profile, *ImportReport, error) {
	in := newLines(r)
	t := &tracer{
		options: o, collector: newCollector(), report: &ImportReport{Unit: "line"}, last: -1,
		processes: map[int]*process{}, waiting: map[int][]event{},
	}
	t.start = newProcess(o.Cwd)
	if o.Cwd == "" {
		t.start.fs.cwd = "/"
	}
	br := bufio.NewReaderSize(in, 256<<10)
	for {
		line, err := readLine(br, '\n')
		if errors.Is(err, io.EOF) {
			break
		}
		t.report.Lines++
		if errors.Is(err, errLongLine) {
			t.report.skip("longer than 1 MiB")
			t.lost++
			continue
		}
		if err == nil {
			err = t.line(strings.TrimSuffix(string(line), "\r")) // of a terminal
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading strace line %d: %w", t.report.Lines, err)
		}
	}
	if err := t.finish(); err != nil {
		return nil, nil, err
	}
	p, err := t.profile(o.Image, t.session(in.id()))
	return p, t.report, err
}

// tracer follows every process of a trace.
type tracer struct {
	*collector
	options StraceOptions
	report  *ImportReport

	start     *process // the first, and all of a runtime before the first exec
	processes map[int]*process
	parents   []*process // with a child not seen yet, oldest first
	waiting   map[int][]event
	held      int // events in waiting
	running   bool
	decoded   bool // --decode-pids: each clone's return will name its child

	first, last float64 // time of the first exec and of the last line
	argv        []string
	lost        int64
	cut         int // strings cut off
	noTimes     bool
	guessed     int
}

// maxHeld bounds events kept of processes whose parent is not known yet.
const maxHeld = 1 << 20

func (t *tracer) line(s string) error {
	e, ok := parseLine(s)
	if !ok {
		t.report.skip("no system call")
		return nil
	}
	if e.relative && t.last >= 0 {
		e.time += t.last
	}
	if e.time >= 0 {
		t.last = e.time
	}
	return t.event(e)
}

// event gives e to its process. Before the first exec there is but one: the
// threads of a container runtime share what matters.
func (t *tracer) event(e event) error {
	if !t.running {
		return t.step(e, t.start)
	}
	p := t.processes[e.pid]
	if p == nil && !t.decoded {
		p = t.adopt(e.pid)
	}
	if p == nil && e.exited {
		return nil // a thread of the runtime: what ends has nothing to say
	}
	if p == nil {
		if t.held == maxHeld {
			return errors.New("too many events of processes whose start is not in the trace; was strace run with -f and from the start?")
		}
		t.waiting[e.pid] = append(t.waiting[e.pid], e)
		t.held++
		return nil
	}
	return t.step(e, p)
}

// adopt finds the parent of a process seen for the first time: the oldest
// that made a child not seen yet. strace shows numbers of the container's pid
// namespace in return values, so they cannot be relied on.
func (t *tracer) adopt(pid int) *process {
	if len(t.parents) == 0 {
		return nil
	}
	if len(t.parents) > 1 {
		t.guessed++
	}
	parent := t.parents[0]
	t.parents = t.parents[1:]
	return t.child(parent, pid)
}

func (t *tracer) child(parent *process, pid int) *process {
	c := parent.fork(parent.half.args)
	t.processes[pid] = c
	return c
}

// step joins the halves of an interrupted call and runs whole ones.
func (t *tracer) step(e event, p *process) error {
	switch {
	case e.exited:
		if t.running {
			delete(t.processes, e.pid)
		}
		return nil
	case e.replacedBy > 0:
		if q := t.processes[e.replacedBy]; q != nil && q != p {
			p.half, p.pending = q.half, q.pending // its exec will end as p's
			delete(t.processes, e.replacedBy)
		}
		return nil
	case e.unfinished:
		p.half, p.pending = e, true
		if isClone(e.call) {
			t.expect(p)
		}
		return nil
	case e.resumed:
		if !p.pending || p.half.call != e.call {
			t.report.skip("resumed without a beginning")
			t.lost++
			return nil
		}
		p.pending = false
		cloned := isClone(e.call)
		e.args, e.time = p.half.args+e.args, p.half.time
		if cloned {
			t.report.Used++
			return t.named(e, p)
		}
	case isClone(e.call):
		p.half = e
		t.expect(p)
		t.report.Used++
		return t.named(e, p)
	}
	return t.call(e, p)
}

func isClone(call string) bool {
	return call == "clone" || call == "clone3" || call == "fork" || call == "vfork"
}

func (t *tracer) expect(p *process) {
	if t.running {
		t.parents = append(t.parents, p)
	}
}

// named uses a clone's return value when it is the number strace itself uses,
// and lets the child's waiting events run.
func (t *tracer) named(e event, p *process) error {
	pid, certain, ok := childPID(e.ret)
	t.decoded = t.decoded || certain
	if !ok { // the call failed
		t.forget(p)
		return nil
	}
	if !t.running || t.processes[pid] != nil {
		return nil
	}
	events, waiting := t.waiting[pid]
	if !waiting && !certain {
		return nil
	}
	t.forget(p)
	child := t.child(p, pid)
	delete(t.waiting, pid)
	t.held -= len(events)
	for _, held := range events {
		if err := t.step(held, child); err != nil {
			return err
		}
	}
	return nil
}

func (t *tracer) forget(p *process) {
	for i, q := range slices.Backward(t.parents) {
		if q == p {
			t.parents = slices.Delete(t.parents, i, i+1)
			return
		}
	}
}

// childPID reads "123" or, with --decode-pids=pidns, "7 /* 123 in strace's PID NS */".
// Only the latter is certain to be the number by which strace calls the child.
func childPID(ret string) (pid int, certain, ok bool) {
	num, rest, _ := strings.Cut(ret, " ")
	if _, inner, is := strings.Cut(rest, "/* "); is {
		num, _, _ = strings.Cut(inner, " ")
		certain = true
	}
	pid, err := strconv.Atoi(num)
	return pid, certain, err == nil && pid > 0
}

// finish runs what still waits, as children of the first process.
func (t *tracer) finish() error {
	for _, pid := range slices.Sorted(maps.Keys(t.waiting)) {
		events, waiting := t.waiting[pid]
		if !waiting {
			continue // an earlier one turned out to be its parent
		}
		delete(t.waiting, pid)
		t.guessed++
		orphan := t.start.fork("")
		t.processes[pid] = orphan
		for _, e := range events {
			if err := t.step(e, orphan); err != nil {
				return err
			}
		}
	}
	if n := t.start.files.copied.refused; n > 0 {
		t.lost += int64(n)
		t.report.skip("open files of a process that forked too often")
	}
	t.explain()
	return nil
}

func (t *tracer) explain() {
	say := func(n int, format string) {
		if n > 0 {
			t.report.Lossy = append(t.report.Lossy, fmt.Sprintf(format, n))
		}
	}
	say(t.cut, "%d paths were cut off by strace; record with -s 4096")
	say(t.guessed, "the parent of %d processes was guessed; record with --decode-pids=pidns")
	if t.noTimes {
		t.report.Lossy = append(t.report.Lossy, "the trace has no times, so the order of first access is that of its lines; record with -ttt")
	}
	if !t.running {
		t.report.Lossy = append(t.report.Lossy, "no program was started: the trace holds no successful execve; strace must see the entrypoint start")
	}
}

func (t *tracer) session(id string) Session {
	s := Session{ID: id, Engine: "strace", Argv: t.argv, Lost: t.lost + int64(t.cut)}
	if t.last > t.first {
		s.Duration = time.Duration((t.last - t.first) * float64(time.Second)).Truncate(time.Millisecond)
	}
	if t.first > 1e6 {
		s.Start = time.UnixMilli(int64(t.first * 1000)).UTC()
	}
	return s
}
