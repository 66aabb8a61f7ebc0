package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

// subject is one of testdata/images as it is asked here.
type subject struct {
	name string
	port int
	path string   // what is asked for
	file string   // the same, in the image
	args []string // in the place of the image's command
	note string
}

var subjects = []subject{
	{name: "nginx", port: 80, path: "/bench.txt", file: "/srv/www/bench.txt"},
	{
		name: "python", port: 8000, path: "/static/bench.txt", file: "/app/static/bench.txt",
		args: []string{"gunicorn", "--config", "/app/gunicorn.conf.py", "--worker-class", "gthread", "--threads", "2", "wsgi:application"},
		note: "gunicorn with worker class gthread: the default one keeps no connection",
	},
	{name: "node", port: 3000, path: "/static/bench.txt", file: "/app/public/bench.txt"},
}

// bodySize is that of every answer, in bytes.
const bodySize = 10_000

// body is the file that is asked for.
func body() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < bodySize; i++ {
		fmt.Fprintf(&b, "line %d of the file that is asked for\n", i)
	}
	return b.Bytes()[:bodySize]
}

// Where a layer on top of the image has this program and strace.
const (
	toolDir = "/.bench"
	inImage = toolDir + "/benchrecord"
)

// prepared is an image, open, with the layer.
type prepared struct {
	subject
	tree   *layers.Tree
	image  v1.Image
	strace []string // strace in the image: the first words of a command
}

// open adds the layer to an image of an OCI layout.
func (b *bench) open(ctx context.Context, im image) (*prepared, error) {
	s := &prepared{subject: subjects[slices.IndexFunc(subjects, func(s subject) bool { return s.name == im.name })]}
	img, err := fromLayout(strings.TrimPrefix(im.ref, "oci:"))
	if err != nil {
		return nil, err
	}
	files := map[string]string{} // what is in the image -> on the host
	if files[inImage], err = os.Executable(); err != nil {
		return nil, err
	}
	if s.strace, err = addStrace(ctx, files); err != nil {
		return nil, err
	}
	top, err := layer(files, s.file)
	if err != nil {
		return nil, err
	}
	if s.image, err = mutate.AppendLayers(img, top); err != nil {
		return nil, err
	}
	s.tree, err = layers.Open(ctx, s.image, layers.Options{Want: func(string, *layers.Header) bool { return true }, Scratch: b.o.work})
	return s, err
}

func layer(files map[string]string, bodyFile string) (v1.Layer, error) {
	entries := []testimage.Entry{
		{Header: tar.Header{Typeflag: tar.TypeReg, Name: bodyFile[1:], Mode: 0o644, Size: bodySize}, Body: body()},
		{Header: tar.Header{Typeflag: tar.TypeDir, Name: toolDir[1:] + "/", Mode: 0o755}},
	}
	for name, from := range files {
		content, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		entries = append(entries, testimage.Entry{
			Header: tar.Header{Typeflag: tar.TypeReg, Name: name[1:], Mode: 0o755, Size: int64(len(content))}, Body: content,
		})
	}
	return testimage.Layer(entries, "none")
}

// addStrace finds the host's strace and its libraries, which need not fit the
// image's, and returns the words by which it runs there.
func addStrace(ctx context.Context, files map[string]string) ([]string, error) {
	file, err := exec.LookPath("strace")
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "ldd", file).Output()
	if err != nil {
		return nil, fmt.Errorf("running ldd %s: %w", file, err)
	}
	loader := ""
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line) // NAME => FILE (ADDRESS), or FILE (ADDRESS)
		at := slices.IndexFunc(words, func(w string) bool { return w[0] == '/' })
		if at < 0 {
			continue // the vdso
		}
		name := path.Join(toolDir, path.Base(words[at]))
		files[name] = words[at]
		if at == 0 {
			loader = name
		}
	}
	if loader == "" {
		return nil, fmt.Errorf("ldd %s names no loader: %s", file, out)
	}
	files[toolDir+"/strace"] = file
	return []string{loader, "--library-path", toolDir, toolDir + "/strace"}, nil
}

// fromLayout reads DIR:TAG of an OCI layout.
func fromLayout(ref string) (v1.Image, error) {
	i := strings.LastIndexByte(ref, ':')
	if i < 0 {
		return nil, errors.New("want oci:DIR:TAG")
	}
	dir, tag := ref[:i], ref[i+1:]
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	im, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range im.Manifests {
		if d.Annotations["org.opencontainers.image.ref.name"] == tag {
			return idx.Image(d.Digest)
		}
	}
	return nil, fmt.Errorf("no tag %q in %s", tag, dir)
}
