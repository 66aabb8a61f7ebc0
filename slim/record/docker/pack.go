package docker

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// writeArchive writes what every docker load reads: layers as they are
// stored, but zstd ones, which Docker before 23 cannot read, as gzip.
func writeArchive(w io.Writer, img v1.Image, tag string) error {
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	id, err := img.ConfigName()
	if err != nil {
		return err
	}
	ls, err := img.Layers()
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	list := archived{Config: id.Hex + ".json", RepoTags: []string{tag}}
	if err := writeFile(tw, file{name: list.Config, mode: 0o644, body: config}); err != nil {
		return err
	}
	written := map[string]bool{}
	for _, l := range ls {
		name, err := writeLayer(tw, l, written)
		if err != nil {
			return err
		}
		list.Layers = append(list.Layers, name)
	}
	body, err := json.Marshal([]archived{list})
	if err != nil {
		return err
	}
	if err := writeFile(tw, file{name: "manifest.json", mode: 0o644, body: body}); err != nil {
		return err
	}
	return tw.Close()
}

// archived is an entry of manifest.json.
type archived struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// writeLayer writes each layer once and returns its name in the archive.
func writeLayer(tw *tar.Writer, l v1.Layer, written map[string]bool) (string, error) {
	diffID, err := l.DiffID()
	if err != nil {
		return "", err
	}
	name := diffID.Hex + ".tar"
	if written[name] {
		return name, nil
	}
	written[name] = true
	mt, err := l.MediaType()
	if err == nil && mt == types.OCILayerZStd {
		l, err = tarball.LayerFromOpener(l.Uncompressed)
	}
	if err != nil {
		return "", err
	}
	size, err := l.Size()
	if err != nil {
		return "", err
	}
	r, err := l.Compressed()
	if err != nil {
		return "", err
	}
	defer r.Close()
	if err := tw.WriteHeader(header(file{name: name, mode: 0o644}, size)); err != nil {
		return "", err
	}
	if _, err := io.Copy(tw, r); err != nil {
		return "", fmt.Errorf("layer %s: %w", diffID, err)
	}
	return name, nil
}

// file is a small regular file of root, or a directory where body is nil and
// name ends in a slash.
type file struct {
	name string
	mode int64
	body []byte
}

func header(f file, size int64) *tar.Header {
	h := &tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: f.mode, Size: size, ModTime: time.Unix(0, 0)}
	if n := len(f.name); f.body == nil && n > 0 && f.name[n-1] == '/' {
		h.Typeflag = tar.TypeDir
	}
	return h
}

func writeFile(tw *tar.Writer, f file) error {
	if err := tw.WriteHeader(header(f, int64(len(f.body)))); err != nil {
		return err
	}
	_, err := tw.Write(f.body)
	return err
}
