package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

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
	subject := src
	if subject, c.Base, c.Have, c.err = r.standing(ctx, src); c.err != nil {
		return c
	}
	if subject != src {
		defer subject.Close()
	}
	var onto *opened
	if onto, c.err = r.app.open(ctx, c.Base, &sourceFlags{}, r.places); c.err != nil {
		return c
	}
	defer onto.Close()
	c.Now = onto.source.Descriptor.Digest.String()
	if c.Behind = c.Now != c.Have && !onto.holds(c.Have); !c.Behind {
		return c
	}
	for i := range subject.images {
		p, err := r.planPlatform(ctx, onto, subject, &subject.images[i])
		if err != nil {
			c.err = err
			return c
		}
		c.Plans = append(c.Plans, p)
	}
	return c
}

// standing is what would have to be moved: the image, or what it was slimmed
// of; and the base that it records, by name and digest.
func (r *rebaser) standing(ctx context.Context, src *opened) (subject *opened, base, digest string, err error) {
	made, err := madeOnScratch(&src.images[0])
	if err != nil {
		return nil, "", "", err
	}
	if made == nil {
		base, digest, err = r.recordedBase(ctx, &src.images[0])
		return src, base, digest, err
	}
	s, err := r.openMade(ctx, src, &src.images[0], made)
	if err != nil {
		return nil, "", "", err
	}
	if base, digest, err = r.madeOn(ctx, s); err != nil {
		s.close()
	}
	return s.source, base, digest, err
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
	config, err := c.image.ConfigFile()
	if err != nil {
		return "", "", err
	}
	b, err := r.findBase(ctx, config, map[string]string{})
	if err == nil && b.Name == "" {
		err = rebase.ErrNoBase
	}
	if err != nil {
		return "", "", fmt.Errorf("it names no base (%s): %w", rebase.AnnotationBaseName, err)
	}
	return b.Name, cmp.Or(b.Index, b.Digest), nil
}
