package slim

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// decideOwners gives the user what it must be able to write: what is asked
// for by name, and state that the workload was seen to write. What it wrote
// elsewhere and cannot write now is a finding, never a silent change.
func (pl *planner) decideOwners() error {
	if pl.plan.User.UID == 0 {
		return nil
	}
	for _, p := range pl.options.Own {
		if err := pl.own(p); err != nil {
			return err
		}
	}
	for i := range pl.profile.Accesses {
		a := &pl.profile.Accesses[i]
		if !a.Exists || profile.Mounted(a.Path) || a.Resolved != "" && profile.Mounted(a.Resolved) {
			continue
		}
		for _, e := range pl.writes(a) {
			pl.letWrite(e, a)
		}
	}
	pl.plan.Ownership = pl.ownership()
	return nil
}

// own gives a path and all kept paths below it to the user.
func (pl *planner) own(p string) error {
	res, err := pl.tree.Resolve(path.Clean("/" + p))
	if err != nil {
		return fmt.Errorf("%w: own %q: the image has no such path", ErrRules, p)
	}
	r := Reason{Rule: "own", From: "option:own"}
	seen := map[*layers.Inode]bool{}
	for _, kept := range pl.keptPaths() {
		e, ok := pl.fromSource(kept)
		if !ok || seen[e.Inode] || !below(kept, res.Entry.Path) {
			continue
		}
		seen[e.Inode] = true
		if pl.maybeOwn(e, res.Entry.Path) {
			pl.give(e, r)
		}
	}
	if len(seen) == 0 {
		pl.finding(Finding{
			Name: FindingUnusedPattern, Severity: SeverityWarning, Path: res.Entry.Path,
			Text: "nothing of what is to be given to the user is kept", Next: "keep it with --keep, or remove it from --own",
		})
	}
	return nil
}

// maybeOwn refuses what nobody means by a directory's name: a file that is also
// known elsewhere, by a hard link.
func (pl *planner) maybeOwn(e *layers.Entry, dir string) bool {
	for _, p := range e.Paths() {
		if pl.keep.Has(p) && !below(p, dir) {
			return pl.unsafeOwner(e, "it is the same file as "+quoted(p)+", outside of "+quoted(dir))
		}
	}
	return true
}

// unsafeOwner notes a change of owner that would give more than a file, and
// says whether it is allowed.
func (pl *planner) unsafeOwner(e *layers.Entry, why string) bool {
	pl.finding(Finding{
		Name: FindingUnsafeOwner, Severity: SeverityError, Path: e.Path,
		Text: fmt.Sprintf("giving it to user %d:%d is not safe: %s", pl.plan.User.UID, pl.plan.User.GID, why),
		Next: "name other paths with --own, or allow it with --allow " + FindingUnsafeOwner,
	})
	return slices.Contains(pl.options.Allow, FindingUnsafeOwner)
}

// privileged says that a file does more than its caller may: whoever owns it
// can change what that is.
func privileged(h layers.Header) bool {
	_, capable := h.Xattrs["security.capability"]
	return capable || h.Type == layers.Regular && h.Mode&0o6000 != 0
}

// writes are the entries that an access changed: a file that was written, a
// directory in which a name was made, removed or replaced. What the run made
// is not in the image and has no entry.
func (pl *planner) writes(a *profile.Access) []*layers.Entry {
	var out []*layers.Entry
	res, err := pl.tree.Resolve(a.Path)
	if err == nil && a.Has(profile.Write) && pl.keep.Has(res.Entry.Path) {
		out = append(out, res.Entry)
	}
	if a.Has(profile.Delete, profile.Rename) || a.Has(profile.Create) && err != nil {
		if dir, derr := pl.tree.Resolve(pl.parentOfWritten(a.Path, res)); derr == nil && dir.Entry.Type == layers.Directory {
			out = append(out, dir.Entry)
		}
	}
	return out
}

// parentOfWritten is the directory in which the access made or removed a
// name: behind a dangling symlink, that of its target.
func (pl *planner) parentOfWritten(p string, res layers.Resolution) string {
	if res.Missing != "" && len(res.Links) > 0 {
		if link, err := pl.tree.ResolveLink(p); err == nil && link.Entry.Type == layers.Symlink {
			return parentOf(res.Missing)
		}
	}
	return parentOf(p)
}

// letWrite makes sure that the user can write e, if that is state.
func (pl *planner) letWrite(e *layers.Entry, a *profile.Access) {
	// What a link leads to in the kernel's file systems is not the image's.
	if _, pares := pl.written[pl.outPath(e.Path)]; pares || profile.Mounted(e.Path) || isByteCode(a.Path) {
		return
	}
	pl.changed[e.Path] = true
	if pl.may(e, permWrite) || pl.refused[e.Inode] {
		return
	}
	if pl.provided(e.Path) && pl.plan.User.may(e.Header, permWriteOf(e)) {
		pl.unprovide(e.Path) // by its own owner and mode
		return
	}
	if pl.ownerMayWrite(e) && pl.isState(e) {
		pl.refused[e.Inode] = !pl.give(e, Reason{Rule: "state", From: a.Path, Note: note(a)})
		return
	}
	pl.refused[e.Inode] = true
	remedy := "give it to the user with --own " + quoted(e.Path)
	if !pl.ownerMayWrite(e) {
		remedy = "let its owner write it when the source is built"
	}
	pl.finding(Finding{
		Name: FindingCannotWrite, Severity: SeverityError, Path: e.Path,
		Text: fmt.Sprintf("the workload changed %s (%s); user %d:%d cannot (%s, owner %d:%d)",
			quoted(a.Path), note(a), pl.plan.User.UID, pl.plan.User.GID, octal(e.Mode), e.UID, e.GID),
		Next: remedy + ", mount a volume there, run as root with --user 0:0, or, if the program does without, --allow " + FindingCannotWrite,
	})
}

