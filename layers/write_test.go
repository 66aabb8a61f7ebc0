package layers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/pare-image/pare/internal/testimage"
)

func outputOf(p string, h Header, body string) Output {
	o := Output{Path: p, Header: h}
	if h.Type == Regular {
		o.Size = int64(len(body))
		o.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	}
	return o
}

// everything has each type and each field that is hard to write.
func everything() []Output {
	at := func(sec, nsec int64) time.Time { return time.Unix(sec, nsec) }
	long := strings.Repeat("d", 200)
	return []Output{
		outputOf("/", Header{Type: Directory, Mode: 0o755, ModTime: at(7, 0)}, ""),
		outputOf("/a", Header{Type: Regular, Mode: 0o4755, UID: 1 << 22, GID: 3, ModTime: at(-5, 0), Xattrs: map[string]string{"security.capability": "\x01\x00\x00\x02\x00", "user.empty": ""}}, "content"),
		outputOf("/b", Header{Type: BlockDevice, Mode: 0o660, Major: 8, Minor: 1, ModTime: at(1, 0)}, ""),
		outputOf("/c", Header{Type: CharDevice, Mode: 0, Major: 1, Minor: 3, ModTime: at(1, 0)}, ""),
		outputOf("/d\xff\x1b[31m", Header{Type: FIFO, Mode: 0o600, ModTime: at(1, 123456789)}, ""),
		outputOf("/e", Header{Type: Directory, Mode: 0o1777, ModTime: at(16725225600, 0)}, ""),
		outputOf("/e/"+long, Header{Type: Directory, Mode: 0o2700, ModTime: at(0, 0)}, ""),
		outputOf("/e/"+long+"/"+long, Header{Type: Symlink, Mode: 0o777, Linkname: "../../../" + long + long, ModTime: at(1, 0)}, ""),
		{Path: "/f", Header: Header{Type: Regular, Mode: 0o4755, UID: 1 << 22, GID: 3, Size: 7, ModTime: at(-5, 0)}, LinkTo: "/a"},
		outputOf("/g", Header{Type: Regular, Mode: 0o644, ModTime: at(1, 0)}, ""),
	}
}

func writtenImage(t testing.TB, outputs []Output, o LayerOptions) v1.Image {
	t.Helper()
	o.Dir = t.TempDir()
	l, err := NewLayer(context.Background(), outputs, o)
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, l)
	if err != nil {
		t.Fatal(err)
	}
	if o.Compression == Zstd || o.Compression == Uncompressed {
		return img // validate, which is crane's, takes every blob for gzip
	}
	if err := validate.Image(img); err != nil {
		t.Errorf("validate: %v", err)
	}
	return img
}

// TestWrittenLayersReadBack reads what was written, in each compression.
func TestWrittenLayersReadBack(t *testing.T) {
	for _, c := range []Compression{Gzip, Zstd, Uncompressed, EStargz} {
		t.Run(string(c), func(t *testing.T) {
			outputs := everything()
			tree := open(t, writtenImage(t, outputs, LayerOptions{Compression: c, Prioritized: []string{"/g", "/absent", "/a"}}), Options{})
			want := map[string]string{}
			for _, o := range outputs {
				body := ""
				if o.Open != nil {
					rc, _ := o.Open()
					b, _ := io.ReadAll(rc)
					body = string(b)
				}
				want[o.Path] = fmt.Sprintf("%d %o %d:%d %d %d.%d %q %d:%d %q", o.Type, o.Mode, o.UID, o.GID, o.Size, o.ModTime.Unix(), o.ModTime.Nanosecond(), o.Linkname, o.Major, o.Minor, body)
				if o.LinkTo != "" {
					want[o.Path] = want[o.LinkTo]
				}
			}
			got := map[string]string{}
			for e := range tree.All() {
				body := ""
				if e.Type == Regular {
					body = content(t, tree, e.Inode)
				}
				got[e.Path] = fmt.Sprintf("%d %o %d:%d %d %d.%d %q %d:%d %q", e.Type, e.Mode, e.UID, e.GID, e.Size, e.ModTime.Unix(), e.ModTime.Nanosecond(), e.Linkname, e.Major, e.Minor, body)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			a, _ := tree.Lookup("/a")
			if diff := cmp.Diff(outputs[1].Xattrs, a.Xattrs); diff != "" {
				t.Error(diff)
			}
			if f, _ := tree.Lookup("/f"); f.Inode != a.Inode {
				t.Error("/f is no hard link of /a")
			}
		})
	}
}

// noise is compressible, larger than several gzip blocks.
func noise(size int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "%d %x\n", r.IntN(1000), r.Uint32())
	}
	return b.String()
}

