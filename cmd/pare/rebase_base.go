package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/rebase"
)

// rebaser moves images: what all of one run have in common.
type rebaser struct {
	app     *app
	command *rebaseCommand
	places  reference.Options
	cache   *layers.Cache
	dir     string
	remove  func()
	onto    *opened

	mu    sync.Mutex // the lock file, and scratch directories
	lock  rebase.Lock
	moves int
	// named are bases that were opened by a name, so that many images ask once.
	named map[string][]rebase.Base
}

func newRebaser(a *app, c *rebaseCommand) (*rebaser, error) {
	r := &rebaser{app: a, command: c, named: map[string][]rebase.Base{}, remove: func() {}}
	var err error
	if r.places, err = a.places(&c.source); err != nil {
		return nil, err
	}
	if c.bases != "" {
		if err := r.readLock(); err != nil {
			return nil, err
		}
	}
	if r.cache, err = c.cache.open(a.term); err != nil {
		return nil, err
	}
	if r.dir, r.remove, err = tempDir(); err != nil {
		return nil, err
	}
	if r.cache == nil { // several views of the same layers are read: keep them for this run
		if r.cache, err = layers.OpenCache(r.dir+"/cache", 0); err != nil {
			r.remove()
			return nil, err
		}
	}
	r.places.Registry.Keep(r.cache)
	return r, nil
}

func (r *rebaser) close() {
	if r.onto != nil {
		r.onto.Close()
	}
	r.remove()
}

// readLock reads the lock file; one that is not there yet is empty.
func (r *rebaser) readLock() error {
	f, err := os.Open(r.command.bases)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading lock file: %w", err)
	}
	defer f.Close()
	l, err := rebase.ReadLock(f)
	if err != nil {
		return fmt.Errorf("%s: %w; mend it, or take another name: pare rebase --bases FILE --onto BASE writes a new one", printable(r.command.bases), err)
	}
	r.lock = *l
	return nil
}

// saveLock writes the lock file, where one was named.
func (r *rebaser) saveLock() error {
	if r.command.bases == "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.app.writeResult(r.command.bases, r.lock.Write)
}

// remember puts bases into the lock file that is written in the end.
func (r *rebaser) remember(bases ...rebase.Base) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range bases {
		if b.Digest != "" && b.Config != nil && len(b.DiffIDs) > 0 {
			r.lock.Add(b)
		}
	}
}

// openOnto opens the new base. A tag is refused unless it is to be resolved.
func (r *rebaser) openOnto(ctx context.Context) (*opened, error) {
	o, err := r.app.openPinned(ctx, "--onto", r.command.onto, r.command.pin, r.places)
	if err != nil {
		return nil, err
	}
	bases, err := basesOf(o)
	if err != nil {
		o.Close()
		return nil, err
	}
	r.remember(bases...)
	return o, nil
}

// basesOf are the images of what was opened, as bases.
func basesOf(o *opened) ([]rebase.Base, error) {
	var out []rebase.Base
	for i := range o.images {
		b, err := rebase.DescribeBase(nameOf(o.ref), o.index(), o.images[i].image)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", o.ref, err)
		}
		out = append(out, b)
	}
	return out, nil
}

// describe opens a base by its reference, once in a run, and describes it.
func (r *rebaser) describe(ctx context.Context, text string) ([]rebase.Base, error) {
	r.mu.Lock()
	bases, known := r.named[text]
	r.mu.Unlock()
	if known {
		return bases, nil
	}
	o, err := r.app.open(ctx, text, &sourceFlags{}, r.places)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if bases, err = basesOf(o); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.named[text] = bases
	r.mu.Unlock()
	return bases, nil
}

// oldBase finds what the image stands on: named by --from; in the lock file;
// the new base itself; named by the image's annotations; or as many layers as
// an earlier move has noted.
func (r *rebaser) oldBase(ctx context.Context, onto *opened, c *candidate) (rebase.Base, error) {
	if r.command.from != "" {
		config, err := c.image.ConfigFile()
		if err != nil {
			return rebase.Base{}, err
		}
		bases, err := r.describe(ctx, r.command.from)
		if err != nil {
			return rebase.Base{}, err
		}
		b, err := rebase.FindBase(config, from("--from", bases))
		if err != nil {
			return b, fmt.Errorf("%s is not what the image stands on: %w", printable(r.command.from), err)
		}
		return b, nil
	}
	m, err := c.image.Manifest()
	if err != nil {
		return rebase.Base{}, err
	}
	return r.findBase(ctx, onto, c, m.Annotations)
}

// findBase looks among candidates. An image that others stand on may be in the
// lock file, and is not its own base. Where some are of the new base's repository,
// no others are asked: of a base that stands on another, it is the one that is
// to be moved.
func (r *rebaser) findBase(ctx context.Context, onto *opened, c *candidate, annotations map[string]string) (rebase.Base, error) {
	config, err := c.image.ConfigFile()
	if err != nil {
		return rebase.Base{}, err
	}
	r.mu.Lock()
	candidates := from("lock", r.lock.Bases)
	r.mu.Unlock()
	candidates = slices.DeleteFunc(candidates, func(b rebase.Base) bool { return b.Digest == c.id.Digest.String() })
	name, digest := annotations[rebase.AnnotationBaseName], annotations[rebase.AnnotationBaseDigest]
	if onto != nil {
		bases, err := basesOf(onto)
		if err != nil {
			return rebase.Base{}, err
		}
		candidates = append(from("onto", bases), candidates...)
		repository := repositoryOf(nameOf(onto.ref))
		near := slices.DeleteFunc(slices.Clone(candidates), func(b rebase.Base) bool { return repositoryOf(b.Name) != repository })
		if _, err := rebase.FindBase(config, near); err == nil {
			if candidates = near; repositoryOf(name) != repository {
				name, digest = "", ""
			}
		}
	}
	found, err := rebase.FindBase(config, candidates)
	if err == nil && (digest == "" || found.Digest == digest || found.Index == digest) {
		return found, nil
	}
	var gone error
	if name != "" && digest != "" {
		bases, err := r.describe(ctx, nameAt(name, digest))
		gone = err
		bases = from("annotation", bases)
		for i := range bases {
			bases[i].Name = name // with its tag
		}
		candidates = append(bases, candidates...)
	}
	if found, err = rebase.FindBase(config, candidates); err == nil {
		return found, nil
	}
	if n := rebase.NotedLayers(config, annotations); n > 0 {
		b := rebase.Base{Name: name, Digest: digest, From: "layers"}
		for _, id := range config.RootFS.DiffIDs[:n] {
			b.DiffIDs = append(b.DiffIDs, id.String())
		}
		return b, nil
	}
	if gone != nil {
		err = fmt.Errorf("%w; its annotations name %s, which cannot be read (%w)", err, oneLine(name), gone)
	}
	return rebase.Base{}, fmt.Errorf("%w; name it with --from, or a lock file that has it with --bases", err)
}

// nameAt is a reference by digest of what annotations name.
func nameAt(name, digest string) string {
	name, _, _ = strings.Cut(name, "@")
	return untagged(name) + "@" + digest
}

// untagged is the name of a repository; of a layout with its tag.
func untagged(name string) string {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') && !strings.HasPrefix(name, "oci:") {
		return name[:i]
	}
	return name
}

// from marks bases with how they were found.
func from(how string, bases []rebase.Base) []rebase.Base {
	out := make([]rebase.Base, len(bases))
	for i, b := range bases {
		b.From = how
		out[i] = b
	}
	return out
}
