package layers

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"maps"
	"os"
	"slices"
)

// A content file of the cache is the spool's bytes, then a table of its
// pieces (varints: entry number, offset, size, CRC-32C), then this footer:
// the table's length (8 bytes, big endian), its SHA-256, and the magic.
const (
	contentMagic  = "pareCF1\n"
	contentFooter = 8 + sha256.Size + len(contentMagic)
	maxTable      = 256 << 20
)

// writeContent copies a spool into w as a content file.
func writeContent(w io.Writer, sp *spool) error {
	if sp.f != nil {
		if _, err := sp.f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(w, sp.f, sp.off); err != nil { // in the kernel, where it can
			return err
		}
	}
	e := &encoder{}
	e.ints(int64(len(sp.pieces)))
	for _, ord := range slices.Sorted(maps.Keys(sp.pieces)) {
		p := sp.pieces[ord]
		e.ints(int64(ord), p.off, p.size, int64(p.sum))
	}
	sum := sha256.Sum256(e.b)
	tail := binary.BigEndian.AppendUint64(e.b, uint64(len(e.b)))
	tail = append(append(tail, sum[:]...), contentMagic...)
	_, err := w.Write(tail)
	return err
}

// readTable returns the pieces of a content file.
func readTable(f *os.File) (map[int32]piece, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	footer := make([]byte, contentFooter)
	end := info.Size() - int64(contentFooter)
	if end < 0 {
		return nil, errCorrupt
	}
	if _, err := f.ReadAt(footer, end); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(footer)
	if string(footer[8+sha256.Size:]) != contentMagic || n > maxTable || n > uint64(end) {
		return nil, errCorrupt
	}
	table := make([]byte, n)
	if _, err := f.ReadAt(table, end-int64(n)); err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(table); !bytes.Equal(sum[:], footer[8:8+sha256.Size]) {
		return nil, errCorrupt
	}
	return decodeTable(table, end-int64(n))
}

// decodeTable reads a table over data of limit bytes.
func decodeTable(table []byte, limit int64) (map[int32]piece, error) {
	r := &decoder{s: string(table)}
	pieces := map[int32]piece{}
	for range r.len() {
		ord := r.int()
		p := piece{off: r.int(), size: r.int(), sum: uint32(r.int())}
		if r.bad || p.off < 0 || p.size < 0 || p.off > limit || p.size > limit-p.off {
			return nil, errCorrupt
		}
		pieces[int32(ord)] = p
	}
	if r.bad || r.s != "" {
		return nil, errCorrupt
	}
	return pieces, nil
}
