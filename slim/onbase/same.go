package onbase

import (
	"context"
	"fmt"
	"maps"

	"github.com/pare-image/pare/layers"
)

// sameNode says that two entries are alike in all but content and time: type,
// mode, owner, size, link text, device and extended attributes.
func sameNode(a, b *layers.Entry) bool {
	return a.Type == b.Type && a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.Size == b.Size &&
		a.Linkname == b.Linkname && a.Major == b.Major && a.Minor == b.Minor && maps.Equal(a.Xattrs, b.Xattrs)
}

// sameTime says that two entries were last changed in the same second, which
// is what layers hold and what compiled Python remembers of its source.
func sameTime(a, b *layers.Entry) bool { return a.ModTime.Unix() == b.ModTime.Unix() }

// contents compares files of two trees, each pair once.
type contents struct {
	source, base *layers.Tree
	known        map[[2]*layers.Inode]bool
}

// prepare reads what comparing the pairs will need, a layer at a time.
func (c *contents) prepare(ctx context.Context, pairs []*pair) error {
	var ours, theirs []*layers.Inode
	for _, p := range pairs {
		if comparable(p.source, p.base.Entry) {
			ours, theirs = append(ours, p.source.Inode), append(theirs, p.base.Inode)
		}
	}
	if err := c.source.Prefetch(ctx, ours); err != nil {
		return err
	}
	return c.base.Prefetch(ctx, theirs)
}

func comparable(a, b *layers.Entry) bool {
	return b != nil && a.Type == layers.Regular && b.Type == layers.Regular && a.Size == b.Size
}

// same says that two entries have the same content.
func (c *contents) same(source, base *layers.Entry) (bool, error) {
	key := [2]*layers.Inode{source.Inode, base.Inode}
	if is, ok := c.known[key]; ok {
		return is, nil
	}
	is, err := c.source.SameContent(source.Inode, c.base, base.Inode)
	if err != nil {
		return false, fmt.Errorf("comparing %q with the base's: %w", source.Path, err)
	}
	c.known[key] = is
	return is, nil
}
