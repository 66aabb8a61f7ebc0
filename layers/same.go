package layers

import (
	"bytes"
	"errors"
	"io"
)

// SameContent says whether a file of t and one of another tree are of one type
// and have the same content: bytes, link text or device number. Who owns them
// and when they were made does not matter. See [Tree.Prefetch].
func (t *Tree) SameContent(a *Inode, other *Tree, b *Inode) (bool, error) {
	x, y := &a.Header, &b.Header
	switch {
	case x.Type != y.Type || x.Size != y.Size || x.Linkname != y.Linkname || x.Major != y.Major || x.Minor != y.Minor:
		return false, nil
	case x.Type != Regular || x.Size == 0:
		return true, nil
	}
	f, err := t.OpenContent(a)
	if err != nil {
		return false, err
	}
	defer f.Close()
	g, err := other.OpenContent(b)
	if err != nil {
		return false, err
	}
	defer g.Close()
	return sameBytes(f, g)
}

// sameBytes reads both to the first difference. What could not be read is no
// difference.
func sameBytes(a, b io.Reader) (bool, error) {
	bx, by := largeBuffers.Get().(*[]byte), largeBuffers.Get().(*[]byte)
	defer func() {
		largeBuffers.Put(bx)
		largeBuffers.Put(by)
	}()
	x, y := *bx, *by
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
