package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"unicode/utf8"
)

// slimReport gathers a creport.json of SlimToolkit (pkg/report/container_report.go
// of slimtoolkit/slim, commit 0703a27). Its monitors are what was seen: fan
// (pkg/app/sensor/monitor/fanotify, 10dff6c) files that a process opened, in
// order; pt (pkg/monitor/ptrace, 025e140) paths of calls that succeeded,
// without order. image.files is what SlimToolkit made of it.
type slimReport struct {
	collector *collector
	report    *ImportReport
	session   Session
	exes      map[string]string   // of processes, by number
	pids      map[string][]string // of paths, the processes' numbers
	kinds     map[string]Kind     // of system calls, by number
	calls     []slimCalls
	processed []slimFile
	last      int64 // of fan's event numbers
}

type slimFile struct {
	Path  string          `json:"file_path"`
	Flags map[string]bool `json:"flags"`
}

// slimCalls is what pt knows of a path.
type slimCalls struct {
	path     string
	syscalls []string
}

var slimLossy = []string{
	"paths that were not found, relative ones, directory listings, xattrs, what was made, renamed or deleted",
	"a path whose name another's begins with (/data/a beside /data/ab) where it was only looked at, and what the image did not have at start",
	"events that SlimToolkit dropped when its queue was full, or the kernel did: it does not count them",
	"users, ports, HOME",
	"order: files that only ptrace saw come last",
}

const slimProcessed = "what was really seen: this report has no monitors' data, only the files that SlimToolkit chose (image.files)"

// importSlimToolkit reads a creport.json, a piece at a time.
func importSlimToolkit(r io.Reader, o ImportOptions) (*Profile, *ImportReport, error) {
	in := newLines(io.LimitReader(r, maxDocument+1))
	s := &slimReport{
		collector: newCollector(), report: &ImportReport{Unit: "path", Lossy: slimLossy},
		session: Session{Engine: string(FormatSlimToolkit)},
		exes:    map[string]string{}, pids: map[string][]string{}, kinds: map[string]Kind{},
	}
	d := json.NewDecoder(in)
	err := walkObject(d, func(name string) error { return s.member(d, name) })
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = fmt.Errorf("byte %d: more data after the report", d.InputOffset())
		}
	}
	if d.InputOffset() > maxDocument {
		err = fmt.Errorf("more than %d bytes", maxDocument)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading creport.json: %w", err)
	}
	if err := s.finish(); err != nil {
		return nil, nil, err
	}
	s.session.ID = in.id()
	p, err := s.collector.profile(o.Image, s.session)
	return p, s.report, err
}

func (s *slimReport) member(d *json.Decoder, name string) error {
	switch name {
	case "start_command":
		var c struct {
			Name scalar   `json:"app_name"`
			Args []scalar `json:"app_args"`
		}
		if err := d.Decode(&c); err != nil {
			return err
		}
		if c.Name != "" && len(c.Args) < maxList {
			s.session.Argv = []string{printable(string(c.Name))}
			for _, a := range c.Args {
				s.session.Argv = append(s.session.Argv, printable(string(a)))
			}
		}
	case "system":
		var c struct {
			Release scalar `json:"release"`
		}
		if err := d.Decode(&c); err != nil {
			return err
		}
		s.session.Kernel = string(c.Release)
	case "monitors":
		return walkObject(d, func(name string) error { return s.monitor(d, name) })
	case "image":
		return walkObject(d, func(name string) error { return s.image(d, name) })
	default:
		return pass(d)
	}
	return nil
}

func (s *slimReport) monitor(d *json.Decoder, monitor string) error {
	return walkObject(d, func(name string) error {
		switch monitor + "." + name {
		case "fan.processes":
			return walkObject(d, func(pid string) error { return s.process(d, pid) })
		case "fan.process_files":
			return walkObject(d, func(pid string) error {
				return walkObject(d, func(file string) error { return s.opened(d, pid, file) })
			})
		case "pt.arch_name":
			var arch scalar
			err := d.Decode(&arch)
			s.kinds = slimSyscalls[string(arch)]
			return err
		case "pt.syscall_stats":
			return walkObject(d, func(string) error { return s.syscall(d) })
		case "pt.fs_activity":
			return walkObject(d, func(file string) error { return s.called(d, file) })
		}
		return pass(d)
	})
}

func (s *slimReport) process(d *json.Decoder, pid string) error {
	var p struct {
		Path scalar `json:"path"`
	}
	if err := d.Decode(&p); err != nil {
		return err
	}
	if len(s.exes) < maxFDs && path.IsAbs(string(p.Path)) {
		s.exes[pid] = string(p.Path)
	}
	return nil
}

