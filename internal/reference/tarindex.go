package reference

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"github.com/pare-image/pare/layers"
)

// Bounds of an archive: real ones hold some files for each layer.
const (
	maxArchiveEntries  = 100_000
	maxArchiveName     = 4096
	maxArchiveUnpacked = 64 << 30 // of a compressed archive
	maxArchiveLinks    = 8
)

// archive is a tar of which only the places of its files are known.
type archive struct {
	r       io.ReaderAt
	entries map[string]section
}

type section struct {
	off, size int64
	link      string // another entry's name
}

// indexTar notes where each file's bytes are, without reading them.
func indexTar(ctx context.Context, r io.ReaderAt, size int64) (*archive, error) {
	a := &archive{r: r, entries: map[string]section{}}
	in := io.NewSectionReader(r, 0, size)
	tr := tar.NewReader(in)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("%w: reading tar: %v", ErrFormat, err)
		}
		if n == maxArchiveEntries || len(h.Name) > maxArchiveName || len(h.Linkname) > maxArchiveName {
			return nil, fmt.Errorf("%w: an archive of over %d entries, or a name of over %d bytes", layers.ErrLimit, maxArchiveEntries, maxArchiveName)
		}
		off, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if err := a.add(h, off, size); err != nil {
			return nil, err
		}
	}
}

// add notes an entry. As for any reader of tar, the last of a name counts.
func (a *archive) add(h *tar.Header, off, end int64) error {
	name := archiveName(h.Name)
	switch h.Typeflag {
	case tar.TypeReg:
		if sparse(h) || h.Size < 0 || h.Size > end-off {
			return fmt.Errorf("%w: entry %q is cut off or sparse", ErrFormat, h.Name)
		}
		a.entries[name] = section{off: off, size: h.Size}
	case tar.TypeSymlink: // docker save has them for layers that occur twice
		a.entries[name] = section{link: archiveName(path.Join(path.Dir(name), h.Linkname))}
	case tar.TypeLink:
		a.entries[name] = section{link: archiveName(h.Linkname)}
	}
	return nil
}

// sparse files are not where they seem to be.
func sparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// archiveName is relative and clean, and below the archive's root.
func archiveName(s string) string { return strings.TrimPrefix(path.Clean("/"+s), "/") }

func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	s, err := a.find(name)
	if err != nil {
		return nil, 0, err
	}
	return io.NopCloser(io.NewSectionReader(a.r, s.off, s.size)), s.size, nil
}

func (a *archive) find(name string) (section, error) {
	at := archiveName(name)
	for range maxArchiveLinks {
		s, ok := a.entries[at]
		if !ok {
			break
		}
		if s.link == "" {
			return s, nil
		}
		at = s.link
	}
	return section{}, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// openArchive opens a tar file, compressed or not, and finds an image in it.
func openArchive(ctx context.Context, r Ref, o Options, find func(files, Ref) (*Source, error)) (*Source, error) {
	f, err := os.OpenFile(r.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO is not waited for
	if err != nil {
		return nil, err
	}
	f, size, err := unpacked(ctx, f, o.Scratch)
	if err != nil {
		return nil, err
	}
	return sourceInTar(ctx, f, size, r, find)
}

// sourceInTar takes f over.
func sourceInTar(ctx context.Context, f *os.File, size int64, r Ref, find func(files, Ref) (*Source, error)) (*Source, error) {
	a, err := indexTar(ctx, f, size)
	var s *Source
	if err == nil {
		s, err = find(a, r)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	s.close = f.Close
	return s, nil
}

// unpacked returns f and its size, or when it is compressed as a whole, a file
// without a name that holds what it unpacks to. It takes f over.
func unpacked(ctx context.Context, f *os.File, scratch string) (*os.File, int64, error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is no regular file", ErrFormat, f.Name())
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	r, err := unzip(f)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	if r == nil {
		return f, info.Size(), nil
	}
	defer f.Close()
	return spool(ctx, r, scratch)
}

// unzip returns a reader of what f unpacks to; nil when it is not compressed.
func unzip(f *os.File) (io.Reader, error) {
	var magic [4]byte
	if n, err := f.ReadAt(magic[:], 0); n < len(magic) {
		return nil, fmt.Errorf("%w: a file of %d bytes is no archive (%v)", ErrFormat, n, err)
	}
	switch compressionOf(magic[:]) {
	case layers.Gzip:
		return gzip.NewReader(f)
	case layers.Zstd:
		return zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	}
	return nil, nil
}

// compressionOf tells by the magic bytes (RFC 1952, RFC 8878).
func compressionOf(head []byte) layers.Compression {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return layers.Gzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return layers.Zstd
	}
	return layers.Uncompressed
}

// spool writes r to a file without a name.
func spool(ctx context.Context, r io.Reader, scratch string) (*os.File, int64, error) {
	f, err := os.CreateTemp(scratch, "pare-archive-*")
	if err != nil {
		return nil, 0, err
	}
	err = os.Remove(f.Name())
	var n int64
	if err == nil {
		n, err = io.Copy(f, io.LimitReader(&contextReader{ctx, r}, maxArchiveUnpacked+1))
	}
	if err == nil && n > maxArchiveUnpacked {
		err = fmt.Errorf("%w: an archive that unpacks to over %d bytes", layers.ErrLimit, int64(maxArchiveUnpacked))
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, n, nil
}

// contextReader stops between blocks when the context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
