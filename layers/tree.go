package layers

import (
	"context"
	"io"
	"iter"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TODO(contract): bodies to be written by the owner of package layers.

// Options says how [Open] reads an image; the zero value is good.
type Options struct {
	Limits Limits
	// Cache keeps verified layer indexes and wanted content; nil for none.
	Cache *Cache
	// Want says which regular files' content to keep while the layer is read
	// for the first time. It is a hint: content not wanted and asked for
	// later costs one more read of its layer. nil keeps small files only.
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

// Tree is the merged, read-only view of an image's layers.
type Tree struct{}

type contentRef struct{}

// Open reads every layer of img once, verifies digest, size and diffID, and
// merges them.
func Open(ctx context.Context, img v1.Image, o Options) (*Tree, error) { panic("contract") }

// Close removes spooled content. Readers that are still open fail.
func (t *Tree) Close() error { panic("contract") }

// Digest is the image's manifest digest.
func (t *Tree) Digest() v1.Hash { panic("contract") }

// Config is the image's config. It must not be changed.
func (t *Tree) Config() *v1.ConfigFile { panic("contract") }

// Layers describes the layers, lowest first.
func (t *Tree) Layers() []LayerInfo { panic("contract") }

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
func (t *Tree) Warnings() []Warning { panic("contract") }

// Warning is one such choice.
type Warning struct {
	Layer int
	Path  string
	Name  string // stable, kebab-case: "duplicate-entry"
	Text  string
}

// Len is the number of entries.
func (t *Tree) Len() int { panic("contract") }

// All yields every entry, "/" first, sorted by path bytes (so a parent comes
// before its children).
func (t *Tree) All() iter.Seq[*Entry] { panic("contract") }

// Lookup returns the entry at exactly this path; no symlink is followed, not
// even in its directories.
func (t *Tree) Lookup(path string) (*Entry, bool) { panic("contract") }

// Children returns a directory's entries sorted by path; nil for others.
func (t *Tree) Children(path string) []*Entry { panic("contract") }

// Resolution is the outcome of following a path.
type Resolution struct {
	// Entry is what the path names in the end, never a symlink for Resolve.
	Entry *Entry
	// Links are the symlinks passed, in order.
	Links []string
	// Missing is, when there is no Entry, the first path (links resolved)
	// that does not exist.
	Missing string
}

// Resolve follows path as the kernel does in a chroot: symlinks and ".."
// stay inside the root, at most 40 links. The error is a *fs.PathError with
// fs.ErrNotExist, ENOTDIR or ELOOP; Links and Missing are filled even then.
func (t *Tree) Resolve(path string) (Resolution, error) { panic("contract") }

// ResolveLink is Resolve, but the last component is not followed (lstat).
func (t *Tree) ResolveLink(path string) (Resolution, error) { panic("contract") }

// DirAt returns the metadata of the directory path in the merged view of
// layers 0..layer; false when it is no directory there.
func (t *Tree) DirAt(path string, layer int) (Header, bool) { panic("contract") }

// OpenContent returns a regular file's content, independent of other readers.
func (t *Tree) OpenContent(n *Inode) (io.ReadCloser, error) { panic("contract") }

// ReadContent returns a whole file's content; an error when it is over max bytes.
func (t *Tree) ReadContent(n *Inode, max int64) ([]byte, error) { panic("contract") }

// Prefetch makes the content of nodes available with at most one more read
// of each layer they are in. Call it before a series of OpenContent.
func (t *Tree) Prefetch(ctx context.Context, nodes []*Inode) error { panic("contract") }
