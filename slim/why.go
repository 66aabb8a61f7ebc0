package slim

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// ErrNotInImage says that a plan knows no such path.
var ErrNotInImage = errors.New("the image has no such path")

// Explanation is why a path is in the output, or is not.
type Explanation struct {
	Path string `json:"path"` // quoted when not UTF-8
	Kept bool   `json:"kept"`
	// Chain leads from the path to what began it: each step's reason names
	// the next step's path. Empty when the path is dropped.
	Chain []Step `json:"chain,omitempty"`
	// Others are further reasons for the path itself.
	Others  []Reason   `json:"others,omitempty"`
	Package string     `json:"package,omitempty"`
	Size    int64      `json:"size"`
	Layers  []int      `json:"layers,omitempty"` // output layers
	Dropped string     `json:"dropped,omitempty"`
	Owner   *Ownership `json:"owner,omitempty"` // change of owner, if any
}

// Step is one link of a chain of reasons.
type Step struct {
	Path   string `json:"path"`
	Reason Reason `json:"reason"`
}

// Why explains one path. An unknown one gives ErrNotInImage.
func (p *Plan) Why(name string) (Explanation, error) {
	name = path.Clean("/" + name)
	if e, ok := p.entry(name); ok {
		return p.explain(e), nil
	}
	i, ok := slices.BinarySearchFunc(p.Dropped, name, func(d Dropped, name string) int { return strings.Compare(d.Path, name) })
	if !ok {
		return Explanation{}, fmt.Errorf("%w: %s; symlinks are not followed: ask for the path that ls -l in the image shows", ErrNotInImage, quoted(name))
	}
	d := p.Dropped[i]
	x := Explanation{Path: quoted(d.Path), Package: d.Package, Size: d.Size, Dropped: "no rule keeps it"}
	if d.Rule != "" {
		x.Dropped = d.Rule
	}
	return x, nil
}

func (p *Plan) entry(name string) (*Entry, bool) {
	i, ok := slices.BinarySearchFunc(p.Entries, name, func(e Entry, name string) int { return strings.Compare(e.Path, name) })
	if !ok {
		return nil, false
	}
	return &p.Entries[i], true
}

func (p *Plan) explain(e *Entry) Explanation {
	x := Explanation{Path: quoted(e.Path), Kept: true, Package: e.Package, Size: e.Size, Layers: e.Layers, Others: e.Reasons[1:]}
	for i := range p.Ownership {
		if p.Ownership[i].Path == e.Path {
			x.Owner = &p.Ownership[i]
		}
	}
	seen := map[string]bool{}
	for ok := true; ok && !seen[e.Path]; {
		seen[e.Path] = true
		r := e.Reasons[0]
		x.Chain = append(x.Chain, Step{Path: quoted(e.Path), Reason: r})
		e, ok = p.next(r)
	}
	return x
}

// next is the entry that a reason comes from.
func (p *Plan) next(r Reason) (*Entry, bool) {
	if !strings.HasPrefix(r.From, "/") {
		return nil, false
	}
	return p.entry(r.From)
}
