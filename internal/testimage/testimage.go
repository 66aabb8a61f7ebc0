// Package testimage builds small images from text, for tests.
//
// An image is a txtar archive. Each section "layer", optionally followed by a
// compression (gzip, zstd, none), is one layer, lowest first; every line of it
// is one tar entry, written in the order given and with the name to the letter:
//
//	dir     etc 0755 0:0
//	file    etc/passwd 0644 0:0 "root:x:0:0::/root:/bin/sh\n"
//	file    bin/app 0755 0:0 @app
//	symlink bin/sh -> dash
//	link    bin/x => bin/app
//	char    dev/null 0666 0:0 1:3
//	block   dev/sda 0660 0:6 8:0
//	fifo    run/p 0644 0:0
//
// Mode and owner may be left out (0755 for directories, 0644 for files, 0:0).
// Names may be Go-quoted. Options follow: mtime=SECONDS, xattr:NAME="value".
// "@app" takes the section "content app". The section "config" is the JSON of
// the image config's "config" object, "image" of the whole config file.
package testimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/tools/txtar"
)

// Entry is one tar entry to write, to the letter.
type Entry struct {
	tar.Header
	Body []byte
}

// New builds the image that archive describes; it fails t on a mistake.
func New(t testing.TB, archive string) v1.Image {
	t.Helper()
	img, err := Parse(archive)
	if err != nil {
		t.Fatalf("building test image: %v", err)
	}
	return img
}

// Parse builds the image that archive describes.
func Parse(archive string) (v1.Image, error) {
	ar := txtar.Parse([]byte(archive))
	contents := map[string][]byte{}
	for _, f := range ar.Files {
		if name, ok := strings.CutPrefix(f.Name, "content "); ok {
			contents[name] = f.Data
		}
	}
	cfg := &v1.ConfigFile{OS: "linux", Architecture: "amd64"}
	var layers []v1.Layer
	for _, f := range ar.Files {
		words := strings.Fields(f.Name)
		switch words[0] {
		case "content":
		case "image":
			if err := json.Unmarshal(f.Data, cfg); err != nil {
				return nil, fmt.Errorf("section image: %w", err)
			}
		case "config":
			if err := json.Unmarshal(f.Data, &cfg.Config); err != nil {
				return nil, fmt.Errorf("section config: %w", err)
			}
		case "layer":
			entries, err := parseEntries(string(f.Data), contents)
			if err != nil {
				return nil, fmt.Errorf("section %s: %w", f.Name, err)
			}
			l, err := Layer(entries, words[len(words)-1])
			if err != nil {
				return nil, fmt.Errorf("section %s: %w", f.Name, err)
			}
			layers = append(layers, l)
		default:
			return nil, fmt.Errorf("unknown section %q", f.Name)
		}
	}
	return Image(cfg, layers...)
}

// Image puts layers under a config, as an OCI image.
func Image(cfg *v1.ConfigFile, layers ...v1.Layer) (v1.Image, error) {
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	cfg = cfg.DeepCopy()
	cfg.RootFS = v1.RootFS{Type: "layers"}
	img, err := mutate.ConfigFile(img, cfg)
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		if img, err = mutate.AppendLayers(img, l); err != nil {
			return nil, err
		}
	}
	return img, nil
}

// Layer writes entries as a layer; compression is gzip, zstd or none, and
// any other word is gzip.
func Layer(entries []Entry, compression string) (v1.Layer, error) {
	raw, err := Tar(entries)
	if err != nil {
		return nil, err
	}
	return RawLayer(raw, compression)
}

// RawLayer compresses bytes that are meant to be a tar.
func RawLayer(raw []byte, compression string) (v1.Layer, error) {
	var blob bytes.Buffer
	var w io.WriteCloser
	media := types.OCILayer
	switch compression {
	case "none":
		return newLayer(raw, raw, types.OCIUncompressedLayer)
	case "zstd":
		w, _ = zstd.NewWriter(&blob)
		media = types.OCILayerZStd
	default:
		w = gzip.NewWriter(&blob)
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return newLayer(blob.Bytes(), raw, media)
}

type blobLayer struct {
	v1.Layer
	diffID v1.Hash
	raw    []byte
}

func newLayer(blob, raw []byte, media types.MediaType) (v1.Layer, error) {
	diffID, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return Lie(static.NewLayer(blob, media), diffID, raw), nil
}

// Lie returns a layer whose blob is l's and whose diffID and uncompressed
// bytes are as given, true or not.
func Lie(l v1.Layer, diffID v1.Hash, raw []byte) v1.Layer {
	return &blobLayer{Layer: l, diffID: diffID, raw: raw}
}

func (l *blobLayer) DiffID() (v1.Hash, error) { return l.diffID, nil }

func (l *blobLayer) Uncompressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.raw)), nil
}

