package onbase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// same says that two entries have the same content: bytes of regular files,
// and for all others what sameNode looks at.
func (c *contents) same(source, base *layers.Entry) (bool, error) {
	if source.Type != base.Type || source.Size != base.Size {
		return false, nil
	}
	if source.Type != layers.Regular {
		return source.Linkname == base.Linkname && source.Major == base.Major && source.Minor == base.Minor, nil
	}
	key := [2]*layers.Inode{source.Inode, base.Inode}
	if is, ok := c.known[key]; ok {
		return is, nil
	}
	is, err := c.compare(source, base)
	if err != nil {
		return false, fmt.Errorf("comparing %q with the base's: %w", source.Path, err)
	}
	c.known[key] = is
	return is, nil
}

func (c *contents) compare(source, base *layers.Entry) (bool, error) {
	a, err := c.source.OpenContent(source.Inode)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := c.base.OpenContent(base.Inode)
	if err != nil {
		return false, err
	}
	defer b.Close()
	return sameBytes(a, b)
}

// sameBytes reads both to the first difference.
func sameBytes(a, b io.Reader) (bool, error) {
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if !ended(errA) || !ended(errB) {
			return false, errors.Join(errA, errB)
		}
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			return true, nil
		}
	}
}

// ended says that an error of io.ReadFull is none, or the end.
func ended(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
