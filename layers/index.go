package layers

import (
	"fmt"
	"slices"
	"strings"
)

type recordKind byte

const (
	recordEntry recordKind = iota + 1
	recordLink
	recordWhiteout
	recordOpaque
)

// record is one entry of a layer, in the layer's order. For a whiteout, path
// is what it hides; for an opaque marker, the directory.
type record struct {
	path string
	node *Inode // nil for all but recordEntry
	kind recordKind
}

// layerIndex is all that is kept of a layer besides wanted content.
type layerIndex struct {
	facts    facts
	cost     cost
	records  []record
	links    map[int]string // hard-link targets as the layer has them, by record
	warnings warnings
}

// markers lists what the layer takes away, sorted.
func (x *layerIndex) markers(layer int) []Marker {
	var out []Marker
	for _, r := range x.records {
		if r.kind == recordWhiteout || r.kind == recordOpaque {
			out = append(out, Marker{Layer: layer, Path: r.path, Opaque: r.kind == recordOpaque})
		}
	}
	slices.SortFunc(out, func(a, b Marker) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// inodes hands out nodes from chunks: a million separate objects cost the
// collector more than they hold.
type inodes struct{ chunk []Inode }

func (a *inodes) new() *Inode {
	if len(a.chunk) == 0 {
		a.chunk = make([]Inode, 256)
	}
	n := &a.chunk[0]
	a.chunk = a.chunk[1:]
	return n
}

// maxWarnings is how many warnings of one name a layer may raise before they
// are only counted.
const maxWarnings = 100

// warnings collects them, bounded.
type warnings struct {
	list  []Warning
	count map[string]int
}

func (w *warnings) add(layer int, name, path, format string, args ...any) {
	if w.count == nil {
		w.count = map[string]int{}
	}
	w.count[name]++
	if w.count[name] <= maxWarnings {
		w.list = append(w.list, Warning{Layer: layer, Path: path, Name: name, Text: fmt.Sprintf(format, args...)})
	}
}

// sorted returns the warnings by path, with the counts of what was left out.
func (w *warnings) sorted(layer int) []Warning {
	list := slices.Clone(w.list)
	for name, n := range w.count {
		if n > maxWarnings {
			list = append(list, Warning{Layer: layer, Path: "", Name: name, Text: fmt.Sprintf("and %d more of these", n-maxWarnings)})
		}
	}
	slices.SortStableFunc(list, compareWarnings)
	return list
}

func compareWarnings(a, b Warning) int {
	if a.Layer != b.Layer {
		return a.Layer - b.Layer
	}
	if c := strings.Compare(a.Path, b.Path); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}
