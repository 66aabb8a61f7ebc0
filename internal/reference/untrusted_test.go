package reference

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

// layoutOn makes a layout of an image and returns its directory, the digest
// of manifest and config, and of the first layer.
func layoutOn(t *testing.T) (dir string, manifest, config, layer v1.Hash) {
	t.Helper()
	dir = t.TempDir() + "/x"
	img := testimage.New(t, twoLayers)
	mustWrite(t, "oci:"+dir+":v1", img, nil)
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return dir, digestOf(t, img), m.Config.Digest, m.Layers[0].Digest
}

// readAll opens and reads everything, and returns the error.
func readAll(t *testing.T, text string) error {
	t.Helper()
	s, err := Open(t.Context(), parse(t, text), Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	tree, err := layers.Open(t.Context(), s.Image, layers.Options{})
	if err != nil {
		return err
	}
	return tree.Close()
}

func TestLayoutUntrusted(t *testing.T) {
	outside := t.TempDir() + "/outside"
	for _, c := range []struct {
		name   string
		change func(blob func(v1.Hash) string, dir string, manifest, config, layer v1.Hash) error
		is     error
		want   string
	}{
		{"a layer is missing", func(blob func(v1.Hash) string, _ string, _, _, l v1.Hash) error { return os.Remove(blob(l)) }, ErrFormat, "is missing"},
		{"the manifest is missing", func(blob func(v1.Hash) string, _ string, m, _, _ v1.Hash) error { return os.Remove(blob(m)) }, ErrFormat, "is missing"},
		{"the config is another", func(blob func(v1.Hash) string, _ string, _, c, _ v1.Hash) error {
			b, err := os.ReadFile(blob(c))
			if err != nil {
				return err
			}
			return os.WriteFile(blob(c), bytes.Replace(b, []byte("/app"), []byte("/bpp"), 1), 0o644)
		}, layers.ErrMismatch, "digest"},
		{"the config is longer", func(blob func(v1.Hash) string, _ string, _, c, _ v1.Hash) error {
			return os.WriteFile(blob(c), []byte("{}"), 0o644)
		}, layers.ErrMismatch, "size"},
		{"the manifest is another", func(blob func(v1.Hash) string, _ string, m, _, _ v1.Hash) error {
			b, err := os.ReadFile(blob(m))
			if err != nil {
				return err
			}
			b[len(b)-1] = ' '
			return os.WriteFile(blob(m), b, 0o644)
		}, layers.ErrMismatch, "digest"},
		{"a layer is damaged", func(blob func(v1.Hash) string, _ string, _, _, l v1.Hash) error {
			b, err := os.ReadFile(blob(l))
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(blob(l), b, 0o644)
		}, nil, "layer 0"},
		{"a blob is a symlink out", func(blob func(v1.Hash) string, _ string, _, _, l v1.Hash) error {
			if err := os.Rename(blob(l), outside); err != nil {
				return err
			}
			return os.Symlink(outside, blob(l))
		}, nil, "escapes"},
		{"blobs is a symlink out", func(_ func(v1.Hash) string, dir string, _, _, _ v1.Hash) error {
			to := filepath.Join(filepath.Dir(dir), "moved")
			if err := os.Rename(dir+"/blobs", to); err != nil {
				return err
			}
			return os.Symlink(to, dir+"/blobs")
		}, nil, "escapes"},
		{"index.json is a symlink out", func(_ func(v1.Hash) string, dir string, _, _, _ v1.Hash) error {
			if err := os.Remove(dir + "/index.json"); err != nil {
				return err
			}
			return os.Symlink("/etc/passwd", dir+"/index.json")
		}, nil, "escapes"},
		{"a blob is a FIFO", func(blob func(v1.Hash) string, _ string, _, _, l v1.Hash) error {
			if err := os.Remove(blob(l)); err != nil {
				return err
			}
			return syscall.Mkfifo(blob(l), 0o644)
		}, ErrFormat, "no regular file"},
		{"a blob is a directory", func(blob func(v1.Hash) string, _ string, m, _, _ v1.Hash) error {
			if err := os.Remove(blob(m)); err != nil {
				return err
			}
			return os.Mkdir(blob(m), 0o755)
		}, ErrFormat, "no regular file"},
		{"index.json of 5 MiB", func(_ func(v1.Hash) string, dir string, _, _, _ v1.Hash) error {
			return os.WriteFile(dir+"/index.json", bytes.Repeat([]byte(" "), 5<<20), 0o644)
		}, layers.ErrLimit, "5242880"},
		{"index.json promises a manifest of 5 MiB", func(_ func(v1.Hash) string, dir string, m, _, _ v1.Hash) error {
			return os.WriteFile(dir+"/index.json", fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":5242880,"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`, m), 0o644)
		}, layers.ErrLimit, "5242880"},
		{"a digest that is a path", func(_ func(v1.Hash) string, dir string, _, _, _ v1.Hash) error {
			return os.WriteFile(dir+"/index.json", []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:../../../../etc/passwd","size":100}]}`), 0o644)
		}, nil, "digest"},
		{"no JSON", func(_ func(v1.Hash) string, dir string, _, _, _ v1.Hash) error {
			return os.WriteFile(dir+"/index.json", []byte("hello"), 0o644)
		}, nil, "parsing index"},
		{"no layout", func(_ func(v1.Hash) string, dir string, _, _, _ v1.Hash) error {
			return os.Remove(dir + "/index.json")
		}, ErrFormat, "no OCI layout"},
		{"no such tag", func(_ func(v1.Hash) string, dir string, _, _, _ v1.Hash) error {
			b, err := os.ReadFile(dir + "/index.json")
			if err != nil {
				return err
			}
			return os.WriteFile(dir+"/index.json", bytes.Replace(b, []byte(`"v1"`), []byte("\"v\\u001b[1m\""), 1), 0o644)
		}, ErrNotFound, `say which: "v\x1b[1m"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, manifest, config, layer := layoutOn(t)
			blob := func(h v1.Hash) string { return filepath.Join(dir, "blobs", h.Algorithm, h.Hex) }
			if err := c.change(blob, dir, manifest, config, layer); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- readAll(t, "oci:"+dir+":v1") }()
			select {
			case err := <-done:
				if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v; want %v with %q", err, c.is, c.want)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("still reading after 20 s")
			}
		})
	}
}

// member is one entry of an archive that a test writes.
type member struct {
	name, body, link string
	flag             byte // 0 is a file
}

func tarOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Size: int64(len(m.body)), Mode: 0o644, Linkname: m.link, Typeflag: m.flag}
		if m.flag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(m.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func fileOf(t testing.TB, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// saved are the parts of what docker save writes, in the shapes it has had.
type saved struct {
	config string // of both layers
	layers []string
	gz     []string
	gzHex  []string
}

func save(t testing.TB) saved {
	t.Helper()
	var s saved
	var ids []string
	for i := range 2 {
		raw, err := testimage.Tar([]testimage.Entry{{
			Header: tar.Header{Name: fmt.Sprintf("f%d", i), Mode: 0o644, Typeflag: tar.TypeReg}, Body: fmt.Append(nil, i),
		}})
		if err != nil {
			t.Fatal(err)
		}
		h, _, err := v1.SHA256(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		var gz bytes.Buffer
		zw := gzip.NewWriter(&gz)
		zw.Write(raw)
		zw.Close()
		gh, _, err := v1.SHA256(bytes.NewReader(gz.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		s.layers, s.gz, s.gzHex = append(s.layers, string(raw)), append(s.gz, gz.String()), append(s.gzHex, gh.Hex)
		ids = append(ids, h.String())
	}
	s.config = fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{"Cmd":["/x"]},"rootfs":{"type":"layers","diff_ids":[%q,%q,%q]}}`, ids[0], ids[1], ids[0])
	return s
}

// list is a manifest.json of one image.
func list(config string, tags []string, layers ...string) member {
	b, err := json.Marshal([]map[string]any{{"Config": config, "RepoTags": tags, "Layers": layers}})
	if err != nil {
		panic(err)
	}
	return member{name: "manifest.json", body: string(b)}
}

func dockerShapes(t testing.TB) map[string][]byte {
	s := save(t)
	zw, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	zst := zw.EncodeAll([]byte(s.layers[0]), nil)
	tags := []string{"app:v1", "other/app:v2"}
	return map[string][]byte{
		"docker 1.10 to 24, layers that repeat are symlinks": tarOf(t,
			member{name: "aa/", flag: tar.TypeDir}, member{name: "aa/VERSION", body: "1.0"}, member{name: "aa/layer.tar", body: s.layers[0]},
			member{name: "bb/layer.tar", body: s.layers[1]},
			member{name: "cc/layer.tar", link: "../aa/layer.tar", flag: tar.TypeSymlink},
			member{name: "c.json", body: s.config}, list("c.json", tags, "aa/layer.tar", "bb/layer.tar", "cc/layer.tar"),
			member{name: "repositories", body: `{"app":{"v1":"cc"}}`}),
		"docker 25 and later": tarOf(t,
			member{name: "blobs/", flag: tar.TypeDir}, member{name: "blobs/sha256/l0", body: s.layers[0]}, member{name: "blobs/sha256/l1", body: s.layers[1]},
			member{name: "blobs/sha256/c", body: s.config}, member{name: "oci-layout", body: layoutVersion},
			list("blobs/sha256/c", tags, "blobs/sha256/l0", "blobs/sha256/l1", "blobs/sha256/l0")),
		"docker with containerd's store: compressed blobs": tarOf(t,
			member{name: "blobs/sha256/" + s.gzHex[0], body: s.gz[0]}, member{name: "blobs/sha256/" + s.gzHex[1], body: s.gz[1]},
			member{name: "blobs/sha256/c", body: s.config},
			list("blobs/sha256/c", tags, "blobs/sha256/"+s.gzHex[0], "blobs/sha256/"+s.gzHex[1], "blobs/sha256/"+s.gzHex[0])),
		"go-containerregistry: compressed layers": tarOf(t,
			member{name: "sha256:c", body: s.config}, member{name: "a.tar.gz", body: s.gz[0]}, member{name: "b.tar.gz", body: s.gz[1]},
			list("sha256:c", tags, "a.tar.gz", "b.tar.gz", "a.tar.gz")),
		"manifest first, names with ./, one layer in zstd": tarOf(t,
			list("./c.json", tags, "./a.tar", "b.tar", "a.tar"),
			member{name: "./a.tar", body: string(zst)}, member{name: "b.tar", body: s.layers[1]}, member{name: "./c.json", body: s.config}),
	}
}

func TestDockerArchiveShapes(t *testing.T) {
	for name, b := range dockerShapes(t) {
		t.Run(name, func(t *testing.T) {
			file := fileOf(t, b)
			var digests []v1.Hash
			for _, ref := range []string{"", ":app:v1", ":docker.io/library/app:v1", ":other/app:v2"} {
				s := mustOpen(t, "docker-archive:"+file+ref)
				if got := view(t, s.Image); fmt.Sprint(got) != "map[/f0:0 /f1:1]" {
					t.Errorf("holds %v", got)
				}
				digests = append(digests, s.Descriptor.Digest)
			}
			for _, d := range digests {
				if d != digests[0] {
					t.Errorf("digests %v", digests)
				}
			}
			mustOpen(t, "docker-archive:"+file+"@"+digests[0].String())
			_, err := Open(t.Context(), parse(t, "docker-archive:"+file+":app:v3"), Options{})
			if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `"app:v1", "other/app:v2"`) {
				t.Errorf("another tag: %v", err)
			}
		})
	}
}

