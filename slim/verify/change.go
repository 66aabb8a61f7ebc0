package verify

import (
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// change is one path that the recorded workload changed, and what that takes
// of the image: dir must be writable.
type change struct {
	from *profile.Access
	dir  string // an absolute directory, symlinks resolved; it need not be in the tree
	// itself is where the path ends: a directory at the root that the
	// workload made can be mounted, though the root cannot.
	itself string
}

// changes are what the profile says was written, made, removed or renamed.
// Left out is what needs nothing of the image: file systems of the kernel,
// caches of compiled code, names that were not there to be removed, and what
// no user of the recording may have been able to do.
func changes(t *layers.Tree, p *profile.Profile) []change {
	byPath := map[string]*profile.Access{}
	for i := range p.Accesses {
		byPath[p.Accesses[i].Path] = &p.Accesses[i]
	}
	who := writers(p)
	var out []change
	for i := range p.Accesses {
		a := &p.Accesses[i]
		if !isChange(a) || mounted(a.Path) || isCache(a.Path) {
			continue
		}
		if c, ok := place(t, a, byPath); ok && !mounted(c.itself) && who.could(t, c) {
			out = append(out, c)
		}
	}
	return out
}

// isCache says that a write is a cache of compiled code beside its source:
// the program does without.
func isCache(p string) bool {
	return strings.Contains(p+"/", "/__pycache__/") || strings.HasSuffix(p, ".pyc")
}

// place says where an access changed something.
func place(t *layers.Tree, a *profile.Access, byPath map[string]*profile.Access) (change, bool) {
	c := change{from: a}
	removed := a.Has(profile.Delete, profile.Rename)
	resolve := t.Resolve
	if removed {
		resolve = t.ResolveLink // a name, not what it leads to
	}
	if res, err := resolve(a.Path); err == nil {
		c.itself, c.dir = res.Entry.Path, path.Dir(res.Entry.Path)
		if a.Has(profile.Write) && res.Entry.Type == layers.Directory && !removed {
			c.dir = c.itself // its mode or owner
			return c, true
		}
		return c, removed || a.Has(profile.Write)
	}
	if !a.Exists && !a.Has(profile.Create, profile.Rename) {
		return c, false // nothing was there, and nothing came of it
	}
	return c, c.made(t, byPath)
}

// made finds the directory in which a path that the tree lacks was made: the
// parent of the first name on the way that the workload itself made.
func (c *change) made(t *layers.Tree, byPath map[string]*profile.Access) bool {
	asked := path.Clean(c.from.Path)
	for i := 1; i <= len(asked); i++ {
		if i < len(asked) && asked[i] != '/' {
			continue
		}
		res, err := t.Resolve(asked[:i])
		if err == nil && res.Entry.Type == layers.Directory {
			continue
		}
		if err == nil || res.Missing == "" {
			return false // a file on the way, or links without end
		}
		rest := asked[i:]
		c.dir, c.itself = path.Dir(res.Missing), path.Join(res.Missing, rest)
		for at := i; at < len(asked); {
			if a := byPath[asked[:at]]; a != nil && a.Has(profile.Create, profile.Rename) {
				break // made here, with all below
			}
			c.dir = path.Join(res.Missing, asked[i:at])
			at += 1 + strings.IndexByte(asked[at+1:]+"/", '/')
		}
		return true
	}
	return false
}