// Tar writes entries in their order.
func Tar(entries []Entry) ([]byte, error) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, e := range entries {
		e.Size = int64(len(e.Body))
		if err := tw.WriteHeader(&e.Header); err != nil {
			return nil, fmt.Errorf("entry %q: %w", e.Name, err)
		}
		if _, err := tw.Write(e.Body); err != nil {
			return nil, fmt.Errorf("entry %q: %w", e.Name, err)
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func parseEntries(text string, contents map[string][]byte) ([]Entry, error) {
	var entries []Entry
	for i, line := range strings.Split(text, "\n") {
		words, err := split(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		e, err := parseEntry(words, contents)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", i+1, line, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

var typeflags = map[string]byte{
	"dir": tar.TypeDir, "file": tar.TypeReg, "symlink": tar.TypeSymlink, "link": tar.TypeLink,
	"char": tar.TypeChar, "block": tar.TypeBlock, "fifo": tar.TypeFifo,
}

func parseEntry(words []string, contents map[string][]byte) (Entry, error) {
	flag, ok := typeflags[words[0]]
	if !ok || len(words) < 2 {
		return Entry{}, fmt.Errorf("want TYPE NAME …")
	}
	e := Entry{Header: tar.Header{Typeflag: flag, Name: unquote(words[1]), Mode: 0o644, Format: tar.FormatPAX, ModTime: time.Unix(1, 0)}}
	if flag == tar.TypeDir {
		e.Mode = 0o755
	}
	for i := 2; i < len(words); i++ {
		w := words[i]
		switch {
		case (w == "->" || w == "=>") && i+1 < len(words):
			i++
			e.Linkname = unquote(words[i])
		case strings.HasPrefix(w, "mtime="):
			sec, err := strconv.ParseInt(w[len("mtime="):], 10, 64)
			if err != nil {
				return e, err
			}
			e.ModTime = time.Unix(sec, 0)
		case strings.HasPrefix(w, "xattr:"):
			k, v, _ := strings.Cut(w[len("xattr:"):], "=")
			if e.PAXRecords == nil {
				e.PAXRecords = map[string]string{}
			}
			e.PAXRecords["SCHILY.xattr."+k] = unquote(v)
		case strings.HasPrefix(w, `"`):
			e.Body = []byte(unquote(w))
		case strings.HasPrefix(w, "@"):
			body, ok := contents[w[1:]]
			if !ok {
				return e, fmt.Errorf("no section %q", "content "+w[1:])
			}
			e.Body = body
		case strings.Contains(w, ":"):
			if err := parsePair(&e, flag, w); err != nil {
				return e, err
			}
		default:
			mode, err := strconv.ParseInt(w, 8, 64)
			if err != nil {
				return e, err
			}
			e.Mode = mode
		}
	}
	return e, nil
}

// parsePair reads UID:GID or, for the second pair of a device, MAJOR:MINOR.
func parsePair(e *Entry, flag byte, w string) error {
	a, b, _ := strings.Cut(w, ":")
	x, err := strconv.ParseInt(a, 10, 64)
	if err != nil {
		return err
	}
	y, err := strconv.ParseInt(b, 10, 64)
	if err != nil {
		return err
	}
	const ownerSeen = "owner"
	if (flag == tar.TypeChar || flag == tar.TypeBlock) && e.Uname == ownerSeen {
		e.Uname = ""
		e.Devmajor, e.Devminor = x, y
		return nil
	}
	if flag == tar.TypeChar || flag == tar.TypeBlock {
		e.Uname = ownerSeen
	}
	e.Uid, e.Gid = int(x), int(y)
	return nil
}

func unquote(s string) string {
	if u, err := strconv.Unquote(s); err == nil {
		return u
	}
	return s
}

// split cuts a line at spaces outside double quotes.
func split(line string) ([]string, error) {
	var words []string
	var cur strings.Builder
	quoted, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case !quoted && (r == ' ' || r == '\t'):
			if cur.Len() > 0 {
				words = append(words, cur.String())
				cur.Reset()
			}
			continue
		}
		cur.WriteRune(r)
	}
	if quoted {
		return nil, fmt.Errorf("open quote")
	}
	if cur.Len() > 0 {
		words = append(words, cur.String())
	}
	return words, nil
}
