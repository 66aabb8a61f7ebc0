package layers

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/pare-image/pare/internal/testimage"
)

// fakeLayer is a layer whose parts can each be a lie.
type fakeLayer struct {
	v1.Layer
	digest *v1.Hash
	size   *int64
	open   func() (io.ReadCloser, error)
	reads  *atomic.Int32
}

func (l *fakeLayer) Digest() (v1.Hash, error) {
	if l.digest != nil {
		return *l.digest, nil
	}
	return l.Layer.Digest()
}

func (l *fakeLayer) Size() (int64, error) {
	if l.size != nil {
		return *l.size, nil
	}
	return l.Layer.Size()
}

func (l *fakeLayer) Compressed() (io.ReadCloser, error) {
	if l.reads != nil {
		l.reads.Add(1)
	}
	if l.open != nil {
		return l.open()
	}
	return l.Layer.Compressed()
}

func smallTar(t testing.TB) []byte {
	t.Helper()
	raw, err := testimage.Tar([]testimage.Entry{
		{Header: tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o755}},
		{Header: tar.Header{Typeflag: tar.TypeReg, Name: "d/f", Mode: 0o644}, Body: []byte("text")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

var smallTree = map[string]string{"/d": "dir 0755", "/d/f": `file 0644 "text"`}

func rawLayer(t testing.TB, raw []byte, compression string) v1.Layer {
	t.Helper()
	l, err := testimage.RawLayer(raw, compression)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A wrong digest, size or diffID is refused, naming layer and digest; crane
// accepts a wrong diffID.
func TestVerify(t *testing.T) {
	raw := smallTar(t)
	wrong := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("ab", 32)}
	good := rawLayer(t, raw, "gzip")
	size, err := good.Size()
	if err != nil {
		t.Fatal(err)
	}
	less, more := size-1, size+1
	flipped := func() (io.ReadCloser, error) {
		rc, err := good.Compressed()
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(rc)
		b[len(b)/2] ^= 1
		return io.NopCloser(bytes.NewReader(b)), err
	}
	cut := func() (io.ReadCloser, error) {
		rc, err := good.Compressed()
		return io.NopCloser(io.LimitReader(rc, less)), err
	}
	for _, c := range []struct {
		name, what string
		layer      v1.Layer
	}{
		{"wrong digest", "digest", &fakeLayer{Layer: good, digest: &wrong}},
		{"larger than promised", "size", &fakeLayer{Layer: good, size: &less}},
		{"smaller than promised", "size", &fakeLayer{Layer: good, size: &more}},
		{"wrong diffID", "diffID", testimage.Lie(good, wrong, raw)},
		{"flipped bit", "digest", &fakeLayer{Layer: good, open: flipped}},
		{"cut short", "size", &fakeLayer{Layer: good, open: cut}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(context.Background(), imageOf(t, rawLayer(t, nil, "gzip"), c.layer), Options{Scratch: t.TempDir()})
			var mismatch *MismatchError
			var at *LayerError
			if !errors.As(err, &mismatch) || !errors.As(err, &at) || !errors.Is(err, ErrMismatch) {
				t.Fatalf("err = %v, want a MismatchError in a LayerError", err)
			}
			if mismatch.What != c.what || at.Layer != 1 {
				t.Errorf("%v; want %s of layer 1", err, c.what)
			}
		})
	}
}

// The bytes after the end of the tar and of the compressed data are ignored,
// but count in digest and diffID (G).
func TestVerifyDrains(t *testing.T) {
	raw := append(smallTar(t), bytes.Repeat([]byte("trailing "), 300_000)...)
	tree := open(t, rawImage(t, "gzip", raw), Options{})
	if diff := cmp.Diff(smallTree, dump(t, tree)); diff != "" {
		t.Error(diff)
	}
	if got := tree.Layers()[0].Unpacked; got != int64(len(raw)) {
		t.Errorf("Unpacked = %d, want %d", got, len(raw))
	}
}

// The magic bytes decide, whatever the media type says; gzip of several
// members, zstd with skippable frames (U; M).
func TestCompression(t *testing.T) {
	raw := smallTar(t)
	var multi, skippable bytes.Buffer
	for _, part := range [][]byte{raw[:700], raw[700:], nil} {
		w := gzip.NewWriter(&multi)
		w.Write(part)
		w.Close()
	}
	skippable.Write([]byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3})
	for _, part := range [][]byte{raw[:900], raw[900:]} {
		w, _ := zstd.NewWriter(&skippable)
		w.Write(part)
		w.Close()
	}
	blobOf := func(compression string) []byte {
		rc, err := rawLayer(t, raw, compression).Compressed()
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(rc)
		return b
	}
	for _, c := range []struct {
		name  string
		blob  []byte
		media types.MediaType
		want  string
	}{
		{"gzip", blobOf("gzip"), types.OCILayer, "gzip"},
		{"zstd", blobOf("zstd"), types.OCILayerZStd, "zstd"},
		{"none", raw, types.OCIUncompressedLayer, "none"},
		{"multi-member gzip", multi.Bytes(), types.DockerLayer, "gzip"},
		{"zstd with skippable frames", skippable.Bytes(), types.OCILayerZStd, "zstd"},
		{"zstd labelled gzip", blobOf("zstd"), types.OCILayer, "zstd"},
		{"none labelled zstd", raw, types.OCILayerZStd, "none"},
		{"gzip labelled none", blobOf("gzip"), types.OCIUncompressedLayer, "gzip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			diffID, _, _ := v1.SHA256(bytes.NewReader(raw))
			l := testimage.Lie(static.NewLayer(c.blob, c.media), diffID, raw)
			tree := open(t, imageOf(t, l), Options{})
			if diff := cmp.Diff(smallTree, dump(t, tree)); diff != "" {
				t.Error(diff)
			}
			if got := tree.Layers()[0].Compression; got != c.want {
				t.Errorf("Compression = %q, want %q", got, c.want)
			}
		})
	}
}

