package layers

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// readAll gets every layer's index, from the cache or from its blob: the
// largest first, since the one that starts last decides when all are done.
func (t *Tree) readAll(ctx context.Context) ([]*layerIndex, error) {
	n := len(t.image.sources)
	indexes := make([]*layerIndex, n)
	for _, src := range t.image.sources {
		t.stores = append(t.stores, &store{src: src})
	}
	err := t.eachLayer(ctx, allLayers(n), func(ctx context.Context, i int) (err error) {
		indexes[i], err = t.readLayer(ctx, i)
		return err
	})
	return indexes, err
}

func allLayers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// eachLayer runs work for layers in parallel and stops at the first error;
// of several, the lowest layer's is returned.
func (t *Tree) eachLayer(ctx context.Context, layers []int, work func(ctx context.Context, i int) error) error {
	order := slices.Clone(layers)
	slices.SortStableFunc(order, func(a, b int) int {
		return int(min(1, max(-1, t.image.sources[b].size-t.image.sources[a].size)))
	})
	errs := make([]error, len(t.image.sources))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range order {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			errs[i] = inLayer(i, t.image.sources[i].digest, work(gctx, i))
			return errs[i]
		})
	}
	first := g.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return first
}

// readLayer returns one layer's index, and leaves its wanted content in the
// layer's store.
func (t *Tree) readLayer(ctx context.Context, i int) (*layerIndex, error) {
	st := t.stores[i]
	key := cacheKey(st.src, t.opts.Limits)
	if idx, err := t.cachedLayer(key, i); idx != nil || err != nil {
		return idx, err
	}
	done, err := t.opts.Cache.turn(ctx, key)
	defer done()
	if err != nil {
		return nil, err
	}
	if idx, err := t.cachedLayer(key, i); idx != nil || err != nil { // another tree has just read it
		return idx, err
	}
	sp := newSpool(t.opts.Scratch)
	s := &scan{src: st.src, budget: t.budget, want: t.opts.Want, spool: sp}
	idx, err := s.run(ctx, t.progress(i))
	if err != nil {
		sp.close()
		return nil, err
	}
	st.adopt(sp)
	t.opts.Cache.save(key, idx, sp)
	t.progressDone(i)
	return idx, nil
}

// cachedLayer is a layer's index from the cache; nil when it is not there.
func (t *Tree) cachedLayer(key string, i int) (*layerIndex, error) {
	st := t.stores[i]
	idx := t.opts.Cache.load(key, st)
	if idx == nil {
		return nil, nil
	}
	if err := t.budget.spend(idx.cost); err != nil {
		return nil, err
	}
	t.opts.Progress(ProgressEvent{Layer: i, Read: st.src.size, Size: st.src.size, Cached: true, Done: true})
	return idx, nil
}

func (t *Tree) progress(layer int) func(int64) {
	size := t.image.sources[layer].size
	return func(read int64) { t.opts.Progress(ProgressEvent{Layer: layer, Read: read, Size: size}) }
}

func (t *Tree) progressDone(layer int) {
	size := t.image.sources[layer].size
	t.opts.Progress(ProgressEvent{Layer: layer, Read: size, Size: size, Done: true})
}
