package profile

import (
	"maps"
	"path"
	"strings"
)

// process is what the meaning of a path depends on.
type process struct {
	fs    *fsState
	files *fdTable
	exe   string
	uid   int
	gid   int
	// half is the call that another process's line interrupted.
	half    event
	pending bool
}

// fsState is shared by threads (CLONE_FS).
type fsState struct {
	cwd  string // in the image, chroot included; "" unknown
	root string // "" or the chroot's directory
}

// fdTable is shared by threads (CLONE_FILES). Processes have one each, but
// share the map until one of them changes it.
type fdTable struct {
	paths  map[int]string
	lent   bool
	copied *copies
}

// copies counts what the tables of a trace have cost together.
type copies struct{ entries, refused int }

// maxCopies bounds it: a trace of processes that fork with thousands of open
// files would else take hours.
const maxCopies = 20_000_000

// own makes the map the table's alone, before it is changed.
func (t *fdTable) own() {
	if !t.lent {
		return
	}
	t.lent = false
	if t.copied.entries += len(t.paths); t.copied.entries > maxCopies {
		t.copied.refused++
		t.paths = map[int]string{}
		return
	}
	t.paths = maps.Clone(t.paths)
}

func newProcess(cwd string) *process {
	return &process{fs: &fsState{cwd: cwd}, files: &fdTable{paths: map[int]string{}, copied: &copies{}}, uid: -1, gid: -1}
}

// fork makes a child as clone flags say.
func (p *process) fork(flags string) *process {
	c := &process{fs: p.fs, files: p.files, exe: p.exe, uid: p.uid, gid: p.gid}
	if !strings.Contains(flags, "CLONE_FS") {
		fs := *p.fs
		c.fs = &fs
	}
	if !strings.Contains(flags, "CLONE_FILES") {
		p.files.lent = true
		c.files = &fdTable{paths: p.files.paths, lent: true, copied: p.files.copied}
	}
	return c
}

// maxFDs bounds what one table remembers.
const maxFDs = 65536

func (t *fdTable) set(fd int, name string) {
	if t.paths[fd] == name {
		return
	}
	t.own()
	if name == "" {
		delete(t.paths, fd)
	} else if fd >= 0 && len(t.paths) < maxFDs {
		t.paths[fd] = name
	}
}

// dir is where a relative path with this dirfd begins; false when unknown.
func (p *process) dir(fd int, shown string) (string, bool) {
	switch {
	case shown != "":
		return shown, true
	case fd == atFDCWD:
		return p.fs.cwd, p.fs.cwd != ""
	}
	name := p.files.paths[fd]
	return name, name != ""
}

// join makes the absolute path of what a process named. ".." is left to the
// tree, except in a chroot, above which nothing may climb.
func (p *process) join(dir, name string) string {
	if path.IsAbs(name) {
		dir = p.fs.root
		if dir != "" {
			name = path.Clean(name)
		}
	}
	return clean("/" + strings.TrimPrefix(dir, "/") + "/" + name)
}
