package layers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/containerd/stargz-snapshotter/estargz"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// Compression of a written layer.
type Compression string

// The compressions pare writes.
const (
	Gzip         Compression = "gzip"
	Zstd         Compression = "zstd"
	Uncompressed Compression = "none"
	EStargz      Compression = "estargz"
)

// What decides the bytes of a layer besides its content. These never follow
// the machine: a change changes digests and needs a line in the CHANGELOG.
const (
	gzipLevel     = 6       // 100 MB/s; 9 gains 1 % at a ninth of the speed
	gzipBlock     = 1 << 20 // compressed apart, with the block before as dictionary
	zstdEncoders  = 2
	estargzParts  = 4
	estargzLevel  = 6
	maxGzipBlocks = 16
)

// LayerOptions says how [NewLayer] writes.
type LayerOptions struct {
	Compression Compression // "" is Gzip
	// Docker writes Docker schema 2 media types instead of OCI's.
	Docker bool
	// Prioritized lists paths in order of first access, for EStargz; those
	// that the layer does not have are left out.
	Prioritized []string
	// Workers bounds compression threads; 0 is GOMAXPROCS. It never changes the bytes.
	Workers int
	// Dir is where the blob's file is made; the caller removes it.
	Dir string
}

// ErrMediaType says that Docker's schema 2 has no layers of a compression.
var ErrMediaType = errors.New("no Docker media type for this compression")

// NewLayer writes outputs into a blob file in o.Dir and returns it as a layer
// whose digest, diffID and size are known. Nothing is held in memory. On an
// error no file is left.
func NewLayer(ctx context.Context, outputs []Output, o LayerOptions) (v1.Layer, error) {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Compression == "" {
		o.Compression = Gzip
	}
	media, err := mediaType(o)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(o.Dir, "layer-*")
	if err != nil {
		return nil, fmt.Errorf("making a layer's file: %w", err)
	}
	l := &fileLayer{path: f.Name(), media: media, compression: o.Compression}
	err = l.write(ctx, f, outputs, o)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(f.Name())
		return nil, fmt.Errorf("writing a layer to %s: %w", o.Dir, err)
	}
	return l, nil
}

func mediaType(o LayerOptions) (types.MediaType, error) {
	switch o.Compression {
	case Gzip, EStargz:
		if o.Docker {
			return types.DockerLayer, nil
		}
		return types.OCILayer, nil
	case Zstd:
		if o.Docker {
			return "", fmt.Errorf("%w: %s; write OCI or gzip", ErrMediaType, o.Compression)
		}
		return types.OCILayerZStd, nil
	case Uncompressed:
		if o.Docker {
			return types.DockerUncompressedLayer, nil
		}
		return types.OCIUncompressedLayer, nil
	}
	return "", fmt.Errorf("unknown compression %q; known are gzip, zstd, none, estargz", string(o.Compression))
}

// fileLayer is a layer whose blob is a file.
type fileLayer struct {
	path           string
	media          types.MediaType
	compression    Compression
	digest, diffID v1.Hash
	size           int64
	annotations    map[string]string
}

func (l *fileLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *fileLayer) DiffID() (v1.Hash, error)             { return l.diffID, nil }
func (l *fileLayer) Size() (int64, error)                 { return l.size, nil }
func (l *fileLayer) MediaType() (types.MediaType, error)  { return l.media, nil }
func (l *fileLayer) Compressed() (io.ReadCloser, error)   { return os.Open(l.path) }
func (l *fileLayer) Uncompressed() (io.ReadCloser, error) { return l.uncompressed() }

// Descriptor carries the annotations that a manifest needs (eStargz's TOC digest).
func (l *fileLayer) Descriptor() (*v1.Descriptor, error) {
	return &v1.Descriptor{MediaType: l.media, Size: l.size, Digest: l.digest, Annotations: l.annotations}, nil
}

func (l *fileLayer) uncompressed() (io.ReadCloser, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	r, _, stop, err := decompress(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &unpackedFile{Reader: r, stop: stop, f: f}, nil
}

type unpackedFile struct {
	io.Reader
	stop func()
	f    *os.File
}

func (u *unpackedFile) Close() error {
	u.stop()
	return u.f.Close()
}

func (l *fileLayer) write(ctx context.Context, f *os.File, outputs []Output, o LayerOptions) error {
	blob := &countingHash{w: f, h: sha256.New()}
	var err error
	if o.Compression == EStargz {
		err = l.writeEStargz(ctx, blob, outputs, o)
	} else {
		err = l.writeCompressed(ctx, blob, outputs, o)
	}
	l.digest, l.size = blob.sum(), blob.n
	return err
}

func (l *fileLayer) writeCompressed(ctx context.Context, blob io.Writer, outputs []Output, o LayerOptions) error {
	zw, err := compressor(blob, o)
	if err != nil {
		return err
	}
	diff := &countingHash{w: zw, h: sha256.New()}
	err = WriteTar(ctx, diff, outputs)
	if cerr := zw.Close(); err == nil {
		err = cerr // closed in any case: it ends the compressor's goroutines
	}
	l.diffID = diff.sum()
	return err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func compressor(w io.Writer, o LayerOptions) (io.WriteCloser, error) {
	switch o.Compression {
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(zstdEncoders), zstd.WithEncoderLevel(zstd.SpeedDefault))
	case Uncompressed:
		return nopCloser{w}, nil
	}
	zw, err := pgzip.NewWriterLevel(w, gzipLevel)
	if err != nil {
		return nil, err
	}
	return zw, zw.SetConcurrency(gzipBlock, min(o.Workers, maxGzipBlocks))
}

// writeEStargz needs the tar as a file, since estargz sorts it anew.
func (l *fileLayer) writeEStargz(ctx context.Context, blob io.Writer, outputs []Output, o LayerOptions) (err error) {
	raw, err := os.CreateTemp(o.Dir, "tar-*")
	if err != nil {
		return err
	}
	defer func() {
		raw.Close()
		os.Remove(raw.Name())
	}()
	if err := WriteTar(ctx, raw, outputs); err != nil {
		return err
	}
	size, err := raw.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	b, err := estargz.Build(io.NewSectionReader(raw, 0, size),
		estargz.WithParallelism(estargzParts),
		estargz.WithCompressionLevel(estargzLevel),
		estargz.WithContext(ctx),
		estargz.WithPrioritizedFiles(prioritized(outputs, o.Prioritized)))
	if err != nil {
		return err
	}
	_, err = io.Copy(blob, b)
	if cerr := b.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if l.diffID, err = v1.NewHash(b.DiffID().String()); err != nil {
		return err
	}
	l.annotations = map[string]string{estargz.TOCJSONDigestAnnotation: b.TOCDigest().String()}
	return nil
}

// prioritized are the paths that outputs have, named as the tar names them.
func prioritized(outputs []Output, paths []string) []string {
	have := make(map[string]bool, len(outputs))
	for i := range outputs {
		have[outputs[i].Path] = outputs[i].Type != Directory || outputs[i].LinkTo != ""
	}
	var out []string
	for _, p := range paths {
		if have[p] {
			out = append(out, strings.TrimPrefix(p, "/"))
			have[p] = false
		}
	}
	return out
}

// countingHash writes on and keeps count and sha256 of what it wrote.
type countingHash struct {
	w io.Writer
	h hash.Hash
	n int64
}

func (c *countingHash) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.h.Write(p[:n])
	c.n += int64(n)
	return n, err
}

func (c *countingHash) sum() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(c.h.Sum(nil))}
}
