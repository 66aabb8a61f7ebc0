package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/rebase"
)

// moveTogether is how many images are moved at a time.
const moveTogether = 4

// maxFleet bounds a file of images.
const maxFleet = 16 << 20

// fleetLine is one line of a file of images.
type fleetLine struct {
	number      int
	image, dest string
}

// readFleet reads lines of so many words; "#" begins a comment.
func readFleet(name string, words int) ([]fleetLine, error) {
	b, err := readFile(name, maxFleet)
	if err != nil {
		return nil, fmt.Errorf("reading images: %w", err)
	}
	var out []fleetLine
	s := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; s.Scan(); n++ {
		text, _, _ := strings.Cut(s.Text(), "#")
		f := strings.Fields(text)
		switch {
		case len(f) == 0:
			continue
		case len(f) < words || len(f) > 2:
			return nil, usagef("%s, line %d: want %q", printable(name), n, []string{"IMAGE", "IMAGE DEST"}[words-1])
		}
		out = append(out, fleetLine{n, f[0], append(f, "")[1]})
	}
	return out, s.Err()
}

// fleetDocument is the JSON of pare rebase --images.
type fleetDocument struct {
	envelope
	Images []fleetImage `json:"images"`
}

type fleetImage struct {
	Image string          `json:"image"`
	Error string          `json:"error,omitempty"`
	Moved *rebaseDocument `json:"moved,omitempty"`

	err   error
	moved *moved
}

// moveAll moves the images of a file. One that fails does not stop the
// others; what was moved by an earlier run is moved to the same digest again.
func (r *rebaser) moveAll(ctx context.Context) error {
	lines, err := readFleet(r.command.list, 2)
	if err != nil {
		return err
	}
	if err := r.checkFleet(ctx, lines); err != nil {
		return err
	}
	all := make([]fleetImage, len(lines))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(moveTogether)
	for i, l := range lines {
		g.Go(func() error {
			all[i] = r.moveLine(gctx, l)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return errors.Join(r.saveLock(), r.tellAll(all))
}

// checkFleet looks at the destinations before anything is written. Lines are
// moved together: none may write what another writes or reads.
func (r *rebaser) checkFleet(ctx context.Context, lines []fleetLine) error {
	writes := map[string]int{}
	for _, l := range lines {
		dest, err := reference.Parse(l.dest)
		if err == nil {
			err = reference.CheckDestination(ctx, dest, false, r.places)
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", printable(l.dest), err)
		}
		at := placeOf(dest)
		if first := writes[at]; first != 0 {
			return usagef("%s, line %d: %s is the destination of line %d too; give each image one of its own", printable(r.command.list), l.number, dest, first)
		}
		writes[at] = l.number
	}
	for _, l := range lines {
		ref, err := reference.Parse(l.image)
		if err != nil {
			continue // which its own line will say
		}
		if first := writes[placeOf(ref)]; first != 0 && first != l.number {
			return usagef("%s, line %d: %s is what line %d writes; put one of them in a file of its own", printable(r.command.list), l.number, ref, first)
		}
	}
	return nil
}

func (r *rebaser) moveLine(ctx context.Context, l fleetLine) fleetImage {
	out := fleetImage{Image: l.image}
	m, err := r.planImage(ctx, l.image)
	if err == nil {
		defer m.close()
		var dest reference.Ref
		if dest, err = reference.Parse(l.dest); err == nil {
			err = r.write(ctx, m, dest)
		}
		out.moved = m
	}
	if out.err = err; err != nil {
		out.Error = err.Error()
	}
	return out
}

// tellAll reports on every image. The error is of those that failed: a check
// that said no, when that is all.
func (r *rebaser) tellAll(all []fleetImage) error {
	doc := fleetDocument{envelope: newEnvelope("rebased-images"), Images: []fleetImage{}}
	failed, refused := 0, 0
	for _, x := range all {
		r.app.term.note("%s", oneLine(x.Image))
		if x.moved != nil {
			plans := x.moved.plans
			if errors.Is(x.err, rebase.ErrFindings) {
				plans = besidesError(plans)
			}
			r.app.term.note("%s", x.moved.text(plans))
		}
		switch {
		case errors.Is(x.err, rebase.ErrFindings), errors.Is(x.err, errCheck):
			refused++
			r.app.term.fail(x.err)
		case x.err != nil:
			failed++
			r.app.term.fail(x.err)
		default:
			r.tellLeftBehind(x.moved)
			d, err := x.moved.document()
			if err != nil {
				return err
			}
			x.Moved = &d
		}
		doc.Images = append(doc.Images, x)
		if x.err == nil && !r.command.json {
			if err := r.app.term.result("%s %s", x.Image, x.moved.at); err != nil {
				return err
			}
		}
	}
	if r.command.json {
		if err := r.app.term.json(doc); err != nil {
			return err
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d images could not be moved", failed+refused, len(all))
	case refused > 0:
		return fmt.Errorf("%w: %d of %d images were not moved", errCheck, refused, len(all))
	}
	return nil
}
