//go:build amd64 || arm64

package sensor

import (
	"errors"

	"golang.org/x/sys/unix"
)

// outcome is what was known of a path when its call was looked at.
type outcome int

const (
	unknown  outcome = iota // no path, or none that could be read
	existing                // it was there
	missing                 // it was not
)

// record looks at one path of a call and stores what it finds.
func (w *reader) record(n *notification, p pathArg, kinds kindSet) outcome {
	return w.recordWith(n, p, kinds, nil)
}

// recordWith also shows what was found to inspect, when that is not nil.
func (w *reader) recordWith(n *notification, p pathArg, kinds kindSet, inspect func(*found)) outcome {
	addr := n.args[p.path]
	if addr == 0 {
		return unknown
	}
	if err := w.readPath(n.pid, addr); err != nil {
		w.notRead(n, err)
		return unknown
	}
	if len(w.path) == 0 {
		return unknown // AT_EMPTY_PATH: of a descriptor that was opened, and recorded, before; or ENOENT
	}
	return w.look(n, p, kinds, inspect)
}

// notRead counts what could not be read of a process; that it is gone, or
// that its call will fail, is no loss.
func (w *reader) notRead(n *notification, err error) {
	switch {
	case errors.Is(err, errDenied) && n.valid(w.listener):
		w.unreadable()
	case errors.Is(err, unix.ENAMETOOLONG): // of a working directory
		w.lose()
	}
}

// look is for a path that is in w.path.
func (w *reader) look(n *notification, p pathArg, kinds kindSet, inspect func(*found)) outcome {
	follow := p.follows(n) || hasDotEnd(w.path)
	exe := w.exe(n.pid)
	key := seenKey{kinds: kinds, follow: follow, target: p.target, exclusive: p.exclusive, exe: exe}
	if w.path[0] == '/' && !w.ownRoots.Load() && inspect == nil && w.seenExisting(&key, w.path) {
		return existing // the short way, of most calls
	}
	pl, ok, err := w.locate(n, p.dirfd)
	if err != nil {
		w.notRead(n, err)
	}
	if !ok {
		return unknown
	}
	defer pl.root.done()
	if len(pl.name) > pathMax {
		w.lose() // no profile can hold it
		return unknown
	}
	if key.path = pl.path; pl.root.owned {
		key.path = pl.name
	}
	if inspect == nil {
		switch w.seen(key) {
		case seenHere:
			return existing
		case seenNot:
			if w.gone(pl, follow) {
				return missing
			}
		}
	}
	return w.resolveAndStore(n, pl, key, inspect)
}

func (w *reader) resolveAndStore(n *notification, pl place, key seenKey, inspect func(*found)) outcome {
	f := w.resolve(n, pl, key.follow)
	defer f.close()
	if !n.valid(w.listener) {
		return unknown // it died, or will ask again
	}
	kinds, exists := settle(key, f)
	denied := kinds&kChanges != 0 && !w.permitted(n, pl, kinds, &f)
	if denied {
		if kinds &^= kChanges; kinds == 0 {
			kinds = kStat
		}
		exists = f.exists
	}
	if !f.exists && f.resolved == pl.name {
		f.resolved = "" // says nothing
	}
	w.add(accessed{
		path: pl.name, resolved: f.resolved, exists: exists, kinds: kinds, exe: key.exe,
		followed: key.follow && f.exists,
	})
	if inspect != nil {
		inspect(&f)
	}
	switch {
	case f.exists && denied:
		return existing // another process may be allowed to
	case f.exists:
		if !f.proc {
			w.remember(key, seenHere)
		}
		return existing
	case !f.proc:
		w.remember(key, seenNot)
	}
	return missing
}

// settle turns what a call wants into what it does. Its result nobody sees:
// it follows from what was there before. A call that fails changes nothing,
// but it looked at the path; what it makes is there from then on.
func settle(k seenKey, f found) (kindSet, bool) {
	kinds := k.kinds
	switch {
	case k.exclusive && f.exists:
		kinds &^= kChanges
	case kinds&kCreate != 0 && f.exists:
		kinds &^= kCreate // open of a file that is there, or mkdir's EEXIST
	case kinds&kCreate != 0 && f.parent, k.target && !f.exists && f.parent:
		return kinds, true
	case !f.exists:
		kinds &^= kChanges
	}
	if kinds == 0 {
		kinds = kStat
	}
	return kinds, f.exists
}

// recordFD records an open directory by its path.
func (w *reader) recordFD(n *notification, fd int32, kinds kindSet) {
	link, err := w.readlink(w.procFD(n.pid, fd))
	if err != nil {
		w.notRead(n, err)
		return
	}
	name := w.fromKernel(link)
	if name == "" || len(name) > pathMax {
		return
	}
	key := seenKey{kinds: kinds, exe: w.exe(n.pid), path: name}
	if w.seen(key) == seenHere || !n.valid(w.listener) {
		return
	}
	w.add(accessed{path: clean(name), resolved: clean(name), exists: true, kinds: kinds, exe: key.exe, followed: true})
	w.remember(key, seenHere)
}
