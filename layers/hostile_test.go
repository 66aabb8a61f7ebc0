package layers

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/build"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/pare-image/pare/internal/testimage"
)

// A size that a manifest only promises buys no ratio.
func TestRatioOfWhatCameIn(t *testing.T) {
	fetched := int64(1 << 20)
	meter := func() *layerMeter {
		return &layerMeter{budget: &budget{limits: DefaultLimits()}, compressed: 32 << 30, fetched: func() int64 { return fetched }}
	}
	m := meter()
	for range ratioSlack >> 20 {
		if err := m.stream(1 << 20); err != nil {
			t.Fatalf("within the slack: %v", err)
		}
	}
	if err := m.stream(1 << 20); !errors.Is(err, ErrLimit) {
		t.Errorf("beyond the slack: %v, want ErrLimit", err)
	}
	fetched = 1 << 30
	if err := m.stream(1 << 20); err != nil {
		t.Errorf("with as much as that came in: %v", err)
	}

	// A sparse file costs nothing in the blob, so all of its bytes are suspect.
	raw := sparse(t, 60<<30)
	lie := int64(10 << 30)
	l := &fakeLayer{Layer: rawLayer(t, raw, "gzip"), size: &lie}
	start := time.Now()
	_, err := Open(context.Background(), imageOf(t, l), Options{Scratch: t.TempDir(), Want: func(string, *Header) bool { return true }})
	if !errors.Is(err, ErrLimit) || time.Since(start) > 20*time.Second {
		t.Errorf("sparse file in a blob of a false size: %v after %v, want ErrLimit", err, time.Since(start))
	}
}

// A blob that is promised to be larger than all that may be unpacked is not
// even begun.
func TestBlobTooLarge(t *testing.T) {
	for _, size := range []int64{DefaultLimits().Unpacked + 1, -1} {
		var reads atomic.Int32
		l := &fakeLayer{Layer: rawLayer(t, smallTar(t), "gzip"), size: &size, reads: &reads}
		_, err := Open(context.Background(), imageOf(t, l), Options{Scratch: t.TempDir()})
		if !errors.Is(err, ErrLimit) || reads.Load() != 0 {
			t.Errorf("size %d: %v after %d reads, want ErrLimit", size, err, reads.Load())
		}
	}
}

// What is kept of contents in memory counts as names do, from the cache too.
func TestSniffCounts(t *testing.T) {
	script := fileWith("a", "#!"+strings.Repeat("x", 250)+"\n")
	elf := fileWith("b", string(elfOf(0)))
	cache := openCache(t, 0)
	for name, c := range map[string]struct {
		entry testimage.Entry
		bytes int64
	}{"script": {script, 250}, "ELF": {elf, 30}} {
		limits := Limits{NameBytes: c.bytes}
		for _, o := range []Options{{Limits: limits, Scratch: t.TempDir()}, {Limits: limits, Scratch: t.TempDir(), Cache: cache}} {
			l, err := testimage.Layer([]testimage.Entry{c.entry}, "gzip")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(context.Background(), imageOf(t, l), o); !errors.Is(err, ErrLimit) {
				t.Errorf("%s: err = %v, want ErrLimit", name, err)
			}
		}
	}
}

// Deep whiteouts take steps too.
func TestWhiteoutSteps(t *testing.T) {
	m := newMerger(DefaultLimits())
	m.steps = maxSteps
	err := m.apply(0, &layerIndex{records: []record{{path: "/a/b", kind: recordWhiteout}}})
	if !errors.Is(err, ErrLimit) {
		t.Errorf("err = %v, want ErrLimit", err)
	}
}

