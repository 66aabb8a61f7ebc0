package rebase

import (
	"context"
	"fmt"
	"path"

	"github.com/pare-image/pare/layers"
)

// checkStructure wants links and directories of the new base to stay what they
// are: a directory of an upper layer over a link (/bin of an image made before
// usr-merge) takes all that was behind the link away.
var checkStructure = check{name: FindingStructure, run: func(_ context.Context, s *scene) ([]Finding, error) {
	var out []Finding
	for base := range s.base.All() {
		e, ok := s.next.Lookup(base.Path)
		if !ok || base.Type == e.Type || base.Type != layers.Directory && e.Type != layers.Directory && !leadsToDirectory(s.base, base) {
			continue
		}
		if old, ok := s.old.Lookup(e.Path); ok && old.Type == base.Type {
			continue // it was so before
		}
		out = append(out, Finding{
			Name: FindingStructure, Severity: SeverityError, Path: utf8Path(e.Path), Layer: s.layerBelow(e),
			Text: fmt.Sprintf("an upper layer has a %s where the new base has a %s: what the base keeps there is lost", kindOf(e), kindOf(base)),
			Next: "build the image anew on this base",
		})
	}
	return out, nil
}}

func leadsToDirectory(t *layers.Tree, e *layers.Entry) bool {
	r, err := t.Resolve(e.Path)
	return err == nil && r.Entry.Type == layers.Directory
}

func kindOf(e *layers.Entry) string {
	if e.Type == layers.Symlink {
		return "link"
	}
	return e.Type.String()
}

// layerBelow is the upper layer of app that brings e, or for a directory that
// no layer lists the first that has something below it.
func (s *scene) layerBelow(e *layers.Entry) *int {
	if !e.Implied {
		return s.layerOfApp(e.Layer)
	}
	for _, k := range s.next.Children(e.Path) {
		if at := s.layerBelow(k); at != nil {
			return at
		}
	}
	return nil
}

// checkHidden names what the new base adds and a whiteout or an opaque
// directory of an upper layer hides.
var checkHidden = check{name: FindingHidden, run: func(_ context.Context, s *scene) ([]Finding, error) {
	type hidden struct {
		first string
		n     int
	}
	by := map[layers.Marker]*hidden{}
	hides := hidersOf(s.app, s.seam)
	for e := range s.base.All() {
		if e.Type == layers.Directory {
			continue
		}
		if _, there := s.next.Lookup(e.Path); there {
			continue
		}
		if _, had := s.old.Lookup(e.Path); had {
			continue // the image took it away on purpose
		}
		m, ok := hides(e.Path)
		if !ok {
			continue
		}
		if by[m] == nil {
			by[m] = &hidden{first: e.Path}
		}
		by[m].n++
	}
	var out []Finding
	for m, h := range by {
		what := "a whiteout"
		if m.Opaque {
			what = "an opaque directory"
		}
		out = append(out, Finding{
			Name: FindingHidden, Severity: SeverityWarning, Path: utf8Path(m.Path), Layer: &m.Layer,
			Text: fmt.Sprintf("%s hides %d files that the new base adds, %q first", what, h.n, h.first),
			Next: "if the image needs them, build it anew on this base",
		})
	}
	return out, nil
}}

// hidersOf finds the marker of an upper layer of the image, those from seam on,
// that hides a path.
func hidersOf(app *layers.Tree, seam int) func(p string) (layers.Marker, bool) {
	gone, opaque := map[string]layers.Marker{}, map[string]layers.Marker{}
	for _, m := range app.Markers() {
		switch {
		case m.Layer < seam:
		case m.Opaque:
			opaque[m.Path] = m
		default:
			gone[m.Path] = m
		}
	}
	return func(p string) (layers.Marker, bool) {
		if m, ok := gone[p]; ok {
			return m, true
		}
		for dir := path.Dir(p); ; dir = path.Dir(dir) {
			if m, ok := opaque[dir]; ok {
				return m, true
			}
			if m, ok := gone[dir]; ok {
				return m, true
			}
			if dir == "/" {
				return layers.Marker{}, false
			}
		}
	}
}
