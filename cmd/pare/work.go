package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim"
)

// work is what slim, plan and why have in common: options, a cache, and
// scratch space that Close takes away.
type work struct {
	app     *app
	options slim.Options
	cache   *layers.Cache
	dir     string
	remove  func()
	base    *opened // nil on scratch
	bases   map[*candidate]*slim.Base
}

func newWork(a *app, sf *slimFlags, cf *cacheFlags) (*work, error) {
	w := &work{app: a, remove: func() {}, bases: map[*candidate]*slim.Base{}}
	var err error
	if w.options, err = sf.resolve(a); err != nil {
		return nil, err
	}
	if w.cache, err = cf.open(a.term); err != nil {
		return nil, err
	}
	w.dir, w.remove, err = tempDir()
	return w, err
}

func (w *work) Close() {
	w.closeBase()
	w.remove()
}

// planned is a job whose plan is made. The tree is open.
type planned struct {
	job
	tree *layers.Tree
	base *slim.Base // nil on scratch; the work's to close
	plan *slim.Plan
}

func (p *planned) Close() { p.tree.Close() }

// planJob reads the image and decides everything.
func (w *work) planJob(ctx context.Context, src *opened, j job) (*planned, error) {
	base, err := w.baseOf(ctx, j.candidate)
	if err != nil {
		return nil, err
	}
	config, err := j.image.ConfigFile()
	if err != nil {
		return nil, err
	}
	t, err := w.app.tree(ctx, src, j.candidate, layers.Options{
		Cache: w.cache, Scratch: w.dir, Want: slim.WantContent(config, j.hint(), w.options),
	})
	if err != nil {
		return nil, err
	}
	if j, err = j.carried(ctx, w.app, t); err != nil {
		t.Close()
		return nil, err
	}
	w.app.term.draw("selecting files of " + j.platform())
	o := w.options
	o.Origin, o.Base = j.origin, base
	k, err := slim.Select(ctx, t, j.profile, o)
	var p *slim.Plan
	if err == nil {
		p, err = slim.NewPlan(ctx, t, j.profile, k, o)
	}
	w.app.term.endProgress()
	if err != nil {
		t.Close()
		return nil, err
	}
	return &planned{job: j, tree: t, base: base, plan: p}, nil
}

// built is a job whose image is made.
type built struct {
	job
	plan  *slim.Plan
	image v1.Image
}

func (w *work) buildAll(ctx context.Context, src *opened, jobs []job, planFile string) ([]built, error) {
	var out []built
	for i, j := range jobs {
		b, err := w.build(ctx, src, j, planFile, strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		out = append(out, *b)
	}
	return out, nil
}

func (w *work) build(ctx context.Context, src *opened, j job, planFile, name string) (*built, error) {
	p, err := w.planJob(ctx, src, j)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if planFile != "" {
		if err := w.app.writeResult(planFile, p.plan.Write); err != nil {
			return nil, err
		}
	}
	return w.buildPlanned(ctx, p, name)
}

// buildPlanned makes the image of a plan, in a directory of that name.
func (w *work) buildPlanned(ctx context.Context, p *planned, name string) (*built, error) {
	dir := filepath.Join(w.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	w.app.term.draw("building " + p.platform())
	img, err := slim.BuildOn(ctx, p.tree, p.base, p.plan, dir)
	w.app.term.endProgress()
	if err != nil {
		return nil, err
	}
	return &built{job: p.job, plan: p.plan, image: img}, nil
}
