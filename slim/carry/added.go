package carry

import (
	"path"

	"github.com/pare-image/pare/layers"
)

// added are the files that the new image has beside some that were opened or
// run, and the recorded one had not.
func (c *carrier) added() []string {
	mapped := map[string]bool{}
	for _, p := range c.result.Appeared {
		mapped[p] = true
	}
	for _, to := range c.to {
		if dir := c.lookup(path.Dir(to)); dir != nil {
			mapped[path.Join(dir.Path, path.Base(to))] = true
		}
		if e := c.lookup(to); e != nil {
			mapped[e.Path] = true
		}
	}
	moved := c.movedDirectories()
	var out []string
	for _, d := range c.old.Directories {
		at := d.Path
		if to, ok := moved[at]; ok {
			at = to
		}
		dir := c.lookup(at)
		if dir == nil || dir.Type != layers.Directory {
			continue
		}
		was := map[string]bool{}
		for _, n := range d.Names {
			was[n] = true
			for _, m := range c.words.names(n) {
				was[m] = true
			}
		}
		for _, n := range fileNames(c.tree, dir.Path) {
			if p := path.Join(dir.Path, n); !was[n] && !mapped[p] {
				out = append(out, p)
			}
		}
	}
	return out
}

// movedDirectories are the directories of files that were mapped to files of
// another one.
func (c *carrier) movedDirectories() map[string]string {
	out := map[string]string{}
	for _, from := range sortedKeys(c.to) {
		at, to := path.Dir(from), path.Dir(c.to[from])
		if real, ok := c.oldReal[at]; ok {
			at = real
		}
		if at != to && c.lookup(at) == nil {
			out[at] = to
		}
	}
	return out
}
