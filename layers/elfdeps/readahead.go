package elfdeps

import "io"

// readAhead reads more than it is asked for: what ParseSymbols looks at are a
// dozen places, most of them next to each other at the beginning of the file.
type readAhead struct {
	r     io.ReaderAt
	block []byte
	at    int64 // of block in the file
}

const readAheadBytes = 64 << 10

func (a *readAhead) ReadAt(p []byte, off int64) (int, error) {
	if len(p) >= readAheadBytes {
		return a.r.ReadAt(p, off)
	}
	if off < a.at || off+int64(len(p)) > a.at+int64(len(a.block)) {
		if a.block == nil {
			a.block = make([]byte, readAheadBytes)
		}
		n, err := a.r.ReadAt(a.block[:readAheadBytes], off)
		a.block, a.at = a.block[:n], off
		if n < len(p) {
			return copy(p, a.block), err
		}
	}
	return copy(p, a.block[off-a.at:]), nil
}