// opened is a file of fan's: fanotify sees the file that was opened, links
// resolved. It was executed if it is what the process runs.
func (s *slimReport) opened(d *json.Decoder, pid, file string) error {
	var f struct {
		First  scalar `json:"first_eid"`
		Writes scalar `json:"writes"`
		Execs  scalar `json:"execs"`
	}
	if err := d.Decode(&f); err != nil {
		return err
	}
	a := Access{Path: file, Exists: true, Kinds: []Kind{Open}, FirstMS: max(f.First.number(), 0)}
	s.last = max(s.last, a.FirstMS)
	if f.Writes.number() > 0 {
		a.Kinds = append(a.Kinds, Write)
	}
	if f.Execs.number() > 0 {
		a.Kinds = append(a.Kinds, Exec)
	}
	return s.add(a, pid)
}

func (s *slimReport) called(d *json.Decoder, file string) error {
	var f struct {
		Syscalls map[string]struct{} `json:"syscalls"`
		PIDs     map[string]struct{} `json:"pids"`
	}
	if err := d.Decode(&f); err != nil {
		return err
	}
	if len(s.calls) == maxAccesses {
		return fmt.Errorf("more than %d paths", maxAccesses)
	}
	c := slimCalls{path: file}
	for _, number := range slices.Sorted(maps.Keys(f.Syscalls)) {
		if len(c.syscalls) < len(kinds) {
			c.syscalls = append(c.syscalls, number)
		}
	}
	s.calls = append(s.calls, c)
	for _, pid := range slices.Sorted(maps.Keys(f.PIDs)) {
		s.by(file, pid)
	}
	return nil
}

func (s *slimReport) syscall(d *json.Decoder) error {
	var c struct {
		Name scalar `json:"name"`
	}
	if err := d.Decode(&c); err != nil {
		return err
	}
	if c.Name != "" && len(s.session.Syscalls) < maxList {
		s.session.Syscalls = append(s.session.Syscalls, printable(string(c.Name)))
	}
	return nil
}

func (s *slimReport) image(d *json.Decoder, name string) error {
	if name != "files" {
		return pass(d)
	}
	return walkArray(d, func() error {
		var f slimFile
		if err := d.Decode(&f); err != nil {
			return err
		}
		if len(s.processed) == maxAccesses {
			return fmt.Errorf("more than %d files", maxAccesses)
		}
		s.processed = append(s.processed, f)
		return nil
	})
}

// add adds an access; paths are checked, processes named at the end.
func (s *slimReport) add(a Access, pid string) error {
	s.report.Lines++
	p, reason := place("", a.Path)
	if reason == "" && !utf8.ValidString(p) {
		reason = skipBytes
	}
	if reason != "" {
		s.report.skip(reason)
		if lossy(reason) {
			s.session.Lost++
		}
		return nil
	}
	a.Path = p
	s.report.Used++
	if pid != "" {
		s.by(p, pid)
	}
	return s.collector.add(a)
}

func (s *slimReport) by(file, pid string) {
	if file = clean(file); len(s.pids[file]) < MaxBy {
		s.pids[file] = append(s.pids[file], pid)
	}
}

// finish adds pt's paths, for which the system calls' names are needed, or
// else the processed files, and says which programs asked for them.
func (s *slimReport) finish() error {
	for _, c := range s.calls {
		a := Access{Path: c.path, Exists: true, FirstMS: s.last + 1}
		for _, number := range c.syscalls {
			kind, ok := s.kinds[number]
			if !ok {
				kind = Open // of another machine: more is kept rather than less
			}
			a.Kinds = append(a.Kinds, kind)
		}
		if a.Kinds == nil {
			a.Kinds = []Kind{Stat}
		}
		if err := s.add(a, ""); err != nil {
			return err
		}
	}
	if len(s.collector.byPath) == 0 && len(s.processed) > 0 {
		s.report.Lossy = append([]string{slimProcessed}, slimLossy...)
		for i, f := range s.processed {
			a := Access{Path: f.Path, Exists: true, Kinds: []Kind{Open}, FirstMS: int64(i)}
			if f.Flags["X"] {
				a.Kinds = append(a.Kinds, Exec)
			}
			if err := s.add(a, ""); err != nil {
				return err
			}
		}
	}
	for file, a := range s.collector.byPath {
		for _, pid := range s.pids[file] {
			if exe := s.exes[pid]; exe != "" {
				a.By = append(a.By, printable(exe))
			}
		}
	}
	s.session.Syscalls = sorted(s.session.Syscalls)
	return nil
}
