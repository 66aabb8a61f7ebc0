package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/rebase"
)

// moved is an image with the plans of its platforms, and once it is written,
// where.
type moved struct {
	source    *opened
	plans     []*rebase.Plan
	slimmed   []*slimmed // for each plan: nil, or the plan is of what it was made of
	at        reference.Ref
	digest    string
	mediaType string
	referrers []reference.Artifact // of the old image, that stay behind
}

func (m *moved) close() {
	for _, s := range m.slimmed {
		if s != nil {
			s.close()
		}
	}
	m.source.Close()
}

// planImage plans every platform of an image.
func (r *rebaser) planImage(ctx context.Context, text string) (*moved, error) {
	src, err := r.app.open(ctx, text, &r.command.source, r.places)
	if err != nil {
		return nil, err
	}
	m := &moved{source: src}
	for i := range src.images {
		if err := r.planOne(ctx, m, &src.images[i]); err != nil {
			m.close()
			return nil, fmt.Errorf("%s (%s): %w", src.ref, src.images[i].platform(), err)
		}
	}
	return m, nil
}

// planOne plans one platform: the image itself, or what it was made of.
func (r *rebaser) planOne(ctx context.Context, m *moved, c *candidate) error {
	made, err := madeOnScratch(c)
	if err != nil {
		return err
	}
	var s *slimmed
	var p *rebase.Plan
	if made != nil {
		s, p, err = r.planSlimmed(ctx, m.source, c, made)
	} else {
		p, err = r.planPlatform(ctx, r.onto, m.source, c)
	}
	if err == nil {
		m.plans, m.slimmed = append(m.plans, p), append(m.slimmed, s)
	}
	return err
}

// planPlatform plans the move of one platform's image onto a base.
func (r *rebaser) planPlatform(ctx context.Context, onto, src *opened, c *candidate) (*rebase.Plan, error) {
	old, err := r.oldBase(ctx, onto, c)
	if err != nil {
		return nil, err
	}
	base, err := onto.baseFor(c)
	if err != nil {
		return nil, err
	}
	described, err := rebase.DescribeBase(onto.nameFor(c), onto.index(), base.image)
	if err != nil {
		return nil, err
	}
	o := r.command.rebase
	if o.Dir, err = r.scratch(); err != nil {
		return nil, err
	}
	o.Open = r.opener(src, c, o.Dir)
	p, err := rebase.NewPlan(ctx, c.image, old, base.image, described, o)
	r.app.term.endProgress()
	if err == nil {
		r.remember(old)
	}
	return p, err
}

// opener reads images through the cache. What a registry sent damaged is
// asked for once more.
func (r *rebaser) opener(src *opened, c *candidate, dir string) func(context.Context, v1.Image) (*layers.Tree, error) {
	return func(ctx context.Context, img v1.Image) (*layers.Tree, error) {
		lo := layers.Options{Cache: r.cache, Scratch: dir, Want: rebase.WantContent}
		r.app.term.draw("reading " + c.platform() + " of " + src.ref.String())
		t, err := layers.Open(ctx, img, lo)
		if errors.Is(err, layers.ErrMismatch) && ctx.Err() == nil {
			r.app.term.note("%v; asking once more", err)
			t, err = layers.Open(ctx, img, lo)
		}
		return t, err
	}
}

// scratch is a directory for one plan's repair layer.
func (r *rebaser) scratch() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moves++
	dir := filepath.Join(r.dir, strconv.Itoa(r.moves))
	return dir, os.Mkdir(dir, 0o700)
}

// nameFor is what the result's annotation calls the new base. A reference
// without a tag means the one that the image named before, if it is of the
// same repository.
func (o *opened) nameFor(c *candidate) string {
	name := nameOf(o.ref)
	m, err := c.image.Manifest()
	if err != nil {
		return name
	}
	if had := m.Annotations[rebase.AnnotationBaseName]; strings.HasPrefix(had, name+":") && !strings.Contains(had[len(name)+1:], "/") {
		return had
	}
	return name
}