// The two shapes that store layers as tars are the same image.
func TestDockerArchiveDigestIsOfContent(t *testing.T) {
	shapes := dockerShapes(t)
	a := mustOpen(t, "docker-archive:"+fileOf(t, shapes["docker 1.10 to 24, layers that repeat are symlinks"]))
	b := mustOpen(t, "docker-archive:"+fileOf(t, shapes["docker 25 and later"]))
	if a.Descriptor.Digest != b.Descriptor.Digest {
		t.Errorf("digests %s and %s", a.Descriptor.Digest, b.Descriptor.Digest)
	}
}

func TestArchiveCompressedAsAWhole(t *testing.T) {
	raw := dockerShapes(t)["docker 25 and later"]
	var gz bytes.Buffer
	zw := gzip.NewWriter(&gz)
	zw.Write(raw)
	zw.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"gzip": gz.Bytes(), "zstd": enc.EncodeAll(raw, nil)} {
		scratch := t.TempDir()
		s, err := Open(t.Context(), parse(t, "docker-archive:"+fileOf(t, b)), Options{Scratch: scratch})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := view(t, s.Image); len(got) != 2 {
			t.Errorf("%s holds %v", name, got)
		}
		if left := names(t, scratch); len(left) > 0 {
			t.Errorf("%s left %q", name, left)
		}
		s.Close()
		if err := readAll(t, "docker-archive:"+fileOf(t, b[:len(b)/2])); err == nil {
			t.Errorf("%s: half of it is read", name)
		}
	}
}

