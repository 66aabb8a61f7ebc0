package slim

import (
	"fmt"
	"slices"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// checkAccess finds what the user cannot read, run or reach: an error for
// what the workload or another kept file needs, a warning for the rest.
func (pl *planner) checkAccess() error {
	if pl.plan.User.UID == 0 {
		return nil
	}
	for _, p := range pl.keptPaths() {
		if e, ok := pl.fromSource(p); ok {
			pl.checkEntry(e)
		}
	}
	return nil
}

func (pl *planner) checkEntry(e *layers.Entry) {
	want, needed := pl.wanted(e)
	if want == 0 && !needed {
		return
	}
	at, h, ok := pl.blocked(pl.outPath(e.Path), want)
	if !ok {
		return
	}
	f := Finding{
		Name: FindingUnreadable, Severity: SeverityError, Path: pl.outPath(e.Path),
		Text: fmt.Sprintf("user %d:%d cannot %s it: %s is %s, owner %d:%d", pl.plan.User.UID, pl.plan.User.GID,
			verb(want), quoted(at), octal(h.Mode), h.UID, h.GID),
		Next: fmt.Sprintf("give it to the user with --own %s, run as root with --user 0:0, or, if only root's part of the start needs it, --allow %s", quoted(at), FindingUnreadable),
	}
	if !needed {
		f.Severity = SeverityWarning
	}
	pl.finding(f)
}

func verb(want uint32) string {
	switch want {
	case 0:
		return "reach"
	case permExec:
		return "run"
	}
	return "read"
}

// wanted is what the user must be able to do with e, and whether the profile,
// the config, or another kept file says so. Whether it can write what the
// workload changed is decided already; it must get there.
func (pl *planner) wanted(e *layers.Entry) (want uint32, needed bool) {
	a := pl.touched(e.Path)
	switch e.Type {
	case layers.Directory:
		if a != nil && a.Has(profile.List) {
			want = permRead
		}
		if a != nil && a.Has(profile.Chdir) {
			want |= permExec
		}
		return want, want != 0 || pl.changed[e.Path]
	case layers.Regular:
	case layers.Symlink:
		// It is followed: the way to it must be open.
		return 0, a != nil || slices.ContainsFunc(pl.keep.Reasons(e.Path), func(r Reason) bool { return r.Rule == "link" || r.Rule == "config" })
	default:
		return 0, false
	}
	needed = pl.changed[e.Path]
	if a != nil && a.Has(profile.Exec) {
		want, needed = permExec, true
	}
	if a != nil && a.Has(profile.Open) {
		return want | permRead, true
	}
	for _, r := range pl.keep.Reasons(e.Path) {
		switch r.Rule {
		case "elf", "cpu-dispatch":
			return permRead, true
		case "script":
			return permExec, true
		case "app-dir", "config", "keep", "package", "pip", "npm", "python", "node", "reach-python", "reach-node":
			want |= permRead
		}
	}
	return want, needed
}

// blocked returns the first path on the way to p, or p itself, that the user
// may not pass or use, with what is there; false when there is none. Paths are
// the output's.
func (pl *planner) blocked(p string, want uint32) (string, layers.Header, bool) {
	for i := 0; i < len(p); i++ {
		if p[i] != '/' {
			continue
		}
		dir := p[:max(1, i)]
		if h, ok := pl.headerAt(dir); ok && !pl.plan.User.may(h, permExec) {
			return dir, h, true
		}
	}
	h, ok := pl.headerAt(p)
	return p, h, ok && !pl.plan.User.may(h, want)
}
