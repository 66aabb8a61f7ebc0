package onbase

import (
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
)

// placer says where in the output a path of the source lies. Links between
// directories that only one side has (/lib to usr/lib after usr-merge) make
// one file's place differ.
type placer struct {
	source, base *layers.Tree
	aliases      []alias
	dirs         map[string]string // of the source, memoized; "" for none
}

// alias is a directory of the base that is a symlink in the source.
type alias struct{ link, target string }

func newPlacer(source, base *layers.Tree) *placer {
	p := &placer{source: source, base: base, dirs: map[string]string{"/": "/"}}
	for _, e := range source.Children("/") {
		b, ok := base.Lookup(e.Path)
		if e.Type != layers.Symlink || !ok || b.Type != layers.Directory {
			continue
		}
		if r, err := source.Resolve(e.Path); err == nil && r.Entry.Type == layers.Directory && r.Entry.Path != "/" {
			p.aliases = append(p.aliases, alias{e.Path, r.Entry.Path})
		}
	}
	return p
}

// place is where the output has the source's path: in the directory that the
// base's links make of its own, else, where the base has something of that
// name only behind what is a link in the source, there. ok is false where the
// base has no directory on the way.
func (p *placer) place(name string) (at string, ok bool) {
	dir, ok := p.directory(path.Dir(name))
	if !ok {
		return name, false
	}
	at = path.Join(dir, path.Base(name))
	if _, have := p.base.Lookup(at); have {
		return at, true
	}
	if other, have := p.alias(name); have {
		return other, true
	}
	return at, true
}

// directory is where the source's directory is; ok is false where the base
// has something else there.
func (p *placer) directory(name string) (string, bool) {
	if at, known := p.dirs[name]; known {
		return at, at != ""
	}
	at := ""
	if parent, ok := p.directory(path.Dir(name)); ok {
		at = path.Join(parent, path.Base(name))
		if e, have := p.base.Lookup(at); have && e.Type != layers.Directory {
			at = ""
			if r, err := p.base.Resolve(e.Path); err == nil && r.Entry.Type == layers.Directory {
				at = r.Entry.Path
			}
		}
	}
	p.dirs[name] = at
	return at, at != ""
}

// alias is the base's entry for a path by the name that it has through a link
// of the source.
func (p *placer) alias(name string) (string, bool) {
	for _, a := range p.aliases {
		rest, below := strings.CutPrefix(name, a.target+"/")
		if !below {
			continue
		}
		at := path.Join(a.link, rest)
		if r, err := p.base.ResolveLink(at); err == nil {
			return r.Entry.Path, true
		}
	}
	return "", false
}
