package slim

import (
	"fmt"
	"slices"

	"github.com/pare-image/pare/layers"
)

// createdByPare begins every line of history that pare writes.
const createdByPare = "pare slim: "

// output is one path of the output before it has layers.
type output struct {
	source *layers.Entry // that is carried; nil for none
	base   *layers.Entry // nil where the base has nothing, and on scratch
	from   string        // the source's path, where it is another
	why    []Reason
}

// decideLayers gives every path its output layers. With LayersPreserve the
// output of source layer i holds the kept non-directories whose content it
// provides, the kept directories whose metadata it sets last, and the
// directories above those. What pare writes goes into a layer of its own on
// top, but package file lists go beside the files they name. What a base has
// is in its layers, and is not carried again.
func (pl *planner) decideLayers() error {
	pl.listOutputs()
	pl.placed = pl.placement()
	pl.numberLayers()
	if err := pl.placeEntries(); err != nil {
		return err
	}
	for i := range pl.plan.Layers {
		l := &pl.plan.Layers[i]
		l.CreatedBy = pl.createdBy(l)
	}
	return nil
}

// listOutputs finds what is at every path of the output.
func (pl *planner) listOutputs() {
	pl.outputs = map[string]*output{}
	at := func(p string) *output {
		if pl.outputs[p] == nil {
			pl.outputs[p] = &output{}
		}
		return pl.outputs[p]
	}
	if pl.onBase() {
		for e := range pl.base.Tree.All() {
			at(e.Path).base = e
		}
	}
	for _, p := range pl.keptPaths() {
		to := pl.outPath(p)
		o := at(to)
		o.why = append(o.why, pl.reasons(p)...)
		if e, ok := pl.tree.Lookup(p); ok && pl.carries(p) {
			o.source = e
		}
		if p != to && (o.from == "" || o.source != nil && o.source.Path == p) {
			o.from = p
		}
	}
	for p := range pl.written {
		at(p)
	}
	for p, o := range pl.outputs {
		if g, ok := pl.written[p]; ok && pl.onBase() {
			o.why = append(pl.translated([]Reason{g.Reason}), o.why...)
		} else if o.base != nil && o.source == nil {
			o.why = append([]Reason{{Rule: ruleBase}}, o.why...)
		}
		o.why = o.why[:min(len(o.why), maxPlanReason)]
	}
}

// carries says that the output has the source's own entry of a kept path.
func (pl *planner) carries(p string) bool {
	if _, ok := pl.written[pl.outPath(p)]; ok {
		return false
	}
	if !pl.onBase() {
		return true
	}
	x := pl.by[pl.outPath(p)]
	return x != nil && !x.Base && x.Source.Path == p
}

// placement maps every path of the output to the source layers in whose
// output it is; pareOwnLayer is the one on top. What the base has alone is in
// none.
func (pl *planner) placement() map[string]map[int]bool {
	placed := map[string]map[int]bool{}
	var put func(p string, layer int)
	put = func(p string, layer int) {
		if placed[p] == nil {
			placed[p] = map[int]bool{}
		}
		if placed[p][layer] {
			return
		}
		placed[p][layer] = true
		if p != "/" {
			put(parentOf(p), layer)
		}
	}
	for _, p := range sortedKeys(pl.outputs) {
		for _, layer := range pl.homes(p, pl.outputs[p]) {
			put(p, layer)
		}
	}
	return placed
}

// homes are the source layers that p itself belongs to.
func (pl *planner) homes(p string, o *output) []int {
	g, written := pl.written[p]
	switch {
	case !written && o.source == nil && pl.onBase():
		return nil
	case pl.options.Layers == LayersSquash:
		return []int{pareOwnLayer}
	case written && len(g.Layers) > 0:
		return g.Layers
	case written:
		return []int{pareOwnLayer}
	case o.source == nil || p == "/" && o.source.Implied:
		return nil
	}
	return []int{o.source.Inode.Layer}
}

// numberLayers orders the output layers: the base's, the source's, then pare's
// own.
func (pl *planner) numberLayers() {
	if pl.onBase() {
		for i, l := range pl.base.Tree.Layers() {
			pl.plan.Layers = append(pl.plan.Layers, Layer{Base: true, Source: i, SourceDiffID: l.DiffID.String()})
		}
	}
	used := map[int]bool{}
	for _, in := range pl.placed {
		for layer := range in {
			used[layer] = true
		}
	}
	order := sortedKeys(used)
	if len(order) > 0 && order[0] == pareOwnLayer {
		order = append(order[1:], pareOwnLayer)
	}
	pl.out = map[int]int{}
	for _, layer := range order {
		pl.out[layer] = len(pl.plan.Layers)
		l := Layer{Source: layer}
		if layer != pareOwnLayer {
			l.SourceDiffID = pl.plan.Source.DiffIDs[layer]
		}
		pl.plan.Layers = append(pl.plan.Layers, l)
	}
}