func TestDockerArchiveUntrusted(t *testing.T) {
	s := save(t)
	other := member{name: "b.tar", body: s.layers[1]}
	config := member{name: "c.json", body: s.config}
	for _, c := range []struct {
		name string
		b    []byte
		is   error
		want string
	}{
		{"empty", nil, ErrFormat, "no archive"},
		{"no tar", bytes.Repeat([]byte("hello "), 1000), ErrFormat, "tar"},
		{"no manifest.json", tarOf(t, config), ErrFormat, "docker save did not write it"},
		{"before Docker 1.10", tarOf(t, member{name: "repositories", body: "{}"}), ErrFormat, "1.10"},
		{"no JSON", tarOf(t, member{name: "manifest.json", body: "x"}), nil, "parsing manifest.json"},
		{"no image", tarOf(t, member{name: "manifest.json", body: "[]"}), ErrFormat, "0 images"},
		{"manifest.json of 5 MiB", tarOf(t, member{name: "manifest.json", body: strings.Repeat(" ", 5<<20)}), layers.ErrLimit, "5242880"},
		{"a config of 9 MiB", tarOf(t, list("c.json", nil), member{name: "c.json", body: strings.Repeat(" ", 9<<20)}), layers.ErrLimit, "9437184"},
		{"the config is missing", tarOf(t, list("c.json", nil)), ErrFormat, `"c.json" is missing`},
		{"a layer is missing", tarOf(t, list("c.json", nil, "a.tar", "b.tar", "a.tar"), config, other), ErrFormat, `"a.tar" is missing`},
		{"a layer outside", tarOf(t, list("c.json", nil, "../../../etc/passwd", "b.tar", "b.tar"), config, other), ErrFormat, `is missing`},
		{"a symlink outside", tarOf(t, list("c.json", nil, "a.tar", "b.tar", "a.tar"), config, other, member{name: "a.tar", link: "/etc/passwd", flag: tar.TypeSymlink}), ErrFormat, `"a.tar" is missing`},
		{"a symlink to itself", tarOf(t, list("c.json", nil, "a.tar", "b.tar", "a.tar"), config, other, member{name: "a.tar", link: "a.tar", flag: tar.TypeSymlink}), ErrFormat, `"a.tar" is missing`},
		{"fewer layers than diffIDs", tarOf(t, list("c.json", nil, "b.tar"), config, other), layers.ErrMismatch, "1 layers, and 3 diffIDs"},
		{"another layer", tarOf(t, list("c.json", nil, "b.tar", "b.tar", "b.tar"), config, other), layers.ErrMismatch, "was promised"},
		{"cut off", tarOf(t, member{name: "a.tar", body: s.layers[0]}, list("c.json", nil))[:900], ErrFormat, "tar"},
		{"several images", tarOf(t, member{name: "manifest.json", body: `[{"Config":"a","RepoTags":["a:1"]},{"Config":"b","RepoTags":["b:2"]}]`}), ErrNotFound, `"a:1", "b:2"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := readAll(t, "docker-archive:"+fileOf(t, c.b))
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want %v with %q", err, c.is, c.want)
			}
		})
	}
}

// An archive of names and nothing else is refused before it fills the memory.
func TestArchiveEntryLimit(t *testing.T) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for i := range maxArchiveEntries + 1 {
		if err := tw.WriteHeader(&tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
	}
	tw.Close()
	if err := readAll(t, "docker-archive:"+fileOf(t, buf.Bytes())); !errors.Is(err, layers.ErrLimit) {
		t.Errorf("error %v", err)
	}
}

// FuzzDockerArchive reads any bytes as an archive, and an archive of any
// manifest.json, config and layer: an error or an image that can be read to
// its end, never a panic.
func FuzzDockerArchive(f *testing.F) {
	for _, b := range dockerShapes(f) {
		f.Add(b, []byte(nil), []byte(nil), []byte(nil))
	}
	s := save(f)
	m := list("c.json", []string{"app:v1"}, "a.tar", "blobs/sha256/"+hex64, "link")
	for _, layer := range []string{s.layers[0], s.gz[0], ""} {
		f.Add([]byte(nil), []byte(m.body), []byte(s.config), []byte(layer))
	}
	f.Fuzz(func(t *testing.T, raw, manifest, config, layer []byte) {
		readAny(t, raw)
		readAny(t, tarOf(t,
			member{name: "manifest.json", body: string(manifest)}, member{name: "index.json", body: string(manifest)},
			member{name: "c.json", body: string(config)}, member{name: "a.tar", body: string(layer)},
			member{name: "blobs/sha256/" + hex64, body: string(layer)}, member{name: "link", link: "a.tar", flag: tar.TypeSymlink}))
	})
}

func readAny(t *testing.T, b []byte) {
	a, err := indexTar(t.Context(), bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return
	}
	for _, find := range []func(files, Ref) (*Source, error){dockerSource, layoutSource} {
		s, err := find(a, Ref{})
		if err != nil || s.Image == nil {
			continue
		}
		tree, err := layers.Open(t.Context(), s.Image, layers.Options{Limits: layers.Limits{Unpacked: 16 << 20}})
		if err == nil {
			tree.Close()
		}
	}
}