// Empty layer, zero-byte layer, no end blocks (G).
func TestOddEnds(t *testing.T) {
	raw := smallTar(t)
	for name, tarBytes := range map[string][]byte{
		"no end blocks": raw[:len(raw)-1024], "one end block": raw[:len(raw)-512], "whole": raw,
	} {
		for _, compression := range []string{"gzip", "zstd", "none"} {
			t.Run(name+" "+compression, func(t *testing.T) {
				tree := open(t, rawImage(t, compression, nil, make([]byte, 1024), tarBytes, nil), Options{})
				if diff := cmp.Diff(smallTree, dump(t, tree)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// A PAX global header makes no node and no parent (M:TestTypeXGlobalHeaderDoesNotFail).
func TestGlobalHeader(t *testing.T) {
	raw, err := testimage.Tar([]testimage.Entry{
		{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "p/global", PAXRecords: map[string]string{"comment": "x"}}},
		{Header: tar.Header{Typeflag: tar.TypeReg, Name: "f", Mode: 0o644}},
	})
	if err != nil {
		t.Fatal(err)
	}
	tree := open(t, rawImage(t, "gzip", raw), Options{})
	if diff := cmp.Diff(map[string]string{"/f": `file 0644 ""`}, dump(t, tree)); diff != "" {
		t.Error(diff)
	}
}

// The same layer digest twice, around a whiteout (G:TestAppendLayers_DuplicateDiffID).
func TestSameLayerTwice(t *testing.T) {
	l := rawLayer(t, smallTar(t), "gzip")
	hide, err := testimage.Layer([]testimage.Entry{{Header: tar.Header{Typeflag: tar.TypeReg, Name: ".wh.d"}}}, "gzip")
	if err != nil {
		t.Fatal(err)
	}
	cache := openCache(t, 0)
	for range 2 {
		tree := open(t, imageOf(t, l, hide, l), Options{Cache: cache})
		if diff := cmp.Diff(smallTree, dump(t, tree)); diff != "" {
			t.Error(diff)
		}
		e, _ := tree.Lookup("/d/f")
		if diff := cmp.Diff([]int{0, 2}, e.Touched); diff != "" || e.Layer != 2 {
			t.Errorf("layer %d, touched %v", e.Layer, e.Touched)
		}
	}
}

// eStargz: table of contents and landmarks are no files of the image, but in
// an ordinary layer files of these names are.
func TestEStargz(t *testing.T) {
	raw := smallTar(t)
	b, err := estargz.Build(io.NewSectionReader(bytes.NewReader(raw), 0, int64(len(raw))),
		estargz.WithParallelism(1), estargz.WithPrioritizedFiles([]string{"d/f"}))
	if err != nil {
		t.Fatal(err)
	}
	blob, err := io.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	zr, err := gzip.NewReader(bytes.NewReader(blob))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	diffID, _, _ := v1.SHA256(bytes.NewReader(plain))
	tree := open(t, imageOf(t, testimage.Lie(static.NewLayer(blob, types.OCILayer), diffID, plain)), Options{})
	if diff := cmp.Diff(smallTree, dump(t, tree)); diff != "" {
		t.Error(diff)
	}
	if got := tree.Layers()[0].Compression; got != "estargz" {
		t.Errorf("Compression = %q, want estargz", got)
	}

	ordinary := open(t, rawImage(t, "gzip", plain), Options{})
	for _, p := range []string{"/stargz.index.json", "/.prefetch.landmark"} {
		if _, ok := ordinary.Lookup(p); !ok {
			t.Errorf("%s is missing from an ordinary layer", p)
		}
	}
}

// Header values that only some tar formats can hold: v7, ustar, GNU, PAX (L,
// U; Go archive/tar testdata: TestTarsOfTheStandardLibrary).
func TestFormats(t *testing.T) {
	long := strings.Repeat("d", 255) + "/" + strings.Repeat("e", 255) + "/f"
	at := func(s string) time.Time {
		u, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, h := range []tar.Header{
		{Name: "ustar", Format: tar.FormatUSTAR, Uid: 1, Gid: 2, ModTime: time.Unix(0, 0)},
		{Name: long, Format: tar.FormatGNU, ModTime: at("2100-01-01T00:00:00Z"), Uid: 1 << 30},
		{Name: long, Format: tar.FormatPAX, ModTime: at("2500-06-01T12:00:00.123456789Z"), Gid: 1 << 31},
		{Name: "before", Format: tar.FormatPAX, ModTime: at("1901-01-01T00:00:00.5Z")},
		{Name: "gnu-before", Format: tar.FormatGNU, ModTime: at("1950-01-01T00:00:00Z")},
		{Name: "nfc-\u00e9", Format: tar.FormatPAX, ModTime: time.Unix(1, 0)},
		{Name: "nfd-e\u0301", Format: tar.FormatPAX, ModTime: time.Unix(1, 0)},
		{Name: "latin1-\xe9", Format: tar.FormatGNU, ModTime: time.Unix(1, 0)},
		{Name: "esc-\x1b[31m\nnewline", Format: tar.FormatGNU, ModTime: time.Unix(1, 0)},
	} {
		t.Run(h.Format.String()+" "+h.Name[:4], func(t *testing.T) {
			h.Typeflag = tar.TypeReg
			tree := open(t, rawImage(t, "none", rawHeader(t, h)), Options{})
			e, ok := tree.Lookup("/" + h.Name)
			if !ok {
				t.Fatalf("%q is missing: %v", h.Name, dump(t, tree))
			}
			if !e.ModTime.Equal(h.ModTime) || e.UID != h.Uid || e.GID != h.Gid {
				t.Errorf("%v %d:%d, want %v %d:%d", e.ModTime, e.UID, e.GID, h.ModTime, h.Uid, h.Gid)
			}
		})
	}
	v7 := rawHeader(t, tar.Header{Typeflag: tar.TypeReg, Name: "old", Mode: 0o700, Format: tar.FormatUSTAR})
	v7[3], v7[156] = '/', 0
	copy(v7[257:], make([]byte, 8))
	fixChecksum(v7)
	tree := open(t, rawImage(t, "none", v7), Options{})
	if diff := cmp.Diff(map[string]string{"/old": "dir 0700"}, dump(t, tree)); diff != "" {
		t.Errorf("v7: %s", diff)
	}
}

// A non-distributable layer is read like any other if its blob is there (L).
func TestNonDistributable(t *testing.T) {
	raw := smallTar(t)
	diffID, _, _ := v1.SHA256(bytes.NewReader(raw))
	l := testimage.Lie(static.NewLayer(raw, types.OCIUncompressedRestrictedLayer), diffID, raw)
	if diff := cmp.Diff(smallTree, dump(t, open(t, imageOf(t, l), Options{}))); diff != "" {
		t.Error(diff)
	}
}

func TestDockerSchema2(t *testing.T) {
	img := rawImage(t, "gzip", smallTar(t))
	img = mutate.ConfigMediaType(mutate.MediaType(img, types.DockerManifestSchema2), types.DockerConfigJSON)
	tree := open(t, img, Options{})
	if diff := cmp.Diff(smallTree, dump(t, tree)); diff != "" {
		t.Error(diff)
	}
	if want, _ := img.Digest(); tree.Digest() != want {
		t.Errorf("Digest = %v, want %v", tree.Digest(), want)
	}
}

// A cancelled Open returns at once, with its goroutines and files gone, even
// when the blob's source hangs.
func TestCancel(t *testing.T) {
	before := runtime.NumGoroutine()
	reading := make(chan struct{}, 1)
	hanging := &fakeLayer{Layer: rawLayer(t, smallTar(t), "none")}
	hanging.open = func() (io.ReadCloser, error) {
		pr, pw := io.Pipe()
		go func() {
			pw.Write(smallTar(t)[:600])
			reading <- struct{}{}
		}()
		return pr, nil
	}
	scratch := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-reading
		cancel()
	}()
	_, err := Open(ctx, imageOf(t, rawLayer(t, smallTar(t), "gzip"), hanging), Options{Scratch: scratch})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) > 0 {
		t.Errorf("left in scratch: %v %v", left, err)
	}
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i > 1000 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}
