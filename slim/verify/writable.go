package verify

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// The kinds of writable place.
const (
	Tmpfs  = "tmpfs"  // empty at the start
	Volume = "volume" // has the image's content at the start
)

// Writable is a directory that can be written under a read-only root.
type Writable struct {
	Path   string `json:"path"` // as [Text]
	How    string `json:"how"`  // Tmpfs or Volume
	Reason string `json:"reason"`

	path string
}

// Unmet is what the recorded workload did that these conditions do not allow.
type Unmet struct {
	Path string `json:"path,omitempty"` // as [Text]
	Text string `json:"text"`
	Next string `json:"next"`
}

// need is what the changes in one directory take together.
type need struct {
	dir     string
	changes []change
}

// writable finds the smallest set of directories that let the workload change
// what it changed, sorted by path. declared are the image's volumes.
func writable(t *layers.Tree, p *profile.Profile, declared []string) ([]Writable, []Unmet) {
	needs, unmet := needsOf(t, changes(t, p), declared)
	touched := touchedDirs(t, p)
	var out []Writable
	for _, dir := range slices.Sorted(maps.Keys(needs)) {
		n := needs[dir]
		if _, inImage := t.Lookup(dir); inImage && coveredBy(out, dir) {
			continue // a volume above it has it too
		}
		w := Writable{path: dir, Path: Text(dir), How: Tmpfs, Reason: n.reason()}
		if hidden := contentOf(t, dir, touched, needs, declared); hidden != "" {
			w.How = Volume
			w.Reason += "; a tmpfs would hide what the image has there, such as " + Text(hidden)
		}
		out = append(out, w)
	}
	return out, unmet
}

// coveredBy says that dir lies in a volume.
func coveredBy(ws []Writable, dir string) bool {
	return slices.ContainsFunc(ws, func(w Writable) bool { return w.How == Volume && below(dir, w.path) })
}

func needsOf(t *layers.Tree, cs []change, declared []string) (map[string]*need, []Unmet) {
	needs := map[string]*need{}
	var unmet []Unmet
	for _, c := range cs {
		if c.dir == "/" && !c.mountable(t, cs) {
			unmet = append(unmet, Unmet{
				Path: Text(c.itself), Text: fmt.Sprintf("the workload %s %s in the root directory, which is read-only", c.verb(), Text(c.from.Path)),
				Next: "have it write elsewhere, or allow it with --writable-root",
			})
			continue
		}
		if slices.ContainsFunc(declared, func(v string) bool { return below(c.dir, v) }) {
			continue
		}
		n := needs[c.dir]
		if n == nil {
			n = &need{dir: c.dir}
			needs[c.dir] = n
		}
		n.changes = append(n.changes, c)
	}
	return needs, unmet
}

// mountable moves a change of the root into the directory that the workload
// made there, if that is what it did.
func (c *change) mountable(t *layers.Tree, all []change) bool {
	first, _, deeper := strings.Cut(c.itself[1:], "/")
	top := "/" + first
	if _, ok := t.Lookup(top); ok || top == "/" {
		return false
	}
	deeper = deeper || slices.ContainsFunc(all, func(o change) bool { return o.itself != top && below(o.itself, top) })
	if deeper {
		c.dir = top
	}
	return deeper
}

// contentOf names something of the image below dir that a tmpfs would hide
// and that somebody would miss: a file, or a directory that the workload
// used. Directories that become mounts themselves are there all the same.
func contentOf(t *layers.Tree, dir string, touched map[string]bool, needs map[string]*need, declared []string) string {
	for _, e := range t.Children(dir) {
		if slices.Contains(declared, e.Path) {
			continue
		}
		if e.Type != layers.Directory {
			return e.Path
		}
		if hidden := contentOf(t, e.Path, touched, needs, declared); hidden != "" {
			return hidden
		}
		if touched[e.Path] && !leadsTo(e.Path, needs) {
			return e.Path
		}
	}
	return ""
}

// leadsTo says that a place is dir or lies below it, so that mounting it makes
// dir.
func leadsTo(dir string, needs map[string]*need) bool {
	for d := range needs {
		if below(d, dir) {
			return true
		}
	}
	return false
}

// touchedDirs are the directories of the image that the workload used
// otherwise than by making sure that they are there.
func touchedDirs(t *layers.Tree, p *profile.Profile) map[string]bool {
	out := map[string]bool{}
	for i := range p.Accesses {
		a := &p.Accesses[i]
		if !a.Exists || !slices.ContainsFunc(a.Kinds, func(k profile.Kind) bool { return k != profile.Create }) {
			continue
		}
		if res, err := t.Resolve(a.Path); err == nil && res.Entry.Type == layers.Directory {
			out[res.Entry.Path] = true
		}
	}
	return out
}

// reason names the first change.
func (n *need) reason() string {
	c := n.changes[0]
	text := fmt.Sprintf("the workload %s %s", c.verb(), Text(c.from.Path))
	if more := len(n.changes) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// verb is what was done, the strongest first.
func (c *change) verb() string {
	for _, v := range []struct {
		kind profile.Kind
		text string
	}{{profile.Create, "made"}, {profile.Rename, "renamed"}, {profile.Delete, "removed"}} {
		if c.from.Has(v.kind) {
			return v.text
		}
	}
	return "wrote"
}

// override puts what the user asked for in the place of what was derived.
func override(t *layers.Tree, ws []Writable, how, flag string, dirs []string) ([]Writable, error) {
	for _, d := range dirs {
		p := path.Clean("/" + d)
		if res, err := t.Resolve(p); err == nil {
			p = res.Entry.Path
		}
		if p == "/" || mounted(p) || strings.ContainsRune(p, 0) {
			return nil, fmt.Errorf("%s %s: no directory that can be mounted; name one below the root, and not in /proc, /sys or /dev", flag, Text(d))
		}
		ws = slices.DeleteFunc(ws, func(w Writable) bool { return w.path == p })
		ws = append(ws, Writable{path: p, Path: Text(p), How: how, Reason: "asked for with " + flag})
	}
	slices.SortFunc(ws, func(a, b Writable) int { return strings.Compare(a.path, b.path) })
	return ws, nil
}
