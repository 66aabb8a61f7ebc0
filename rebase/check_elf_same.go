package rebase

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// affected are those of the files for which the loader would load anything
// else in next than in app: only they can lack what they did not lack before.
// Of most moves that is a few, and no file's symbols are read for the others.
func (c *elfCheck) affected(ctx context.Context, paths []string) ([]string, error) {
	var out, alike []string
	loaded := map[string][]elfdeps.File{}
	compare := map[string]bool{}
	for _, p := range paths {
		is, err := c.onNew.Load(p)
		if err != nil {
			return nil, err
		}
		was, err := c.onOld.Load(p)
		if err != nil {
			return nil, err
		}
		if !slices.EqualFunc(is.Files, was.Files, sameFile) || !slices.Equal(is.Missing, was.Missing) {
			out = append(out, p)
			continue
		}
		alike, loaded[p] = append(alike, p), is.Files
		for _, f := range is.Files {
			compare[f.Final] = true
		}
	}
	changed, err := c.changedFiles(ctx, slices.Sorted(maps.Keys(compare)))
	if err != nil {
		return nil, err
	}
	for _, p := range alike {
		if slices.ContainsFunc(loaded[p], func(f elfdeps.File) bool { return changed[f.Final] }) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out, nil
}

func sameFile(a, b elfdeps.File) bool { return a.Path == b.Path && a.Final == b.Final }

// changedFiles are those of the paths at which next has another file than app,
// as far as the loader is concerned: most patches of a library leave its
// symbols as they were.
func (c *elfCheck) changedFiles(ctx context.Context, paths []string) (map[string]bool, error) {
	changed := map[string]bool{}
	var again []string // to be compared byte by byte
	var is, was []*layers.Inode
	for _, p := range paths {
		a, ok := c.next.Lookup(p)
		b, had := c.app.Lookup(p)
		switch {
		case !ok || !had || a.Type != b.Type:
			changed[p] = true
		case !c.ofOneLayer(a.Inode, b.Inode):
			again, is, was = append(again, p), append(is, a.Inode), append(was, b.Inode)
		}
	}
	for _, x := range []struct {
		tree  *layers.Tree
		nodes []*layers.Inode
	}{{c.next, is}, {c.app, was}} {
		if err := x.tree.Prefetch(ctx, x.nodes); err != nil {
			return nil, fmt.Errorf("checking ELF files: %w", err)
		}
	}
	for i, p := range again {
		same, err := c.next.SameContent(is[i], c.app, was[i])
		if err != nil {
			return nil, fmt.Errorf("comparing %q: %w", p, err)
		}
		changed[p] = !same && !c.sameSymbols(p)
	}
	return changed, nil
}

// sameSymbols says that the ELF files at p give and want the same in both
// trees. Files that cannot be read are not the same.
func (c *elfCheck) sameSymbols(p string) bool {
	next, app := layers.ELFTree{Tree: c.next}, layers.ELFTree{Tree: c.app}
	x, y := next.ELF(p), app.ELF(p)
	if x == nil || y == nil || x.Type != y.Type || x.Interp != y.Interp || x.Soname != y.Soname {
		return false
	}
	a, err := next.Symbols(p)
	if err != nil {
		return false
	}
	b, err := app.Symbols(p)
	return err == nil && a.Versioned == b.Versioned && slices.Equal(a.Imports, b.Imports) && slices.Equal(a.Exports, b.Exports) &&
		slices.Equal(a.Needs, b.Needs) && slices.Equal(a.Versions, b.Versions)
}

// ofOneLayer says that both are what one and the same upper layer brings, which
// the move does not touch.
func (c *elfCheck) ofOneLayer(a, b *layers.Inode) bool {
	at := c.layerOfApp(a.Layer)
	return at != nil && *at == b.Layer
}
