//go:build amd64 || arm64

package sensor

import (
	"sync"
	"time"
)

// executables knows which program a thread runs, without asking each time.
type executables struct {
	exeMu sync.RWMutex
	byPID map[uint32]running
	ids   map[string]uint32
	exes  []string // by id; 0 is unknown
	bytes int      // of exes
}

// running is what a thread ran when last asked.
type running struct {
	exe uint32
	at  time.Time
}

// A number may go to another process, which the recorder is not told: what is
// known of one is asked again after a while.
const (
	exeFresh = time.Second
	maxPIDs  = 16384
	maxExes  = 65536
)

func (e *executables) init() {
	e.byPID, e.ids, e.exes = map[uint32]running{}, map[string]uint32{"": 0}, []string{""}
}

// exe is the id of the program that a thread runs.
func (w *reader) exe(pid uint32) uint32 {
	now := time.Now()
	w.exeMu.RLock()
	known, ok := w.byPID[pid]
	w.exeMu.RUnlock()
	if ok && now.Sub(known.at) < exeFresh {
		return known.exe
	}
	name := ""
	if link, err := w.readlink(w.procName(pid, "/exe")); err == nil {
		name = w.fromKernel(link)
	}
	w.exeMu.Lock()
	defer w.exeMu.Unlock()
	id, ok := w.ids[name]
	if !ok && len(w.exes) < maxExes && w.executables.bytes < maxKnown {
		id = uint32(len(w.exes))
		w.ids[name] = id
		w.exes = append(w.exes, name)
		w.executables.bytes += len(name)
	}
	if len(w.byPID) >= maxPIDs {
		clear(w.byPID)
	}
	w.byPID[pid] = running{id, now}
	return id
}

// executable is the name of the program that a thread runs, for people.
func (w *reader) executable(pid uint32) string { return w.exeName(w.exe(pid)) }

func (e *executables) exeName(id uint32) string {
	e.exeMu.RLock()
	defer e.exeMu.RUnlock()
	return printable(e.exes[id])
}

// forget is for a thread that is about to run another program.
func (e *executables) forget(pid uint32) {
	e.exeMu.Lock()
	delete(e.byPID, pid)
	e.exeMu.Unlock()
}