// A source that says neither bytes nor error is given up.
func TestNoProgress(t *testing.T) {
	stuck := &fakeLayer{Layer: rawLayer(t, smallTar(t), "none")}
	stuck.open = func() (io.ReadCloser, error) { return io.NopCloser(stuckReader{}), nil }
	if _, err := Open(context.Background(), imageOf(t, stuck), Options{Scratch: t.TempDir()}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("err = %v, want ErrNoProgress", err)
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

// A config that is small as bytes and large in memory, and one that is larger
// than its manifest says.
func TestConfigRefused(t *testing.T) {
	for name, config := range map[string]string{
		"100,000 lines of history": `{"rootfs":{"type":"layers"},"history":[` + strings.Repeat("{},", 100_000) + `{}]}`,
		"more bytes than promised": `{"rootfs":{"type":"layers"}}` + strings.Repeat(" ", maxConfig),
	} {
		digest, _, err := v1.SHA256(strings.NewReader(config))
		if err != nil {
			t.Fatal(err)
		}
		manifest := fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"size":100,"digest":%q},"layers":[]}`, types.OCIConfigJSON, digest)
		_, err = Open(context.Background(), &manifestImage{manifest: []byte(manifest), config: []byte(config)}, Options{})
		if !errors.Is(err, ErrLimit) {
			t.Errorf("%s: err = %v, want ErrLimit", name, err)
		}
	}
}

// Device numbers that no Linux has are refused; so that what is read can be
// written again.
func TestDeviceNumbers(t *testing.T) {
	for _, c := range []struct {
		major, minor int64
		ok           bool
	}{{4095, 1<<20 - 1, true}, {maxDevice, maxDevice, true}, {maxDevice + 1, 0, false}, {0, 1 << 40, false}, {-1, 0, false}} {
		raw := rawHeader(t, tar.Header{Typeflag: tar.TypeBlock, Name: "d", Devmajor: c.major, Devminor: c.minor, Format: tar.FormatGNU})
		tree, err := Open(context.Background(), rawImage(t, "none", raw), Options{Scratch: t.TempDir()})
		if !c.ok {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%d:%d: err = %v, want ErrInvalid", c.major, c.minor, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%d:%d: %v", c.major, c.minor, err)
			continue
		}
		writtenImage(t, tree.Outputs(nil), LayerOptions{})
		tree.Close()
	}
}

// What a directory or a link says of its size means nothing.
func TestSizeOfWhatHasNoContent(t *testing.T) {
	raw := rawHeader(t, tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o755, Format: tar.FormatUSTAR})
	copy(raw[124:136], "77777777777\x00")
	fixChecksum(raw)
	tree := open(t, rawImage(t, "gzip", raw), Options{Limits: Limits{Unpacked: 1 << 20}})
	if diff := cmp.Diff(map[string]string{"/d": "dir 0755"}, dump(t, tree)); diff != "" {
		t.Error(diff)
	}
}

// An error names the entry, but never prints its bytes: a terminal would obey.
func TestErrorsAreQuoted(t *testing.T) {
	e := file("\x1b[31m\u202e\n\xff/.wh.")
	l, err := testimage.Layer([]testimage.Entry{e}, "none")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(context.Background(), imageOf(t, l), Options{Scratch: t.TempDir()})
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n\u202e") || !utf8.ValidString(err.Error()) || !strings.Contains(err.Error(), `\x1b[31m\u202e\n\xff/.wh.`) {
		t.Errorf("err = %q", err)
	}
}

// zstd:chunked: table of contents and landmarks are no files of the image; in
// an ordinary zstd layer files of these names are.
func TestZstdChunked(t *testing.T) {
	raw, err := testimage.Tar([]testimage.Entry{fileWith("f", "text"), fileWith("stargz.index.json", "{}"), fileWith(".no.prefetch.landmark", "x")})
	if err != nil {
		t.Fatal(err)
	}
	var blob bytes.Buffer
	for _, part := range [][]byte{raw[:1024], raw[1024:]} {
		w, err := zstd.NewWriter(&blob)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(part)
		w.Close()
	}
	// The footer of containers/storage: a skippable frame of 64 bytes that
	// ends in a magic of 8.
	footer := append([]byte{0x50, 0x2a, 0x4d, 0x18, 64, 0, 0, 0}, make([]byte, 56)...)
	footer = append(footer, "GNUlInUx"...)
	for name, c := range map[string]struct {
		blob []byte
		want map[string]string
	}{
		"chunked":  {append(bytes.Clone(blob.Bytes()), footer...), map[string]string{"/f": `file 0644 "text"`}},
		"ordinary": {blob.Bytes(), map[string]string{"/f": `file 0644 "text"`, "/stargz.index.json": `file 0644 "{}"`, "/.no.prefetch.landmark": `file 0644 "x"`}},
	} {
		diffID, _, _ := v1.SHA256(bytes.NewReader(raw))
		l := testimage.Lie(static.NewLayer(c.blob, types.OCILayerZStd), diffID, raw)
		if diff := cmp.Diff(c.want, dump(t, open(t, imageOf(t, l), Options{}))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Long names and link texts of GNU and PAX, up to the limit of 4096 bytes.
func TestLongNames(t *testing.T) {
	long := strings.Repeat(strings.Repeat("n", 200)+"/", 20) + "f" // 4,021 bytes
	for _, format := range []tar.Format{tar.FormatGNU, tar.FormatPAX} {
		entries := []testimage.Entry{
			{Header: tar.Header{Typeflag: tar.TypeReg, Name: long, Mode: 0o644, Format: format}},
			{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: "s", Linkname: long, Format: format}},
			{Header: tar.Header{Typeflag: tar.TypeLink, Name: "l", Linkname: long, Format: format}},
		}
		tree := open(t, stackImage(t, "gzip", entries), Options{})
		f, l, s := lookup(t, tree, "/"+long), lookup(t, tree, "/l"), lookup(t, tree, "/s")
		if f != l || s.Linkname != long {
			t.Errorf("%v: hard link %q, symlink to %d bytes", format, l.Paths(), len(s.Linkname))
		}
	}
}

// The tars that archive/tar is tested with, by whatever tool they were made:
// what it reads, the tree has, with the same header.
func TestTarsOfTheStandardLibrary(t *testing.T) {
	dir := filepath.Join(build.Default.GOROOT, "src/archive/tar/testdata")
	names, _ := filepath.Glob(dir + "/*.tar")
	if len(names) == 0 {
		if os.Getenv("CI") != "" {
			t.Fatalf("no tars in %s", dir)
		}
		t.Skipf("no tars in %s", dir)
	}
	read, refused := 0, 0
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := headersOf(raw)
		tree, err := Open(context.Background(), rawImage(t, "none", raw), Options{Scratch: t.TempDir()})
		if err != nil {
			refused++
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrLimit) {
				t.Errorf("%s: %v", filepath.Base(name), err)
			}
			if wantErr == nil {
				t.Logf("%s: refused: %v", filepath.Base(name), err)
			}
			continue
		}
		read++
		if wantErr != nil {
			t.Errorf("%s: read, but archive/tar says %v", filepath.Base(name), wantErr)
		}
		for p, h := range want {
			e, ok := tree.Lookup(p)
			switch {
			case !ok:
				t.Errorf("%s: %q is missing", filepath.Base(name), p)
			case h.Typeflag != tar.TypeLink && (e.Mode != uint32(h.Mode&0o7777) || e.UID != h.Uid || e.GID != h.Gid || !e.ModTime.Equal(h.ModTime)):
				t.Errorf("%s: %q: %+v, want %+v", filepath.Base(name), p, e.Header, h)
			}
		}
		tree.Close()
	}
	t.Logf("%d read, %d refused", read, refused)
	if read < 15 {
		t.Errorf("only %d were read", read)
	}
}

// headersOf is the last header of each path.
func headersOf(raw []byte) (map[string]*tar.Header, error) {
	want := map[string]*tar.Header{}
	for tr := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return want, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeXGlobalHeader {
			p, _, _ := cleanName(h.Name)
			want[p] = h
		}
	}
}

// A cache from which single files were deleted mends itself.
func TestCacheMends(t *testing.T) {
	cache := openCache(t, 0)
	img, reads, want := cacheImage(t)
	open(t, img, Options{Cache: cache}).Close()
	indexes, _ := filepath.Glob(filepath.Join(cache.dir, "*", indexFile))
	for _, name := range indexes {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if diff := cmp.Diff(want, dump(t, open(t, img, Options{Cache: cache}))); diff != "" {
			t.Error(diff)
		}
	}
	for i, n := range reads {
		if n.Load() > 3 { // at first, after the deletion, for content not wanted
			t.Errorf("layer %d was read %d times: not cached again", i, n.Load())
		}
	}
}

// An index larger than the whole cache may be is not read into memory.
func TestCacheIndexTooLarge(t *testing.T) {
	cache := openCache(t, 1<<20)
	name := filepath.Join(t.TempDir(), indexFile)
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 1<<40); err != nil {
		t.Skipf("no sparse files here: %v", err)
	}
	if _, err := cache.readIndex(name); !errors.Is(err, errCorrupt) {
		t.Errorf("err = %v", err)
	}
}

// Many runs that each want something else do not pile up open files.
func TestCacheContentFilesAreBounded(t *testing.T) {
	cache := openCache(t, 0)
	var entries []testimage.Entry
	for i := range 3 * maxContentFiles {
		entries = append(entries, fileWith(fmt.Sprintf("f%02d", i), strings.Repeat("x", i+1)))
	}
	img, _ := counted(t, "none", entries)
	for i := range 3 * maxContentFiles {
		tree := open(t, img, Options{Cache: cache, Want: func(string, *Header) bool { return false }})
		n := lookup(t, tree, fmt.Sprintf("/f%02d", i))
		if err := tree.Prefetch(context.Background(), []*Inode{n}); err != nil {
			t.Fatal(err)
		}
		if got := content(t, tree, n); len(got) != i+1 {
			t.Errorf("f%02d has %d bytes", i, len(got))
		}
		if got := len(tree.stores[0].files); got > maxContentFiles+1 {
			t.Fatalf("%d files of one layer open", got)
		}
		tree.Close()
	}
	if files, _ := filepath.Glob(filepath.Join(cache.dir, "*", contentPrefix+"*")); len(files) > maxContentFiles+1 {
		t.Errorf("%d content files", len(files))
	}
}
