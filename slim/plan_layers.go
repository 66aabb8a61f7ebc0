package slim

import (
	"fmt"
	"slices"

	"github.com/pare-image/pare/layers"
)

// createdByPare begins every line of history that pare writes.
const createdByPare = "pare slim: "

// decideLayers gives every path its output layers. With LayersPreserve the
// output of source layer i holds the kept non-directories whose content it
// provides, the kept directories whose metadata it sets last, and the
// directories above those. What pare writes goes into a layer of its own on
// top, but package file lists go beside the files they name.
func (pl *planner) decideLayers() error {
	pl.placed = pl.placement()
	pl.numberLayers()
	pl.placeEntries()
	for i := range pl.plan.Layers {
		l := &pl.plan.Layers[i]
		l.CreatedBy = pl.createdBy(l)
	}
	return nil
}

// placement maps every kept path to the source layers in whose output it is;
// pareOwnLayer is the one on top.
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
	for _, p := range pl.keptPaths() {
		for _, layer := range pl.homes(p) {
			put(p, layer)
		}
	}
	return placed
}

// homes are the source layers that p itself belongs to.
func (pl *planner) homes(p string) []int {
	if pl.options.Layers == LayersSquash {
		return []int{pareOwnLayer}
	}
	if g, ok := pl.written[p]; ok {
		if len(g.Layers) > 0 {
			return g.Layers
		}
		return []int{pareOwnLayer}
	}
	e, ok := pl.tree.Lookup(p)
	if !ok || p == "/" && e.Implied {
		return nil
	}
	return []int{e.Inode.Layer}
}

// numberLayers orders the output layers: the source's, then pare's own.
func (pl *planner) numberLayers() {
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
	for i, layer := range order {
		pl.out[layer] = i
		l := Layer{Source: layer}
		if layer != pareOwnLayer {
			l.SourceDiffID = pl.plan.Source.DiffIDs[layer]
		}
		pl.plan.Layers = append(pl.plan.Layers, l)
	}
}

func (pl *planner) createdBy(l *Layer) string {
	switch {
	case pl.options.Layers == LayersSquash:
		return fmt.Sprintf(createdByPare+"%d entries of %s", l.Entries, pl.plan.Source.Digest)
	case l.Source == pareOwnLayer:
		return createdByPare + "files that pare writes: package database, accounts, loader cache"
	}
	return fmt.Sprintf(createdByPare+"%d entries of layer %d (%s) of %s", l.Entries, l.Source, l.SourceDiffID, pl.plan.Source.Digest)
}

// placeEntries lists the entries, and the copies of what pare writes.
func (pl *planner) placeEntries() {
	seen := map[*layers.Inode]bool{}
	for _, p := range pl.keptPaths() {
		var in []int
		for layer := range pl.placed[p] {
			in = append(in, pl.out[layer])
		}
		slices.Sort(in)
		if len(in) == 0 && p != "/" {
			continue
		}
		e := Entry{Path: p, Layers: in, Reasons: pl.reasons(p)}
		if g, ok := pl.written[p]; ok {
			pl.placeWritten(&e, g)
		} else if src, ok := pl.tree.Lookup(p); ok {
			pl.placeSource(&e, src)
			if seen[src.Inode] {
				e.Size = 0 // a further name of the same content
			}
			seen[src.Inode] = true
		}
		for _, i := range in {
			pl.plan.Layers[i].Entries++
			pl.plan.Layers[i].Bytes += e.Size
		}
		pl.plan.Entries = append(pl.plan.Entries, e)
	}
}

func (pl *planner) placeSource(e *Entry, src *layers.Entry) {
	h := pl.owned(src.Path, src.Header)
	e.Type, e.Mode, e.UID, e.GID, e.Size, e.Source = h.Type.String(), octal(h.Mode), h.UID, h.GID, h.Size, src.Inode.Layer
	if owner, ok := pl.packages.Owner(src.Path); ok {
		e.Package = owner.ID()
	}
}

func (pl *planner) placeWritten(e *Entry, g Generated) {
	e.Type, e.Mode, e.UID, e.GID, e.Size, e.Source = g.Type.String(), octal(g.Mode), g.UID, g.GID, g.Size, -1
	e.Package = g.Package
	for _, i := range e.Layers {
		content := g.Content
		if source := pl.plan.Layers[i].Source; source != pareOwnLayer && g.Package != "" {
			content = pl.listIn(g, source)
		}
		pl.plan.Generated = append(pl.plan.Generated, File{
			Path: g.Path, Layer: i, Type: g.Type.String(), Mode: octal(g.Mode), UID: g.UID, GID: g.GID, ModTime: g.ModTime, Content: content,
		})
	}
}

func (pl *planner) reasons(p string) []Reason {
	rs := pl.keep.Reasons(p)
	return rs[:min(len(rs), maxPlanReason)]
}
