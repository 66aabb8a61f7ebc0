package reference

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/registry"
	"github.com/pare-image/pare/layers"
)

// Options says how places are reached.
type Options struct {
	Registry *registry.Client
	Docker   Docker
	// Scratch is where files without names are made: of what the Docker
	// Engine sends, of archives that are compressed. "" is os.TempDir().
	Scratch string
}

// Source is what a reference names: an image or an index, the other is nil.
type Source struct {
	Image      v1.Image
	Index      v1.ImageIndex
	Descriptor v1.Descriptor

	close func() error
}

// Close frees what the source reads from.
func (s *Source) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// Open finds what r names. Layers are read when they are asked for; ctx holds
// for them too. Sizes of manifests, indexes and configs are bounded.
func Open(ctx context.Context, r Ref, o Options) (*Source, error) {
	s, err := open(ctx, r, o)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", r, err)
	}
	return s, nil
}

func open(ctx context.Context, r Ref, o Options) (*Source, error) {
	switch r.Kind {
	case OCI:
		return openLayout(r)
	case OCIArchive:
		return openArchive(ctx, r, o, layoutSource)
	case DockerArchive:
		return openArchive(ctx, r, o, dockerSource)
	case DockerDaemon:
		return o.Docker.open(ctx, r, o)
	}
	ref, err := o.Registry.Parse(r.Name)
	if err != nil {
		return nil, err
	}
	got, err := o.Registry.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &Source{Image: got.Image, Index: got.Index, Descriptor: got.Descriptor}, nil
}

// files is a directory or a tar, read by name.
type files interface {
	// open returns a regular file and its size. The error is an
	// fs.ErrNotExist when there is none of that name.
	open(name string) (io.ReadCloser, int64, error)
}

// readFile reads a file of at most max bytes; larger ones are not read.
func readFile(fs files, name string, max int64) ([]byte, error) {
	f, size, err := fs.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > max {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d", layers.ErrLimit, name, size, max)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return b, nil
}
