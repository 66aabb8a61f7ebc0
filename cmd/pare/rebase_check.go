package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/rebase"
)

// checkDocument is the JSON of pare rebase --check.
type checkDocument struct {
	envelope
	Images []checkedImage `json:"images"`
}

// checkedImage is what --check says of one image.
type checkedImage struct {
	Image string `json:"image"`
	Base  string `json:"base,omitempty"`
	Have  string `json:"have,omitempty"` // the digest of the base that it stands on, or was made on
	Now   string `json:"now,omitempty"`  // where the base's name leads
	// Behind says that the two are not the same.
	Behind bool           `json:"behind"`
	Error  string         `json:"error,omitempty"`
	Plans  []*rebase.Plan `json:"plans,omitempty"` // what would change

	err error
}

// checkAll says of each image whether its base has moved on.
func (r *rebaser) checkAll(ctx context.Context) error {
	images := r.command.images
	if r.command.list != "" {
		lines, err := readFleet(r.command.list, 1)
		if err != nil {
			return err
		}
		for _, l := range lines {
			images = append(images, l.image)
		}
	}
	doc := checkDocument{envelope: newEnvelope("base-check"), Images: []checkedImage{}}
	behind, failed := 0, 0
	for _, image := range images {
		c := r.checkImage(ctx, image)
		if err := ctx.Err(); err != nil {
			return err
		}
		doc.Images = append(doc.Images, c)
		switch {
		case c.err != nil:
			failed++
			r.app.term.fail(fmt.Errorf("%s: %w", printable(image), c.err))
		case c.Behind:
			behind++
		}
		if err := r.tellChecked(c); err != nil {
			return err
		}
	}
	if r.command.json {
		if err := r.app.term.json(doc); err != nil {
			return err
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("the base of %d of %d images is not known", failed, len(images))
	case behind > 0:
		return fmt.Errorf("%w: %d of %d images are behind their base", errCheck, behind, len(images))
	}
	return nil
}

func (r *rebaser) tellChecked(c checkedImage) error {
	if r.command.json || c.err != nil {
		return nil
	}
	if !c.Behind {
		return r.app.term.result("%s  up to date  %s %s", oneLine(c.Image), oneLine(c.Base), shortDigest(oneLine(c.Now)))
	}
	r.app.term.note("%s", rebaseText(c.Plans))
	return r.app.term.result("%s  behind  %s %s -> %s", oneLine(c.Image), oneLine(c.Base), shortDigest(oneLine(c.Have)), shortDigest(oneLine(c.Now)))
}

// checkImage compares the base that the image says it stands on with where
// the base's name leads now.
func (r *rebaser) checkImage(ctx context.Context, image string) (c checkedImage) {
	c = checkedImage{Image: image}
	defer func() {
		if c.err != nil {
			c.Error = c.err.Error()
		}
	}()
	var src *opened
	if src, c.err = r.app.open(ctx, image, &r.command.source, r.places); c.err != nil {
		return c
	}
	defer src.Close()
	for i := range src.images {
		if c.err = r.checkPlatform(ctx, &c, src, &src.images[i]); c.err != nil {
			return c
		}
	}
	return c
}

// checkPlatform adds what is to be said of one platform's image. Of several
// bases, one that has moved on is named.
func (r *rebaser) checkPlatform(ctx context.Context, c *checkedImage, src *opened, one *candidate) error {
	s, err := r.standing(ctx, src, one)
	if err != nil {
		return err
	}
	if s.subject != src {
		defer s.subject.Close()
	}
	onto, err := r.openNow(ctx, s.base)
	if err != nil {
		return err
	}
	defer onto.Close()
	now := onto.source.Descriptor.Digest.String()
	behind := now != s.digest && !onto.holds(s.digest)
	if c.Now == "" || behind && !c.Behind {
		c.Base, c.Have, c.Now, c.Behind = s.base, s.digest, now, behind
	}
	if !behind {
		return s.isOn(onto)
	}
	p, err := r.planPlatform(ctx, onto, s.subject, s.one)
	if err == nil {
		c.Plans = append(c.Plans, p)
	}
	return err
}

// openNow opens what the name of a base leads to now. One by digest alone leads
// nowhere else.
func (r *rebaser) openNow(ctx context.Context, base string) (*opened, error) {
	ref, err := reference.Parse(base)
	if err != nil {
		return nil, err
	}
	if ref.Kind == reference.Registry && untagged(ref.Name) == ref.Name {
		return nil, fmt.Errorf("the name of its base, %s, has no tag, so that nothing says what would come after it; move it once with one: --onto NAME:TAG --pin, or NAME:TAG@DIGEST", oneLine(base))
	}
	return r.app.open(ctx, base, &sourceFlags{}, r.places)
}

// standing is what would have to be moved, and on which base it says it stands.
type standing struct {
	subject      *opened
	one          *candidate // of subject
	base, digest string     // name, and digest
	// since says that the base is that of a move that came after the image.
	since bool
}

// standing finds what would have to be moved: the image, or what it was slimmed
// of; and the base that it records.
func (r *rebaser) standing(ctx context.Context, src *opened, one *candidate) (standing, error) {
	made, err := madeOnScratch(one)
	if err != nil {
		return standing{}, err
	}
	if made == nil {
		base, digest, err := r.recordedBase(ctx, one)
		return standing{subject: src, one: one, base: base, digest: digest}, err
	}
	s, err := r.openMade(ctx, src, one, made)
	if err != nil {
		return standing{}, err
	}
	base, digest, err := r.madeOn(ctx, s)
	if err != nil {
		s.close()
	}
	return standing{subject: s.source, one: s.one, base: base, digest: digest, since: made.Options.Origin.Source != ""}, err
}

// isOn says whether the image has the layers of the base that it names: anybody
// can write annotations, and builders hand them on.
func (s *standing) isOn(onto *opened) error {
	if s.since {
		return nil
	}
	b, err := onto.baseFor(s.one)
	if err != nil {
		return err
	}
	described, err := rebase.DescribeBase(s.base, onto.index(), b.image)
	if err != nil {
		return err
	}
	config, err := s.one.image.ConfigFile()
	if err != nil {
		return err
	}
	if _, err := rebase.FindBase(config, []rebase.Base{described}); err != nil {
		return fmt.Errorf("it says that it stands on %s, whose layers it does not have; what it stands on can be named with --from when it is moved", oneLine(s.base))
	}
	return nil
}

// holds says whether the index still has a manifest: an image may name its
// platform's rather than the index.
func (o *opened) holds(digest string) bool {
	return slices.ContainsFunc(o.images, func(c candidate) bool { return c.desc.Digest.String() == digest })
}

// recordedBase is the name and digest of the base that an image records; or
// of the lock file's that it stands on.
func (r *rebaser) recordedBase(ctx context.Context, c *candidate) (name, digest string, err error) {
	m, err := c.image.Manifest()
	if err != nil {
		return "", "", err
	}
	name, digest = m.Annotations[rebase.AnnotationBaseName], m.Annotations[rebase.AnnotationBaseDigest]
	if name != "" && digest != "" {
		return name, digest, nil
	}
	b, err := r.findBase(ctx, nil, c, map[string]string{})
	if err == nil && b.Name == "" {
		err = rebase.ErrNoBase
	}
	if err != nil {
		return "", "", fmt.Errorf("it names no base (%s): %w", rebase.AnnotationBaseName, err)
	}
	return b.Name, cmp.Or(b.Index, b.Digest), nil
}
