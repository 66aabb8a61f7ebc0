package main

import (
	"context"
	"fmt"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/carry"
	"github.com/pare-image/pare/slim/profile"
)

// remember adds to a profile what its image says of the paths, so that the
// profile can be carried to another image when this one is gone.
func (a *app) remember(ctx context.Context, o *opened, c *candidate, cache *layers.Cache, p *profile.Profile) (*profile.Profile, error) {
	dir, remove, err := tempDir()
	if err != nil {
		return nil, err
	}
	defer remove()
	t, err := a.tree(ctx, o, c, layers.Options{
		Cache: cache, Scratch: dir, Want: func(p string, _ *layers.Header) bool { return pkgdb.IsDatabase(p) },
	})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return rememberTree(p, t, o.ref)
}

// rememberTree is remember for a tree that is open.
func rememberTree(p *profile.Profile, t *layers.Tree, image fmt.Stringer) (*profile.Profile, error) {
	db, err := pkgdb.Read(t)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", image, err)
	}
	return carry.Remember(p, t, db)
}
