// Package layers turns the layers of a container image into one merged,
// read-only tree of files, and files into layers.
//
// [Open] reads every layer once, verifies digest, size and diffID, and merges
// them by the rules of the OCI image-spec (layer.md). Where the spec and the
// runtimes differ, it chooses, and [Tree.Warnings] says so. Nothing is ever
// written to disk but the content that was asked for, in files without names.
//
// Everything that comes from an image is untrusted: [Limits] bound what it
// may cost, and paths are bytes that must be quoted before they are printed.
package layers

import (
	"context"
	"iter"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Options says how [Open] reads an image; the zero value is good.
type Options struct {
	Limits Limits
	// Cache keeps verified layer indexes and wanted content; nil for none.
	Cache *Cache
	// Want says which regular files' content to keep while the layer is read
	// for the first time. It is a hint: content not wanted and asked for
	// later costs one more read of its layer. nil keeps small files only.
	// It is called from several goroutines, one for each layer being read.
	Want func(path string, h *Header) bool
	// Scratch is the directory for spooled content; "" is os.TempDir().
	Scratch string
	// Progress, when not nil, is called as compressed bytes are read, from
	// any goroutine.
	Progress func(ProgressEvent)
}

// ProgressEvent says how far the reading of one layer has come.
type ProgressEvent struct {
	Layer      int
	Read, Size int64 // compressed bytes
	Cached     bool
	Done       bool
}

// Tree is the merged, read-only view of an image's layers. It is safe for
// use from several goroutines.
type Tree struct {
	opts     Options
	image    *image
	infos    []LayerInfo
	stores   []*store // content, by layer
	budget   *budget
	warnings []Warning
	markers  []Marker

	root    *Entry
	entries []*Entry // sorted by path
	history map[string][]dirVersion
}

// Open reads every layer of img once, verifies digest, size and diffID, and
// merges them. The error is a [*LayerError] when it is about one layer.
func Open(ctx context.Context, img v1.Image, o Options) (*Tree, error) {
	o.Limits = o.Limits.withDefaults()
	if o.Want == nil {
		o.Want = defaultWant
	}
	if o.Progress == nil {
		o.Progress = func(ProgressEvent) {}
	}
	m, err := readImage(img)
	if err != nil {
		return nil, err
	}
	t := &Tree{opts: o, image: m, budget: &budget{limits: o.Limits}}
	indexes, err := t.readAll(ctx)
	if err == nil {
		err = t.merge(ctx, indexes)
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// merge makes the tree from the layers' indexes, which it uses up.
func (t *Tree) merge(ctx context.Context, indexes []*layerIndex) error {
	m := newMerger(t.opts.Limits)
	for i, idx := range indexes {
		if err := ctx.Err(); err != nil {
			return err
		}
		t.markers = append(t.markers, idx.markers(i)...)
		if err := m.apply(i, idx); err != nil {
			return inLayer(i, t.image.sources[i].digest, err)
		}
		t.warnings = append(t.warnings, idx.warnings.sorted(i)...)
		t.infos = append(t.infos, t.image.info(i, idx.facts))
		indexes[i] = nil
	}
	t.root, t.history = m.root, m.history
	t.entries = make([]*Entry, 0, m.live+1)
	t.seal(t.root)
	slices.SortFunc(t.entries, func(a, b *Entry) int { return strings.Compare(a.Path, b.Path) })
	t.namePaths()
	return nil
}

// seal turns directory maps into sorted lists and collects all entries.
func (t *Tree) seal(e *Entry) {
	t.entries = append(t.entries, e)
	if e.dir == nil {
		return
	}
	e.dir.list = make([]*Entry, 0, len(e.dir.kids))
	for _, k := range e.dir.kids {
		e.dir.list = append(e.dir.list, k)
	}
	e.dir.kids = nil
	slices.SortFunc(e.dir.list, func(a, b *Entry) int { return strings.Compare(a.Path, b.Path) })
	for _, k := range e.dir.list {
		t.seal(k)
	}
}

// namePaths tells every node its paths. All but hard links share one array.
func (t *Tree) namePaths() {
	paths := make([]string, len(t.entries))
	for i, e := range t.entries {
		paths[i] = e.Path
		if e.paths == nil {
			e.paths = paths[i : i+1 : i+1]
		} else {
			e.paths = append(e.paths, e.Path)
		}
	}
}

// Digest is the image's manifest digest.
func (t *Tree) Digest() v1.Hash { return t.image.digest }

// Config is the image's config. It must not be changed.
func (t *Tree) Config() *v1.ConfigFile { return t.image.config }

// Annotations are the manifest's. They must not be changed.
func (t *Tree) Annotations() map[string]string { return t.image.annotations }

// Layers describes the layers, lowest first.
func (t *Tree) Layers() []LayerInfo { return t.infos }

// LayerInfo describes one layer as read and verified.
type LayerInfo struct {
	Digest, DiffID v1.Hash
	Size           int64       // compressed bytes
	Unpacked       int64       // bytes of tar
	Compression    string      // "gzip", "zstd", "none", "estargz"
	History        *v1.History // nil when the config's history does not match
}

// Warnings lists what was read by a choice of ours rather than by the letter
// of the spec, sorted by layer and path.
func (t *Tree) Warnings() []Warning { return t.warnings }

// Warning is one such choice.
type Warning struct {
	Layer int
	Path  string
	Name  string // stable, kebab-case: "duplicate-entry"
	Text  string
}

// Marker is what a layer takes away from those below it.
type Marker struct {
	Layer int
	// Path is what a whiteout hides, or the directory that is opaque.
	Path   string
	Opaque bool
}

// Markers lists all whiteouts and opaque directories, sorted by layer and path.
func (t *Tree) Markers() []Marker { return t.markers }

// Len is the number of entries.
func (t *Tree) Len() int { return len(t.entries) }

// All yields every entry, "/" first, sorted by path bytes (so a parent comes
// before its children).
func (t *Tree) All() iter.Seq[*Entry] { return slices.Values(t.entries) }

// Lookup returns the entry at exactly this path; no symlink is followed, not
// even in its directories.
func (t *Tree) Lookup(p string) (*Entry, bool) {
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p {
		return nil, false
	}
	e := t.root
	for name := range strings.SplitSeq(p[1:], "/") {
		if name == "" {
			break
		}
		if e = e.child(name); e == nil {
			return nil, false
		}
	}
	return e, true
}

// Children returns a directory's entries sorted by path; nil for others. The
// slice must not be changed.
func (t *Tree) Children(path string) []*Entry {
	e, ok := t.Lookup(path)
	if !ok || e.dir == nil {
		return nil
	}
	return e.dir.list
}