// TestSameBytesAtAnyWorkerCount is promise 4 of the design at its source.
func TestSameBytesAtAnyWorkerCount(t *testing.T) {
	big := noise(5 << 20)
	outputs := []Output{
		outputOf("/big", Header{Type: Regular, Mode: 0o644, ModTime: time.Unix(1, 0)}, big),
		outputOf("/dir", Header{Type: Directory, Mode: 0o755, ModTime: time.Unix(1, 0)}, ""),
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range []Compression{Gzip, Zstd, Uncompressed, EStargz} {
		seen := map[v1.Hash]string{}
		for _, procs := range []int{1, 2, 4} {
			runtime.GOMAXPROCS(procs)
			for _, workers := range []int{0, 1, 3} {
				l, err := NewLayer(context.Background(), outputs, LayerOptions{Compression: c, Workers: workers, Dir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				d, _ := l.Digest()
				seen[d] = fmt.Sprintf("%d procs, %d workers", procs, workers)
			}
		}
		if len(seen) != 1 {
			t.Errorf("%s: %d digests: %v", c, len(seen), seen)
		}
	}
}

func TestEStargzIsOne(t *testing.T) {
	l, err := NewLayer(context.Background(), everything(), LayerOptions{Compression: EStargz, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(l.(*fileLayer).path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := estargz.Open(io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))))
	if err != nil {
		t.Fatal(err)
	}
	if got := l.(*fileLayer).annotations[estargz.TOCJSONDigestAnnotation]; got != r.TOCDigest().String() {
		t.Errorf("annotated TOC digest %s, the blob has %s", got, r.TOCDigest())
	}
}

func TestOutputsThatAreRefused(t *testing.T) {
	file := func(p string) Output { return outputOf(p, Header{Type: Regular}, "x") }
	dir := func(p string) Output { return outputOf(p, Header{Type: Directory}, "") }
	short := outputOf("/s", Header{Type: Regular}, "x")
	short.Size = 5
	long := outputOf("/s", Header{Type: Regular}, "xxx")
	long.Size = 1
	for name, c := range map[string]struct {
		outputs []Output
		want    string
	}{
		"unsorted":           {[]Output{file("/b"), file("/a")}, "not sorted"},
		"twice":              {[]Output{file("/a"), file("/a")}, "not sorted"},
		"no parent":          {[]Output{file("/a/b")}, "parent"},
		"parent is a file":   {[]Output{file("/a"), file("/a/b")}, "parent"},
		"relative":           {[]Output{file("a")}, "absolute"},
		"climbing":           {[]Output{file("/a/../b")}, "absolute"},
		"link to nothing":    {[]Output{{Path: "/l", LinkTo: "/a"}}, "hard link"},
		"link to directory":  {[]Output{dir("/a"), {Path: "/l", LinkTo: "/a"}}, "hard link"},
		"content cut short":  {[]Output{short}, "content is 1 bytes"},
		"content overlong":   {[]Output{long}, "longer than"},
		"a whiteout's name":  {[]Output{file("/.wh.x")}, "whiteout"},
		"no content at all":  {[]Output{{Path: "/a", Header: Header{Type: Regular, Size: 1}}}, "no content"},
		"zstd for docker":    {nil, "no Docker media type"},
		"unknown algorithms": {nil, "unknown compression"},
	} {
		t.Run(name, func(t *testing.T) {
			o := LayerOptions{Dir: t.TempDir()}
			switch name {
			case "zstd for docker":
				o.Compression, o.Docker = Zstd, true
			case "unknown algorithms":
				o.Compression = "brotli"
			}
			_, err := NewLayer(context.Background(), c.outputs, o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if left, _ := filepath.Glob(o.Dir + "/*"); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestNewLayerStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o := outputOf("/big", Header{Type: Regular}, noise(1<<20))
	open := o.Open
	o.Open = func() (io.ReadCloser, error) { cancel(); return open() }
	dir := t.TempDir()
	if _, err := NewLayer(ctx, []Output{o}, LayerOptions{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(dir + "/*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestViewAsOneLayerIsTheSameView is a metamorphic property that needs no oracle.
func TestViewAsOneLayerIsTheSameView(t *testing.T) {
	img := testimage.New(t, `
-- layer --
dir a 0700 1:2
file a/x 0600 3:4 "one" xattr:user.k="v"
file a/y "two"
link a/z => a/y
symlink s -> a/x
-- layer zstd --
file a/.wh.x
link b => a/y
dir a 0711
`)
	tree := open(t, img, Options{})
	again := open(t, writtenImage(t, tree.Outputs(nil), LayerOptions{}), Options{})
	if diff := cmp.Diff(dump(t, tree), dump(t, again)); diff != "" {
		t.Error(diff)
	}
}