// ownerMayWrite says that the mode lets the owner write e: root needs no such
// bit, and pare changes no mode.
func (pl *planner) ownerMayWrite(e *layers.Entry) bool {
	h := e.Header
	h.UID, h.GID = pl.plan.User.UID, pl.plan.User.GID
	return pl.plan.User.may(h, permWriteOf(e))
}

// isByteCode says that a write is a cache of compiled code beside its source:
// programs do without.
func isByteCode(p string) bool {
	return path.Base(path.Dir(p)) == "__pycache__" || path.Base(p) == "__pycache__" || strings.HasSuffix(p, ".pyc")
}

// isState says that a program's state is kept at e: in a volume, or below the
// directories that hier(7) has for it, by all its names. A directory that holds
// kept files which nobody wrote holds code or configuration as well, and is none.
func (pl *planner) isState(e *layers.Entry) bool {
	for _, p := range e.Paths() {
		if pl.keep.Has(p) && !pl.inState(p) {
			return false
		}
	}
	return e.Type != layers.Directory || !pl.holdsUnwritten(e)
}

// inState says that p is in a place for state. What is right in /var/lib or
// /tmp belongs to many.
func (pl *planner) inState(p string) bool {
	in := func(dir string) bool { return pl.inDir(p, dir) }
	return slices.ContainsFunc(pl.config.volumes, func(v string) bool { return path.Clean("/"+v) != "/" && in(v) }) ||
		!slices.Contains(sharedDirs, p) && isStatePath(p) && slices.ContainsFunc(stateDirs, in)
}

// isStatePath says so of a path as the tree has it: a state directory that
// leads elsewhere (/var/log to /etc) makes no state of what is there.
func isStatePath(p string) bool {
	return slices.ContainsFunc(stateDirs, func(d string) bool { return below(p, d) })
}

var (
	stateDirs  = []string{"/run", "/tmp", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp"}
	sharedDirs = []string{"/tmp", "/var/lib", "/var/tmp"}
)

// inDir says that p, a path of the tree, is in what dir names there.
func (pl *planner) inDir(p, dir string) bool {
	res, err := pl.tree.Resolve(path.Clean("/" + dir))
	return err == nil && below(p, res.Entry.Path)
}

// holdsUnwritten says that a kept file below dir was not written by the workload.
func (pl *planner) holdsUnwritten(dir *layers.Entry) bool {
	for _, e := range pl.tree.Children(dir.Path) {
		if !pl.keep.Has(e.Path) {
			continue
		}
		if e.Type == layers.Directory {
			if pl.holdsUnwritten(e) {
				return true
			}
			continue
		}
		if a := pl.touched(e.Path); (e.Type == layers.Regular || e.Type == layers.Symlink) && (a == nil || !a.Has(profile.Write, profile.Create, profile.Rename, profile.Delete)) {
			return true
		}
	}
	return false
}

// give makes the user the owner of e and of all its names, and says whether
// it did.
func (pl *planner) give(e *layers.Entry, r Reason) bool {
	u := pl.plan.User
	if e.UID == u.UID && e.GID == u.GID {
		if h, ok := pl.headerAt(pl.outPath(e.Path)); ok && (h.UID != u.UID || h.GID != u.GID) {
			pl.unprovide(e.Path)
		}
		return true
	}
	if privileged(e.Header) && !pl.unsafeOwner(e, "it is setuid, setgid or has file capabilities") {
		return false
	}
	for _, p := range e.Paths() {
		if _, done := pl.owners[p]; done || !pl.keep.Has(p) {
			continue
		}
		pl.unprovide(p)
		pl.owners[p] = Ownership{Path: p, OldUID: e.UID, OldGID: e.GID, UID: u.UID, GID: u.GID, Reason: r}
	}
	return true
}

func (pl *planner) ownership() []Ownership {
	var out []Ownership
	for _, o := range pl.owners {
		o.Path, o.Reason = pl.outPath(o.Path), pl.translated([]Reason{o.Reason})[0]
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b Ownership) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// owned is e's header with the plan's change of owner.
func (pl *planner) owned(p string, h layers.Header) layers.Header {
	if o, ok := pl.owners[p]; ok {
		h.UID, h.GID = o.UID, o.GID
	}
	return h
}

// What a process asks of a file; the bits of one class of its mode.
const (
	permExec  = 1
	permWrite = 2
	permRead  = 4
)

// may says whether the user has all of want on e by owner, group and mode.
// Access control lists are not looked at: none is taken to grant anything.
func (pl *planner) may(e *layers.Entry, want uint32) bool {
	if want&permWrite != 0 {
		want |= permWriteOf(e)
	}
	h, ok := pl.headerAt(pl.outPath(e.Path))
	return ok && pl.plan.User.may(h, want)
}

// permWriteOf is what changing e takes.
func permWriteOf(e *layers.Entry) uint32 {
	if e.Type == layers.Directory {
		return permWrite | permExec
	}
	return permWrite
}

// may is path_resolution(7), "Permissions". Supplementary groups do not count:
// engines give none to a user that the config names together with its group.
func (u User) may(h layers.Header, want uint32) bool {
	switch {
	case u.UID == 0:
		return true
	case h.UID == u.UID:
		return h.Mode>>6&want == want
	case u.GID == h.GID:
		return h.Mode>>3&want == want
	}
	return h.Mode&want == want
}

func octal(mode uint32) string { return fmt.Sprintf("%04o", mode) }