// write writes what the plans make, all platforms or none.
func (r *rebaser) write(ctx context.Context, m *moved, dest reference.Ref) error {
	images, err := r.make(ctx, m, dest)
	if err != nil {
		return err
	}
	img, idx, err := r.assemble(m, images)
	if err != nil {
		return err
	}
	if err := r.writeSource(ctx, m); err != nil {
		return err
	}
	r.app.term.draw("writing " + dest.String())
	m.at, err = reference.Write(ctx, dest, img, idx, r.places)
	r.app.term.endProgress()
	if err != nil {
		return err
	}
	if m.digest, m.mediaType, err = topOf(img, idx); err != nil {
		return err
	}
	return r.listReferrers(ctx, m)
}

// make makes the image of every platform, or none.
func (r *rebaser) make(ctx context.Context, m *moved, dest reference.Ref) ([]v1.Image, error) {
	var images []v1.Image
	var errs []error
	for i, p := range m.plans {
		img, err := rebase.Apply(p)
		if s := m.slimmed[i]; err == nil && s != nil {
			img = m.source.images[i].image
			if err = s.make(ctx, r, dest.String()); s.built != nil {
				img = s.built.image
			}
		}
		images, errs = append(images, img), append(errs, err)
	}
	return images, errors.Join(errs...)
}

// changed says that a platform's image is another one than it was.
func (m *moved) changed(i int) bool {
	if s := m.slimmed[i]; s != nil {
		return s.planned != nil
	}
	return !m.plans[i].Nothing
}

// assemble is the one image, or the index with the images that were moved in
// the places of those that they were.
func (r *rebaser) assemble(m *moved, images []v1.Image) (v1.Image, v1.ImageIndex, error) {
	if m.source.source.Index == nil || r.command.source.platform != "" {
		return images[0], nil, nil
	}
	changed := false
	for i := range m.plans {
		changed = changed || m.changed(i)
	}
	if !changed {
		return nil, m.source.source.Index, nil
	}
	idx, err := movedIndex(m, images)
	return nil, idx, err
}

// movedIndex is the source's index with other images in their places.
func movedIndex(m *moved, images []v1.Image) (v1.ImageIndex, error) {
	idx := &slimIndex{images: map[v1.Hash]v1.Image{}}
	var all []rebase.Replaced
	for i := range images {
		d, err := partial.Descriptor(images[i])
		if err != nil {
			return nil, err
		}
		all = append(all, rebase.Replaced{From: m.source.images[i].desc, To: *d, Base: m.plans[i].NewBase})
		idx.images[d.Digest] = images[i]
	}
	raw, err := m.source.source.Index.RawManifest()
	if err != nil {
		return nil, err
	}
	if idx.raw, err = rebase.ReplaceImages(raw, all); err != nil {
		return nil, err
	}
	idx.manifest, err = v1.ParseIndexManifest(bytes.NewReader(idx.raw))
	return idx, err
}

// listReferrers finds what is said about the old image: it is about another
// digest than the new one's.
func (r *rebaser) listReferrers(ctx context.Context, m *moved) error {
	subjects := []v1.Hash{m.source.source.Descriptor.Digest}
	for i := range m.source.images {
		if m.changed(i) && m.source.images[i].desc.Digest != subjects[0] {
			subjects = append(subjects, m.source.images[i].desc.Digest)
		}
	}
	if m.digest == subjects[0].String() {
		return nil
	}
	for _, s := range subjects {
		found, err := reference.ListReferrers(ctx, m.source.ref, s, r.places)
		if err != nil {
			r.app.term.warn("what refers to the old image is not known: %v", err)
			return nil
		}
		m.referrers = append(m.referrers, found...)
	}
	for _, s := range m.source.skipped {
		m.referrers = append(m.referrers, reference.Artifact{Digest: s.Descriptor.Digest.String(), Type: "attestation in the index"})
	}
	return nil
}
