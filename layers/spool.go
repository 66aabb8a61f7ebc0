package layers

import (
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// piece is one file's content in a content file.
type piece struct {
	off, size int64
	sum       uint32 // CRC-32C
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// spool is an append-only file of wanted contents of one layer. It is made
// when first needed and has no name: a killed process leaves nothing.
type spool struct {
	dir    string
	f      *os.File
	off    int64 // end of what is kept
	buf    []byte
	pieces map[int32]piece
}

const spoolBuffer = 256 << 10

func newSpool(dir string) *spool { return &spool{dir: dir, pieces: map[int32]piece{}} }

func (s *spool) create() error {
	if s.f != nil {
		return nil
	}
	f, err := os.CreateTemp(s.dir, "pare-spool-*")
	if err != nil {
		return fmt.Errorf("spooling content: %w", err)
	}
	s.f, s.buf = f, make([]byte, 0, spoolBuffer)
	return unlinkOpen(f)
}

// add appends exactly size bytes of r as the content of entry ord.
func (s *spool) add(ord int32, size int64, r io.Reader) error {
	if err := s.create(); err != nil {
		return err
	}
	p := piece{off: s.off, size: size}
	for left := size; left > 0; {
		if len(s.buf) == cap(s.buf) {
			if err := s.flush(); err != nil {
				return err
			}
		}
		room := s.buf[len(s.buf):min(int64(cap(s.buf)), int64(len(s.buf))+left)]
		n, err := r.Read(room)
		p.sum = crc32.Update(p.sum, castagnoli, room[:n])
		s.buf = s.buf[:len(s.buf)+n]
		s.off += int64(n)
		left -= int64(n)
		if err != nil && left > 0 {
			return tarError(noEOF(err))
		}
	}
	s.pieces[ord] = p
	return nil
}

// takeBack forgets the piece that was added last.
func (s *spool) takeBack(ord int32) {
	s.off = s.pieces[ord].off
	s.buf = s.buf[:0]
	delete(s.pieces, ord)
}

func (s *spool) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	if _, err := s.f.WriteAt(s.buf, s.off-int64(len(s.buf))); err != nil {
		return fmt.Errorf("spooling content: %w", err)
	}
	s.buf = s.buf[:0]
	return nil
}

func (s *spool) section(p piece) *io.SectionReader { return io.NewSectionReader(s.f, p.off, p.size) }

// release frees the write buffer; the content stays.
func (s *spool) release() { s.buf = nil }

func (s *spool) close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}