func (pl *planner) createdBy(l *Layer) string {
	switch {
	case l.Base:
		return fmt.Sprintf("layer %d of the base %s", l.Source, pl.base.Digest)
	case pl.options.Layers == LayersSquash:
		return fmt.Sprintf(createdByPare+"%d entries of %s", l.Entries, pl.plan.Source.Digest)
	case l.Source == pareOwnLayer:
		return createdByPare + "files that pare writes: package database, accounts, loader cache"
	}
	return fmt.Sprintf(createdByPare+"%d entries of layer %d (%s) of %s", l.Entries, l.Source, l.SourceDiffID, pl.plan.Source.Digest)
}

// placeEntries lists the entries, and the copies of what pare writes.
func (pl *planner) placeEntries() error {
	seen := map[*layers.Inode]bool{}
	for _, p := range sortedKeys(pl.outputs) {
		o := pl.outputs[p]
		e := Entry{Path: p, From: o.from, Layers: pl.layersOfOutput(p, o), Reasons: o.why}
		if len(e.Layers) == 0 && p != "/" && o.base == nil {
			continue
		}
		node := pl.describe(&e, o)
		if node != nil && seen[node] {
			e.Size = 0 // a further name of the same content
		}
		seen[node] = true
		if err := pl.countLayers(&e, o); err != nil {
			return err
		}
		pl.plan.Entries = append(pl.plan.Entries, e)
	}
	return nil
}

// layersOfOutput are the output layers that name p: of the base, and pare's.
func (pl *planner) layersOfOutput(p string, o *output) []int {
	var in []int
	if o.base != nil {
		in = append(in, o.base.Touched...)
	}
	for layer := range pl.placed[p] {
		in = append(in, pl.out[layer])
	}
	slices.Sort(in)
	return in
}

// describe says what is at e's path, and of which node; nil where pare writes
// it.
func (pl *planner) describe(e *Entry, o *output) *layers.Inode {
	h, node := layers.Header{}, (*layers.Inode)(nil)
	e.Source, e.Over = -1, o.base != nil && o.base.Type != layers.Directory
	g, written := pl.written[e.Path]
	switch {
	case written:
		h, e.Package = g.Header, g.Package
	case o.source != nil:
		h, node, e.Source = pl.owned(o.source.Path, o.source.Header), o.source.Inode, o.source.Inode.Layer
		if owner, ok := pl.packages.Owner(o.source.Path); ok {
			e.Package = owner.ID()
		}
	case o.base != nil:
		h, node, e.Base, e.Over = o.base.Header, o.base.Inode, true, false
		if owner, ok := pl.theirs.Owner(e.Path); ok {
			e.Package = owner.ID()
		}
	}
	e.Type, e.Mode, e.UID, e.GID, e.Size = h.Type.String(), octal(h.Mode), h.UID, h.GID, h.Size
	return node
}

// countLayers adds e to its layers, and copies of what pare writes to the
// plan. Content of the base counts in the layer that provides it.
func (pl *planner) countLayers(e *Entry, o *output) error {
	for _, i := range e.Layers {
		l := &pl.plan.Layers[i]
		l.Entries++
		if !l.Base || o.base != nil && e.Base && o.base.Inode.Layer == l.Source {
			l.Bytes += e.Size
		}
	}
	if g, ok := pl.written[e.Path]; ok {
		return pl.copyWritten(e, g)
	}
	return nil
}

func (pl *planner) copyWritten(e *Entry, g Generated) error {
	for _, i := range e.Layers {
		l := &pl.plan.Layers[i]
		if l.Base {
			continue
		}
		content := g.Content
		if l.Source != pareOwnLayer && g.Package != "" {
			var err error
			if content, err = pl.listIn(g, l.Source); err != nil {
				return err
			}
		}
		pl.plan.Generated = append(pl.plan.Generated, File{
			Path: g.Path, Layer: i, Type: g.Type.String(), Mode: octal(g.Mode), UID: g.UID, GID: g.GID, ModTime: g.ModTime, Content: content, Target: g.Linkname,
		})
	}
	return nil
}

// reasons are why a path of the source is kept, as the plan says it.
func (pl *planner) reasons(p string) []Reason {
	rs := pl.keep.Reasons(p)
	return pl.translated(rs[:min(len(rs), maxPlanReason)])
}
