package layers

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// scan reads one layer for the first time: it makes its index, looks into
// every regular file and spools what is wanted.
type scan struct {
	src    *layerSource
	budget *budget
	want   func(path string, h *Header) bool
	spool  *spool
	sniff  sniffer

	meter *layerMeter
	index *layerIndex
	arena inodes
	toc   []int // records that are no files if the blob turns out to be eStargz
}

// defaultWant keeps small files: configuration, package databases, scripts.
func defaultWant(_ string, h *Header) bool { return h.Size <= 64<<10 }

func (s *scan) run(ctx context.Context, progress func(int64)) (*layerIndex, error) {
	s.index = &layerIndex{links: map[int]string{}}
	f, err := readBlob(ctx, s.src, s.budget, progress, func(r io.Reader, m *layerMeter) error {
		s.meter = m
		return eachHeader(ctx, r, s.entry)
	})
	if err != nil {
		return nil, err
	}
	if err := s.spool.flush(); err != nil {
		return nil, err
	}
	s.index.facts, s.index.cost = f, s.meter.spent
	if f.estargz || f.zstdChunked {
		s.dropTOC()
	}
	return s.index, nil
}

// eachHeader calls visit for every entry of a tar with its number, which is
// the same each time the same bytes are read.
func eachHeader(ctx context.Context, r io.Reader, visit func(ord int32, h *tar.Header, body io.Reader) error) error {
	tr := tar.NewReader(r)
	for ord := range int32(math.MaxInt32) {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return tarError(err)
		}
		if err := visit(ord, h, tr); err != nil {
			return err
		}
	}
	return overLimit("too many tar entries")
}

// tarError marks as invalid what is archive/tar's own judgement.
func tarError(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrFieldTooLong) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}

func (s *scan) entry(ord int32, h *tar.Header, body io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if err := s.named(ord, h, body); err != nil {
		return &entryError{path: h.Name, err: err}
	}
	return nil
}

// named handles an entry that has a name.
func (s *scan) named(ord int32, h *tar.Header, body io.Reader) error {
	if err := s.checkCost(h); err != nil {
		return err
	}
	name, dotdot, _ := cleanName(h.Name)
	if dotdot {
		s.warn("dot-dot-name", name, "the name %q has \"..\"; it is read as below the root", h.Name)
	}
	kind, target, drop, err := classify(name)
	if err != nil {
		return err
	}
	if drop {
		s.warn("aufs-metadata", name, "AUFS bookkeeping is not part of the image")
		return nil
	}
	if isOverlayWhiteout(h) && kind == recordEntry {
		s.warn("device-whiteout", name, "a character device 0:0 is read as a whiteout")
		kind = recordWhiteout
	}
	switch {
	case kind != recordEntry:
		s.add(record{path: target, kind: kind})
	case h.Typeflag == tar.TypeLink:
		s.index.links[len(s.index.records)] = h.Linkname
		s.add(record{path: name, kind: recordLink})
	default:
		return s.node(ord, name, h, body)
	}
	return nil
}

// node handles an entry that makes a node: everything but markers and links.
func (s *scan) node(ord int32, name string, h *tar.Header, body io.Reader) error {
	n := s.arena.new()
	if err := s.header(n, name, h); err != nil {
		return err
	}
	if name == "/" && n.Type != Directory {
		return invalid("it would replace the root")
	}
	n.content = contentRef{ord: ord}
	if isTOC(name) {
		s.toc = append(s.toc, len(s.index.records))
	}
	s.add(record{path: name, node: n, kind: recordEntry})
	if n.Type != Regular || n.Size == 0 {
		return nil
	}
	return s.content(ord, name, n, body)
}

func (s *scan) add(r record) { s.index.records = append(s.index.records, r) }

func (s *scan) warn(name, path, format string, args ...any) {
	s.index.warnings.add(s.src.index, name, path, format, args...)
}

// checkCost refuses an entry by what its header declares, before any content
// is read.
func (s *scan) checkCost(h *tar.Header) error {
	l := &s.budget.limits
	if err := l.checkPath("name", h.Name); err != nil {
		return err
	}
	if err := l.checkPath("link text", h.Linkname); err != nil {
		return err
	}
	xattrs := 0
	for k, v := range h.PAXRecords {
		if strings.HasPrefix(k, paxXattr) {
			xattrs += len(k) - len(paxXattr) + len(v)
		}
	}
	if xattrs > l.XattrBytes {
		return overLimit("%d bytes of extended attributes, at most %d", xattrs, l.XattrBytes)
	}
	if err := s.meter.entry(len(h.Name) + len(h.Linkname) + xattrs); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeGNUSparse {
		return invalid("GNU sparse files are not read")
	}
	if nodeTypes[h.Typeflag] != Regular {
		return nil // what other types say of their size means nothing
	}
	if isSparse(h) {
		if err := s.meter.sparseFile(h.Size); err != nil {
			return err
		}
	}
	return s.meter.declare(h.Size)
}

// isSparse knows PAX sparse files (GNU tar manual, "Storing Sparse Files").
func isSparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// isTOC knows the files that eStargz and zstd:chunked put beside the image's.
func isTOC(name string) bool {
	return name == "/stargz.index.json" || name == "/.prefetch.landmark" || name == "/.no.prefetch.landmark"
}

// dropTOC takes these files out again, now that the footer has shown what
// kind of blob it is. An ordinary layer may have files of such names.
func (s *scan) dropTOC() {
	for _, i := range s.toc {
		s.index.records[i].kind = 0
		s.index.records[i].node = nil
	}
}

func isOverlayWhiteout(h *tar.Header) bool {
	return h.Typeflag == tar.TypeChar && h.Devmajor == 0 && h.Devminor == 0
}
