package reference

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/atomicfile"
)

// tarFile writes a tar whose bytes follow from names and contents alone.
type tarFile struct{ f *os.File }

const tarBlock = 512

// header is always one block: GNU's has room for any size.
func tarHeader(name string, typeflag byte, size int64) ([]byte, error) {
	mode := int64(0o644)
	if typeflag == tar.TypeDir {
		mode = 0o755
	}
	var buf bytes.Buffer
	err := tar.NewWriter(&buf).WriteHeader(&tar.Header{
		Name: name, Typeflag: typeflag, Size: size, Mode: mode, ModTime: time.Unix(0, 0), Format: tar.FormatGNU,
	})
	if err == nil && buf.Len() != tarBlock {
		err = fmt.Errorf("the name %q is too long", name)
	}
	return buf.Bytes(), err
}

func (t tarFile) dir(name string) error {
	h, err := tarHeader(name, tar.TypeDir, 0)
	if err == nil {
		_, err = t.f.Write(h)
	}
	return err
}

// file writes an entry whose size is known when all of it is written: the
// header is put right afterwards.
func (t tarFile) file(name string, fill func(io.Writer) error) error {
	start, err := t.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := t.f.Seek(tarBlock, io.SeekCurrent); err != nil {
		return err
	}
	if err := fill(t.f); err != nil {
		return err
	}
	end, err := t.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	size := end - start - tarBlock
	h, err := tarHeader(name, tar.TypeReg, size)
	if err != nil {
		return err
	}
	if _, err := t.f.WriteAt(h, start); err != nil {
		return err
	}
	_, err = t.f.Write(make([]byte, -size&(tarBlock-1)))
	return err
}

func (t tarFile) bytes(name string, b []byte) error {
	return t.file(name, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// end writes the two zero blocks that end a tar.
func (t tarFile) end() error {
	_, err := t.f.Write(make([]byte, 2*tarBlock))
	return err
}

func writeOCIArchive(ctx context.Context, r Ref, c *content) (Ref, error) {
	bs, err := c.blobs()
	if err != nil {
		return Ref{}, err
	}
	slices.SortFunc(bs, func(a, b blob) int { return cmp.Compare(a.digest.Hex, b.digest.Hex) })
	index, err := newIndexFile(nil, r.Name, c.top)
	if err != nil {
		return Ref{}, err
	}
	at, err := writeArchive(r, func(t tarFile) error {
		if err := t.bytes(layoutFile, []byte(layoutVersion)); err != nil {
			return err
		}
		if err := t.bytes(indexFile, index); err != nil {
			return err
		}
		for _, d := range []string{blobsDir + "/", sha256Dir + "/"} {
			if err := t.dir(d); err != nil {
				return err
			}
		}
		for _, b := range bs {
			if err := t.file(path.Join(sha256Dir, b.digest.Hex), func(w io.Writer) error { return b.copyTo(ctx, w) }); err != nil {
				return err
			}
		}
		return nil
	})
	at.Digest = c.top.Digest
	return at, err
}

// writeArchive makes r.Path the tar that fill writes.
func writeArchive(r Ref, fill func(tarFile) error) (Ref, error) {
	file, err := filepath.Abs(r.Path)
	if err != nil {
		return Ref{}, err
	}
	err = atomicfile.Replace(file, func(f *os.File) error {
		t := tarFile{f}
		if err := fill(t); err != nil {
			return err
		}
		return t.end()
	})
	return Ref{Kind: r.Kind, Path: file}, err
}

// writeDockerArchive writes what `docker load` of any version reads: layers
// are not compressed.
func writeDockerArchive(ctx context.Context, r Ref, img v1.Image) (Ref, error) {
	var digest v1.Hash
	at, err := writeArchive(r, func(t tarFile) (err error) {
		digest, err = fillDockerArchive(ctx, t, r.Name, img)
		return err
	})
	at.Digest = digest
	return at, err
}

// fillDockerArchive returns the digest under which the archive will be read.
func fillDockerArchive(ctx context.Context, t tarFile, tag string, img v1.Image) (v1.Hash, error) {
	config, err := img.RawConfigFile()
	if err != nil {
		return v1.Hash{}, err
	}
	id, _, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return v1.Hash{}, err
	}
	names, err := dockerLayers(ctx, t, img)
	if err != nil {
		return v1.Hash{}, err
	}
	d := dockerImage{Config: id.Hex + ".json", Layers: names}
	if tag != "" {
		d.RepoTags = []string{tag}
	}
	if err := t.bytes(d.Config, config); err != nil {
		return v1.Hash{}, err
	}
	list, err := json.Marshal([]dockerImage{d})
	if err != nil {
		return v1.Hash{}, err
	}
	if err := t.bytes(dockerManifest, list); err != nil {
		return v1.Hash{}, err
	}
	return readBack(ctx, t, d)
}

// dockerLayers writes each layer once, under the name of its diffID.
func dockerLayers(ctx context.Context, t tarFile, img v1.Image) ([]string, error) {
	ls, err := img.Layers()
	if err != nil {
		return nil, err
	}
	cf, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for i, l := range ls {
		diffID := cf.RootFS.DiffIDs[i]
		name := diffID.Hex + ".tar"
		if !slices.Contains(names, name) {
			if err := t.file(name, func(w io.Writer) error { return unpackTo(ctx, w, l, diffID) }); err != nil {
				return nil, fmt.Errorf("layer %d: %w", i, err)
			}
		}
		names = append(names, name)
	}
	return names, nil
}

func unpackTo(ctx context.Context, w io.Writer, l v1.Layer, diffID v1.Hash) error {
	rc, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	return copyVerified(ctx, w, rc, diffID, -1)
}

// readBack finds the image in what has been written so far.
func readBack(ctx context.Context, t tarFile, d dockerImage) (v1.Hash, error) {
	size, err := t.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return v1.Hash{}, err
	}
	a, err := indexTar(ctx, t.f, size)
	if err != nil {
		return v1.Hash{}, err
	}
	s, err := loadDocker(a, d)
	if err != nil {
		return v1.Hash{}, err
	}
	return s.Descriptor.Digest, nil
}
