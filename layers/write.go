package layers

import (
	"context"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Output is one entry to write into a layer or a tar.
type Output struct {
	// Path is absolute and clean, as in [Entry].
	Path string
	Header
	// LinkTo, when not "", makes this a hard link to an earlier Output of
	// the same layer; Header is then not written.
	LinkTo string
	// Open returns the content of a regular file of Header.Size bytes.
	Open func() (io.ReadCloser, error)
}

// Compression of a written layer.
type Compression string

// The compressions pare writes.
const (
	Gzip         Compression = "gzip"
	Zstd         Compression = "zstd"
	Uncompressed Compression = "none"
	EStargz      Compression = "estargz"
)

// LayerOptions says how [NewLayer] writes.
type LayerOptions struct {
	Compression Compression // "" is Gzip
	// Docker writes Docker schema 2 media types instead of OCI's.
	Docker bool
	// Prioritized lists paths in order of first access, for EStargz.
	Prioritized []string
	// Workers bounds compression threads; 0 is GOMAXPROCS. It never changes the bytes.
	Workers int
	// Dir is where the blob's file is made; the caller removes it.
	Dir string
}

// WriteTar writes outputs, which must be sorted by path with explicit
// parents, as a deterministic tar: same outputs, same bytes.
func WriteTar(ctx context.Context, w io.Writer, outputs []Output) error { panic("contract") }

// NewLayer writes outputs into a blob file in o.Dir and returns it as a
// layer whose digest, diffID and size are known.
func NewLayer(ctx context.Context, outputs []Output, o LayerOptions) (v1.Layer, error) {
	panic("contract")
}
