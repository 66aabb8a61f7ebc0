package layers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// zstdWindow is the largest window that a frame may ask for: that of
// "zstd --ultra -22 --long=27", the most its own decoder takes unasked.
const zstdWindow = 128 << 20

// decompress tells the compression by its magic bytes, whatever the media
// type says: registries hold layers labelled wrongly.
func decompress(r io.Reader) (io.Reader, Compression, func(), error) {
	br := bufio.NewReaderSize(r, 64<<10)
	magic, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", nil, err
	}
	nothing := func() {}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		zr, err := gzip.NewReader(br) // reads all members (RFC 1952, 2.2)
		if err != nil {
			return nil, "", nil, fmt.Errorf("%w: gzip: %w", ErrInvalid, err)
		}
		return invalidReader{zr}, Gzip, nothing, nil
	case isZstd(magic):
		zr, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, "", nil, fmt.Errorf("%w: zstd: %w", ErrInvalid, err)
		}
		return invalidReader{zr}, Zstd, zr.Close, nil
	}
	return br, Uncompressed, nothing, nil
}

// isZstd knows frames and skippable frames (RFC 8878, 3.1): zstd:chunked and
// some compressors begin with the latter.
func isZstd(magic []byte) bool {
	if len(magic) < 4 {
		return false
	}
	frame := bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd})
	skippable := magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18})
	return frame || skippable
}

// invalidReader marks a decompressor's own errors as ErrInvalid.
type invalidReader struct{ r io.Reader }

func (i invalidReader) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	return n, fmt.Errorf("%w: decompressing: %w", ErrInvalid, err)
}

// footerSize is that of the longest footer below.
const footerSize = 64

// chunked tells from a blob's last bytes whether it is eStargz (a gzip
// member with the extra field "SG", docs/estargz.md) or zstd:chunked (a
// skippable frame ending in "GNUlInUx", containers/storage). Only there are
// the table of contents and the landmarks no files of the image.
func chunked(tail []byte, c Compression) (estargz, zstdChunked bool) {
	const estargzFooter = 51
	if c == Gzip && len(tail) >= estargzFooter {
		last := tail[len(tail)-estargzFooter:]
		estargz = bytes.HasPrefix(last, []byte{0x1f, 0x8b}) && bytes.Contains(last, []byte("STARGZ"))
	}
	zstdChunked = c == Zstd && bytes.HasSuffix(tail, []byte("GNUlInUx"))
	return estargz, zstdChunked
}
