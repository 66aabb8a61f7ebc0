package slim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/onbase"
)

// Build makes the image that the plan describes from the tree it was made
// for. It decides nothing. Layers are files in dir, which the caller removes
// when the image is no longer needed.
func Build(ctx context.Context, t *layers.Tree, p *Plan, dir string) (v1.Image, error) {
	return BuildOn(ctx, t, nil, p, dir)
}

// BuildOn is Build on the base that the plan was made for; nil is scratch.
// Another base is refused (ErrPlan).
func BuildOn(ctx context.Context, t *layers.Tree, base *Base, p *Plan, dir string) (v1.Image, error) {
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if d := t.Digest().String(); d != p.Source.Digest || len(t.Layers()) != len(p.Source.DiffIDs) {
		return nil, fmt.Errorf("%w: made for %s, this image is %s", ErrPlan, p.Source.Digest, d)
	}
	if err := base.check(p); err != nil {
		return nil, err
	}
	b := &builder{tree: t, base: base, plan: p, owners: map[string]Ownership{}, written: map[writtenKey]*File{}}
	if err := b.index(ctx); err != nil {
		return nil, fmt.Errorf("building: %w", err)
	}
	img, err := b.ground()
	if err != nil {
		return nil, fmt.Errorf("building: %w", err)
	}
	for i := range p.Layers {
		if p.Layers[i].Base {
			continue
		}
		if img, err = b.append(ctx, img, i, dir); err != nil {
			return nil, fmt.Errorf("building layer %d: %w", i, err)
		}
	}
	return mutate.Annotations(img, p.Annotations).(v1.Image), nil
}

type builder struct {
	tree    *layers.Tree
	base    *Base // nil on scratch
	plan    *Plan
	owners  map[string]Ownership
	written map[writtenKey]*File
}

type writtenKey struct {
	path  string
	layer int
}

// index makes the plan easy to look up in, and has all content that it needs
// at hand.
func (b *builder) index(ctx context.Context) error {
	for _, o := range b.plan.Ownership {
		b.owners[o.Path] = o
	}
	for i := range b.plan.Generated {
		f := &b.plan.Generated[i]
		b.written[writtenKey{f.Path, f.Layer}] = f
	}
	var nodes []*layers.Inode
	for i := range b.plan.Entries {
		if e, ok := b.tree.Lookup(b.plan.Entries[i].sourcePath()); ok && b.plan.Entries[i].Source >= 0 {
			nodes = append(nodes, e.Inode)
		}
	}
	return b.tree.Prefetch(ctx, nodes)
}

// ground is the image without pare's layers. It is always of OCI's media
// types, which every engine and registry takes, so that the digest does not
// depend on where the image goes.
func (b *builder) ground() (v1.Image, error) {
	if b.base != nil {
		return onbase.Stand(b.base.Image, &b.plan.Config)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	cfg := b.plan.Config.DeepCopy()
	cfg.RootFS, cfg.History = v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}}, nil
	return mutate.ConfigFile(img, cfg)
}

func (b *builder) append(ctx context.Context, img v1.Image, i int, dir string) (v1.Image, error) {
	outputs, err := b.outputs(i)
	if err != nil {
		return nil, err
	}
	l, err := layers.NewLayer(ctx, outputs, layers.LayerOptions{
		Compression: b.plan.Options.Compression, Prioritized: b.plan.Prioritized, Dir: dir,
	})
	if err != nil {
		return nil, err
	}
	return mutate.Append(img, mutate.Addendum{
		Layer:   l,
		History: v1.History{Created: b.plan.Config.Created, CreatedBy: b.plan.Layers[i].CreatedBy},
	})
}

// outputs are what output layer i holds, in the order of the plan.
func (b *builder) outputs(i int) ([]layers.Output, error) {
	var out []layers.Output
	first := map[*layers.Inode]string{}
	for j := range b.plan.Entries {
		e := &b.plan.Entries[j]
		if !slices.Contains(e.Layers, i) {
			continue
		}
		if f, ok := b.written[writtenKey{e.Path, i}]; ok {
			o, err := f.output()
			if err != nil {
				return nil, err
			}
			out = append(out, o)
			continue
		}
		o, err := b.entry(e, b.plan.Layers[i].Source, first)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// entry is an entry of an image as output layer of source layer from has it.
// Of the base that is a directory above another entry, as it is there.
func (b *builder) entry(e *Entry, from int, first map[*layers.Inode]string) (layers.Output, error) {
	tree, name := b.tree, e.sourcePath()
	if e.Base {
		if b.base == nil {
			return layers.Output{}, fmt.Errorf("%w: %s is of a base, and there is none", ErrPlan, quoted(e.Path))
		}
		tree, name = b.base.Tree, e.Path
	}
	src, ok := tree.Lookup(name)
	if !ok || src.Type.String() != e.Type {
		return layers.Output{}, fmt.Errorf("%w: the image has no %s %s", ErrPlan, e.Type, quoted(name))
	}
	if e.Base {
		return layers.Output{Path: e.Path, Header: src.Header}, nil
	}
	return b.output(e.Path, src, from, first), nil
}

// output is a source entry at path p of the output.
func (b *builder) output(p string, src *layers.Entry, from int, first map[*layers.Inode]string) layers.Output {
	o := layers.Output{Path: p, Header: b.header(p, src, from)}
	if src.Type == layers.Directory {
		return o
	}
	if to, ok := first[src.Inode]; ok {
		o.LinkTo = to
		return o
	}
	first[src.Inode] = p
	if src.Type == layers.Regular {
		node := src.Inode
		o.Open = func() (io.ReadCloser, error) { return b.tree.OpenContent(node) }
	}
	return o
}

// header is src's, a directory's as the merged view has it after the source
// layer, with the plan's change of owner.
func (b *builder) header(p string, src *layers.Entry, from int) layers.Header {
	h := src.Header
	if src.Type == layers.Directory && from >= 0 {
		if at, ok := b.tree.DirAt(src.Path, from); ok {
			h = at
		}
	}
	if o, ok := b.owners[p]; ok {
		h.UID, h.GID = o.UID, o.GID
	}
	return h
}

func (f *File) output() (layers.Output, error) {
	mode, err := strconv.ParseUint(f.Mode, 8, 12)
	if err != nil {
		return layers.Output{}, fmt.Errorf("%w: mode %q of %s", ErrPlan, f.Mode, quoted(f.Path))
	}
	h := layers.Header{Type: layers.Regular, Mode: uint32(mode), UID: f.UID, GID: f.GID, ModTime: f.ModTime, Size: int64(len(f.Content))}
	switch f.Type {
	case layers.Directory.String():
		h.Type = layers.Directory
	case layers.Symlink.String():
		h.Type, h.Linkname = layers.Symlink, f.Target
		return layers.Output{Path: f.Path, Header: h}, nil
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.Content)), nil }
	return layers.Output{Path: f.Path, Header: h, Open: open}, nil
}

// sourcePath is where the source has the entry.
func (e *Entry) sourcePath() string {
	if e.From != "" {
		return e.From
	}
	return e.Path
}
