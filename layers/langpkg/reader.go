package langpkg

import (
	"context"
	"errors"
	"fmt"

	"github.com/pare-image/pare/layers"
)

// Bounds on metadata: a file, and of an image together bytes, lines of
// RECORDs, and dependencies. The RECORD of the largest known distribution is
// about 2 MB; 500 distributions come to 60 MB and 300,000 lines.
const (
	maxFile  = 8 << 20
	maxTotal = 256 << 20
	maxLines = 2_000_000
	maxNeeds = 200_000
	maxWork  = 1 << 29 // bytes of names, keys and markers that are compared: seconds
)

// Reader reads metadata of a tree within bounds. It is not safe for use from
// several goroutines.
type Reader struct {
	tree *layers.Tree
	left int64 // bytes

	lines, needs int                 // that may still be read
	work         int                 // that may still be done
	node         map[string]*Package // by the real path of package.json
}

// NewReader reads from t.
func NewReader(t *layers.Tree) *Reader {
	return &Reader{tree: t, left: maxTotal, lines: maxLines, needs: maxNeeds, work: maxWork, node: map[string]*Package{}}
}

// Spend counts work of n bytes that looks something up; false when the image
// has cost enough. Packages that name each other without end are the reason.
func (r *Reader) Spend(n int) bool {
	r.work -= min(n, r.work+1)
	return r.work >= 0
}

// Exhausted says that something was not looked up, as it would cost too much.
func (r *Reader) Exhausted() bool { return r.work < 0 }

// file is a regular file's content; nil for anything else, and for what is
// over the bounds.
func (r *Reader) file(p string) ([]byte, error) {
	e := r.regular(p)
	if e == nil {
		return nil, nil
	}
	r.left -= e.Size
	b, err := r.tree.ReadContent(e.Inode, maxFile)
	if errors.Is(err, layers.ErrLimit) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading package metadata: %w", err)
	}
	return b, nil
}

// regular is the regular file that p leads to, if it may be read.
func (r *Reader) regular(p string) *layers.Entry {
	res, err := r.tree.Resolve(p)
	if err != nil || res.Entry.Type != layers.Regular || res.Entry.Size > maxFile || res.Entry.Size > r.left {
		return nil
	}
	return res.Entry
}

// prefetch makes files available with one read of each layer.
func (r *Reader) prefetch(paths []string) error {
	var nodes []*layers.Inode
	for _, p := range paths {
		if e := r.regular(p); e != nil {
			nodes = append(nodes, e.Inode)
		}
	}
	return r.tree.Prefetch(context.Background(), nodes)
}
