package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim"
)

// scratch is the base that is none.
const scratch = "scratch"

// baseFlags say what the output stands on.
type baseFlags struct {
	base string
	pin  bool
}

func (f *baseFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.base, "base", scratch, "stand on the layers of `REF`, named by digest")
	cmd.Flags().BoolVar(&f.pin, "pin", false, "resolve the tag of --base; its digest is recorded")
}

// check refuses flags that would have no effect.
func (f *baseFlags) check(o slim.Options) error {
	switch {
	case f.base == "":
		return usagef("--base is empty; want an image by digest, or scratch")
	case f.base != scratch:
		return nil
	case f.pin:
		return usagef("--pin is for --base")
	case o.Prefer != "":
		return usagef("--prefer is for --base: on scratch all files are the source's")
	}
	return nil
}

// openBase opens the base, once in a run; nil on scratch.
func (w *work) openBase(ctx context.Context, f *baseFlags, places reference.Options) error {
	if f.base == scratch {
		return nil
	}
	o, err := w.app.openPinned(ctx, "--base", f.base, f.pin, places)
	if err != nil {
		return fmt.Errorf("opening the base: %w", err)
	}
	w.base = o
	return nil
}

// baseOf reads the base for an image's platform; nil on scratch. It is read
// once, and stays open until the work is closed.
func (w *work) baseOf(ctx context.Context, c *candidate) (*slim.Base, error) {
	if w.base == nil {
		return nil, nil
	}
	b, err := w.base.baseFor(c)
	if err != nil {
		return nil, err
	}
	if have := w.bases[b]; have != nil {
		return have, nil
	}
	t, err := w.app.tree(ctx, w.base, b, layers.Options{Cache: w.cache, Scratch: w.dir, Want: slim.WantBase})
	if err != nil {
		return nil, fmt.Errorf("of the base: %w", err)
	}
	w.bases[b] = slim.NewBase(nameOf(w.base.ref), w.base.index(), b.image, t)
	return w.bases[b], nil
}

// closeBase closes what openBase and baseOf opened.
func (w *work) closeBase() {
	for _, b := range w.bases {
		b.Tree.Close()
	}
	if w.base != nil {
		w.base.Close()
	}
}
