package rebase

import (
	"bytes"
	"context"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
)

// Names of repairs: what the repair layer holds, and why.
const (
	RepairAccounts       = "accounts"         // passwd and its like, merged
	RepairCopiedUp       = "copied-up"        // a base file of which the image changed owner or mode alone
	RepairDropShadow     = "drop-shadow"      // the base's copy wins, as asked for
	RepairLdCache        = "ld-so-cache"      // the loader's cache, made anew
	RepairPackageFiles   = "package-files"    // files of a package as the database has it
	RepairPackages       = "package-database" // the package database, merged
	RepairRemovedPackage = "removed-package"  // files of a package that the image had removed
)

// Repair is one path of the repair layer.
type Repair struct {
	Name string `json:"name"`
	Path string `json:"path"` // quoted when not UTF-8
	// Gone says that the path is taken away.
	Gone bool `json:"gone,omitempty"`
}

// want is what has to be at a path of the result, and is not there without
// repairs.
type want struct {
	why    string
	gone   bool
	header layers.Header
	open   func() (io.ReadCloser, error)
}

// wants are by path.
type wants map[string]want

// copyOf wants an entry of another tree, with the given header.
func copyOf(why string, v view, h layers.Header) want {
	return want{why: why, header: h, open: func() (io.ReadCloser, error) { return v.tree.OpenContent(v.entry.Inode) }}
}

// contentOf wants a file of merged content.
func contentOf(why string, content []byte, like layers.Header) want {
	h := layers.Header{Type: layers.Regular, Mode: like.Mode, UID: like.UID, GID: like.GID, ModTime: like.ModTime, Xattrs: like.Xattrs, Size: int64(len(content))}
	return want{why: why, header: h, open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}
}

// list is what the wants are, for the plan.
func (w wants) list() []Repair {
	out := []Repair{}
	for _, p := range sortedKeys(w) {
		out = append(out, Repair{Name: w[p].why, Path: utf8Path(p), Gone: w[p].gone})
	}
	return out
}

// outputs are the wants as a layer has them: with the directories above, as
// they are in bare, the image without repairs.
func (w wants) outputs(bare *layers.Tree) []layers.Output {
	all := map[string]layers.Output{}
	for p, x := range w {
		all[p] = layers.Output{Path: p, Header: x.header, Whiteout: x.gone, Open: x.open}
		for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
			if _, done := all[dir]; done {
				break
			}
			h := layers.Header{Type: layers.Directory, Mode: 0o755, ModTime: x.header.ModTime}
			if e, ok := bare.Lookup(dir); ok && e.Type == layers.Directory {
				h = e.Header
			}
			all[dir] = layers.Output{Path: dir, Header: h}
		}
	}
	out := make([]layers.Output, 0, len(all))
	for _, p := range sortedKeys(all) {
		out = append(out, all[p])
	}
	return out
}

// layer writes the wants; nil when there are none.
func (w wants) layer(ctx context.Context, bare *layers.Tree, docker bool, dir string) (v1.Layer, error) {
	if len(w) == 0 {
		return nil, nil
	}
	return layers.NewLayer(ctx, w.outputs(bare), layers.LayerOptions{Docker: docker, Dir: dir})
}
