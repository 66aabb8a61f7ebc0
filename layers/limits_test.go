package layers

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/internal/testimage"
)

// gzipLayer compresses what write writes, without holding it.
func gzipLayer(t testing.TB, write func(io.Writer)) v1.Layer {
	t.Helper()
	var blob bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&blob, gzip.BestSpeed)
	write(zw)
	zw.Close()
	zr, err := gzip.NewReader(bytes.NewReader(blob.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	diffID, _, err := v1.SHA256(zr)
	if err != nil {
		t.Fatal(err)
	}
	return testimage.Lie(static.NewLayer(blob.Bytes(), types.OCILayer), diffID, nil)
}

func file(name string) testimage.Entry {
	return testimage.Entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}}
}

// sparse is a PAX 1.0 sparse file of real bytes with one byte of data at its end.
func sparse(t testing.TB, real int64) []byte {
	t.Helper()
	data := make([]byte, 1024)
	copy(data, fmt.Sprintf("1\n%d\n1\n", real-1))
	data[512] = 'x'
	h := rawHeader(t, tar.Header{Typeflag: tar.TypeReg, Name: "GNUSparseFile.0/s", Size: 513, Mode: 0o644, Format: tar.FormatUSTAR})
	var pax strings.Builder
	for _, kv := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=s", fmt.Sprintf("GNU.sparse.realsize=%d", real)} {
		fmt.Fprintf(&pax, "%d %s\n", len(kv)+4, kv) // two-digit lengths
	}
	x := rawHeader(t, tar.Header{Typeflag: tar.TypeReg, Name: "x", Size: int64(pax.Len()), Format: tar.FormatUSTAR})
	x[156] = 'x'
	fixChecksum(x)
	body := make([]byte, 512)
	copy(body, pax.String())
	return bytes.Join([][]byte{x[:512], body, h[:512], data, make([]byte, 1024)}, nil)
}

// Small inputs with huge costs elsewhere are refused for what they declare,
// before the cost.
func TestLimits(t *testing.T) {
	deep := strings.Repeat("d/", 300) + "f"
	attrs := file("f")
	attrs.PAXRecords = map[string]string{"SCHILY.xattr.user.a": strings.Repeat("x", 2000)}
	link := file("l")
	link.Typeflag, link.Linkname = tar.TypeSymlink, strings.Repeat("x", 5000)
	for _, c := range []struct {
		name    string
		entries []testimage.Entry
		raw     []byte
		limits  Limits
	}{
		{name: "one 200 kB path", entries: []testimage.Entry{file(strings.Repeat("a/", 100_000) + "f")}},
		{name: "path too deep", entries: []testimage.Entry{file(deep)}},
		{name: "link text too long", entries: []testimage.Entry{link}},
		{name: "5 KiB sparse tar of 60 GB", raw: sparse(t, 60<<30)},
		{name: "sparse tar over the bytes to unpack", raw: sparse(t, 2<<20), limits: Limits{Unpacked: 1 << 20}},
		{name: "entries", entries: []testimage.Entry{file("a"), file("b"), file("c")}, limits: Limits{Entries: 2}},
		{name: "unlisted directories", entries: []testimage.Entry{file("a/b/c/d/e")}, limits: Limits{Entries: 4}},
		{name: "names", entries: []testimage.Entry{file("abcdef"), file("ghijkl")}, limits: Limits{NameBytes: 10}},
		{name: "xattrs", entries: []testimage.Entry{attrs}, limits: Limits{XattrBytes: 1999}},
		{name: "unpacked bytes", entries: []testimage.Entry{file("a")}, limits: Limits{Unpacked: 1023}},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := c.raw
			if raw == nil {
				var err error
				if raw, err = testimage.Tar(c.entries); err != nil {
					t.Fatal(err)
				}
			}
			img := rawImage(t, "gzip", raw)
			start := time.Now()
			_, err := Open(context.Background(), img, Options{Limits: c.limits, Scratch: t.TempDir()})
			if !errors.Is(err, ErrLimit) {
				t.Errorf("err = %v, want ErrLimit", err)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("refused only after %v", d)
			}
		})
	}
}

// Within the limits a PAX sparse file is read in full.
func TestSparseWithinLimits(t *testing.T) {
	tree := open(t, rawImage(t, "gzip", sparse(t, 100_000)), Options{})
	e, ok := tree.Lookup("/s")
	if !ok {
		t.Fatalf("no /s: %v", dump(t, tree))
	}
	if got := content(t, tree, e.Inode); got != strings.Repeat("\x00", 99_999)+"x" {
		t.Errorf("content of %d bytes, ends in %q", len(got), got[max(0, len(got)-3):])
	}
}

// 4 MB of gzip that are 4 GiB of zeros: only what the ratio allows is inflated.
func TestRatio(t *testing.T) {
	l := gzipLayer(t, func(w io.Writer) {
		zeros := make([]byte, 1<<20)
		for range RatioFree>>20 + 64 {
			w.Write(zeros)
		}
	})
	_, err := Open(context.Background(), imageOf(t, l), Options{Limits: Limits{Ratio: 100}, Scratch: t.TempDir()})
	if !errors.Is(err, ErrLimit) {
		t.Errorf("err = %v, want ErrLimit", err)
	}
}

// 34 kB of opaque markers over 4,000 files cost others a minute and more; here
// are ten times as many.
// Every removal removes something that was added, so that all are linear.
func TestOpaqueMarkersAreLinear(t *testing.T) {
	var lower, upper []testimage.Entry
	for i := range 40_000 {
		lower = append(lower, file(fmt.Sprintf("d/%d", i)))
		upper = append(upper, file("d/.wh..wh..opq"))
	}
	var ls []v1.Layer
	for _, entries := range [][]testimage.Entry{lower, upper} {
		l, err := testimage.Layer(entries, "gzip")
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, l)
	}
	img := imageOf(t, ls...)
	start := time.Now()
	tree := open(t, img, Options{})
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
	if diff := tree.Len() - 2; diff != 0 {
		t.Errorf("%d entries too many", diff)
	}
}

// A chain of symlinks that each entry goes through again is bounded work.
func TestSymlinkSteps(t *testing.T) {
	m := newMerger(DefaultLimits())
	m.steps = maxSteps
	_, err := m.dirFor("/a/b")
	if !errors.Is(err, ErrLimit) {
		t.Errorf("err = %v, want ErrLimit", err)
	}
}

// headers is an image of one layer with n empty files in 1,000 directories.
func headers(t *testing.T, n int) v1.Image {
	t.Helper()
	return imageOf(t, gzipLayer(t, func(w io.Writer) {
		tw := tar.NewWriter(w)
		for i := range n {
			h := tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("usr/lib/%03d/file-%d", i%1000, i), Mode: 0o644, Format: tar.FormatUSTAR}
			if err := tw.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
		}
		tw.Close()
	}))
}

// A layer of 1,000,000 headers is indexed in at most 400 MB, and in little more
// than its share of what a twentieth takes: what grew with the square would
// take twenty times its share. Some 5 s on two quiet processors.
func TestMillionHeaders(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	const all, part = 1_000_000, 50_000
	small, img := headers(t, part), headers(t, all)
	start := processorTime(t)
	runtime.KeepAlive(open(t, small, Options{}))
	share := all / part * (processorTime(t) - start)
	before := liveHeap()
	start = processorTime(t)
	tree := open(t, img, Options{})
	took, heap := processorTime(t)-start, liveHeap()-before
	t.Logf("%d entries in %v of processors, their share %v, %d MB live", tree.Len(), took, share, heap>>20)
	if tree.Len() != all+1_003 {
		t.Errorf("Len = %d", tree.Len())
	}
	if heap > 400<<20 {
		t.Errorf("%d MB live, at most 400", heap>>20)
	}
	if took > 3*share {
		t.Errorf("took %v, three times its share of %v", took, share)
	}
	runtime.KeepAlive(tree)
}

// processorTime is what the process has taken of all processors: other work of
// the machine does not count.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// manifestImage is an image whose manifest or config are as given.
type manifestImage struct {
	v1.Image
	manifest, config []byte
}

func (i *manifestImage) RawManifest() ([]byte, error) { return i.manifest, nil }

func (i *manifestImage) Digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(i.manifest))
	return h, err
}

func (i *manifestImage) RawConfigFile() ([]byte, error) { return i.config, nil }

func TestManifestRefused(t *testing.T) {
	const oci = `"mediaType":"application/vnd.oci.image.config.v1+json"`
	big := strings.Repeat(" ", maxManifest)
	for _, c := range []struct{ name, manifest, reason string }{
		{"manifest over 4 MiB", "{" + big + "}", ""},
		{"config over 8 MiB", `{"schemaVersion":2,"config":{` + oci + `,"size":120000000}}`, ""},
		{"too many layers", `{"schemaVersion":2,"config":{` + oci + `},"layers":[` + strings.Repeat("{},", 1000) + `{}]}`, ""},
		{"schema 1", `{"schemaVersion":1,"fsLayers":[]}`, "schema1"},
		{"schema 1 by type", `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws"}`, "schema1"},
		{"index", `{"schemaVersion":2,"manifests":[]}`, "index"},
		{"attestation", `{"schemaVersion":2,"config":{` + oci + `},"layers":[{"mediaType":"application/vnd.in-toto+json"}]}`, "attestation"},
		{"encrypted", `{"schemaVersion":2,"config":{` + oci + `},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip+encrypted"}]}`, "encrypted"},
		{"chart", `{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json"}}`, "artifact"},
		{"signature", `{"schemaVersion":2,"artifactType":"application/x-sig","config":{` + oci + `}}`, "artifact"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(context.Background(), &manifestImage{Image: empty.Image, manifest: []byte(c.manifest)}, Options{})
			var not *NotImageError
			switch {
			case c.reason == "" && !errors.Is(err, ErrLimit):
				t.Errorf("err = %v, want ErrLimit", err)
			case c.reason != "" && (!errors.As(err, &not) || not.Reason != c.reason || !errors.Is(err, ErrNotImage)):
				t.Errorf("err = %v, want NotImageError %q", err, c.reason)
			}
		})
	}
}

func TestManifestMismatch(t *testing.T) {
	img := rawImage(t, "gzip", smallTar(t))
	manifest, _ := img.RawManifest()
	config, _ := img.RawConfigFile()
	noDiffID, _, _ := v1.SHA256(strings.NewReader(`{"rootfs":{"type":"layers"}}`))
	cfg, _ := img.ConfigName()
	short := strings.Replace(string(manifest), cfg.Hex, noDiffID.Hex, 1)
	for name, bad := range map[string]v1.Image{
		"manifest digest":  &lyingDigest{img},
		"config digest":    &manifestImage{Image: img, manifest: manifest, config: append(config, ' ')},
		"count of diffIDs": &manifestImage{Image: img, manifest: []byte(short), config: []byte(`{"rootfs":{"type":"layers"}}`)},
	} {
		if _, err := Open(context.Background(), bad, Options{}); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: err = %v, want ErrMismatch", name, err)
		}
	}
}

type lyingDigest struct{ v1.Image }

func (lyingDigest) Digest() (v1.Hash, error) {
	return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("00", 32)}, nil
}

func TestWalkIndex(t *testing.T) {
	img := rawImage(t, "gzip", smallTar(t))
	arm, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	inner := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	idx := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: inner},
		mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}},
		mutate.IndexAddendum{Add: static.NewLayer([]byte("x"), "application/x-thing")})
	items, err := WalkIndex(idx)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range items {
		s := "-"
		if it.Platform != nil {
			s = it.Platform.String()
		}
		var not *NotImageError
		if errors.As(it.Skip, &not) {
			s += " " + not.Reason
		}
		if fetched, err := it.Image(); err == nil {
			d, _ := fetched.Digest()
			if d != it.Descriptor.Digest {
				t.Errorf("%s: image of another digest", s)
			}
		} else if it.Skip == nil {
			t.Errorf("%s: %v", s, err)
		}
		got = append(got, s)
	}
	if want := "linux/amd64,linux/arm64,unknown/unknown attestation,- artifact"; strings.Join(got, ",") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ","), want)
	}
}

func TestWalkIndexLimits(t *testing.T) {
	var nested v1.ImageIndex = empty.Index
	for range 5 {
		nested = mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: nested})
	}
	img := rawImage(t, "gzip", smallTar(t))
	var adds []mutate.IndexAddendum
	for range 400 {
		adds = append(adds, mutate.IndexAddendum{Add: img})
	}
	inner := mutate.AppendManifests(empty.Index, adds...)
	wide := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: inner}, mutate.IndexAddendum{Add: inner}, mutate.IndexAddendum{Add: inner})
	for name, idx := range map[string]v1.ImageIndex{"deep": nested, "wide": wide} {
		if _, err := WalkIndex(idx); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: err = %v, want ErrLimit", name, err)
		}
	}
}
