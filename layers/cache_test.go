package layers

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers/elfdeps"
)

func openCache(t testing.TB, max int64) *Cache {
	t.Helper()
	c, err := OpenCache(filepath.Join(t.TempDir(), "cache"), max)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cacheImage has all that an index holds: links, whiteouts, xattrs, devices,
// scripts, warnings, content that is wanted and content that is not.
func cacheImage(t testing.TB) (v1.Image, []*atomic.Int32, map[string]string) {
	t.Helper()
	link, dev, dup := file("l"), file("dev"), fileWith("dup", "2")
	link.Typeflag, link.Linkname = '1', "f"
	dev.Typeflag, dev.Devmajor, dev.Devminor = '3', 1, 3
	x := fileWith("x", "xattrs")
	x.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "\x00\xff", "SCHILY.xattr.trusted.overlay.x": "y"}
	x.ModTime, x.Format = time.Unix(-5, 123), tar.FormatPAX
	x.Uid = 1 << 31
	img, reads := counted(t, "gzip",
		[]testimage.Entry{fileWith("gone", "1"), fileWith("d/old", "1")},
		[]testimage.Entry{
			fileWith("f", "text"), link, dev, file("dup"), dup, x, file(".wh.gone"), file("d/.wh..wh..opq"),
			fileWith("script", "#!/bin/sh\n"), fileWith("big", strings.Repeat("b", 100_000)),
		})
	return img, reads, map[string]string{
		"/d": "dir 0755", "/f": `file 0644 "text"`, "/l": "link /f", "/dev": "char 0644 1:3", "/dup": `file 0644 "2"`,
		"/x": `file 0644 "xattrs" 2147483648:0 user.a="\x00\xff"`, "/script": `file 0644 "#!/bin/sh\n"`,
		"/big": `file 0644 "` + strings.Repeat("b", 100_000) + `"`,
	}
}

// A hit does not read the blob; content that is missing is read once, and is
// there the next time.
func TestCacheHit(t *testing.T) {
	cache := openCache(t, 0)
	img, reads, want := cacheImage(t)
	var warned []string
	for run, n := range []int32{2, 2, 2} {
		var cached atomic.Int32
		tree := open(t, img, Options{Cache: cache, Progress: func(e ProgressEvent) {
			if e.Cached && e.Done {
				cached.Add(1)
			}
		}})
		if run == 0 {
			warned = warningNames(tree)
			wantReads(t, reads, 1, 1)
		} else if cached.Load() != 2 {
			t.Errorf("run %d: %d layers from the cache", run, cached.Load())
		}
		if diff := cmp.Diff(want, dump(t, tree)); diff != "" {
			t.Errorf("run %d: %s", run, diff)
		}
		if diff := cmp.Diff(warned, warningNames(tree)); diff != "" {
			t.Errorf("run %d: warnings: %s", run, diff)
		}
		if e := lookup(t, tree, "/x"); !e.ModTime.Equal(time.Unix(-5, 123)) {
			t.Errorf("run %d: mtime %v", run, e.ModTime)
		}
		if got := lookup(t, tree, "/script").Sniff().Shebang; got != "/bin/sh" {
			t.Errorf("run %d: shebang %q", run, got)
		}
		wantReads(t, reads, 1, n)
	}
	info, err := cache.Info()
	if err != nil || info.Entries != 2 || info.Bytes == 0 {
		t.Errorf("Info = %+v, %v", info, err)
	}
}

// Every file of a cache damaged in every way is a miss, never an error or
// other content.
func TestCacheDamaged(t *testing.T) {
	damage := map[string]func(b []byte) []byte{
		"empty": func([]byte) []byte { return nil },
		"cut":   func(b []byte) []byte { return b[:len(b)/2] },
		"first": func(b []byte) []byte { b[0] ^= 1; return b },
		"last":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"mid":   func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"grown": func(b []byte) []byte { return append(b, 0) },
	}
	for name, change := range damage {
		t.Run(name, func(t *testing.T) {
			cache := openCache(t, 0)
			img, _, want := cacheImage(t)
			open(t, img, Options{Cache: cache}).Close()
			changed := 0
			filepath.WalkDir(cache.dir, func(p string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || d.Name() == usedFile {
					return err
				}
				b, err := os.ReadFile(p)
				if err != nil || len(b) == 0 {
					return err
				}
				changed++
				return os.WriteFile(p, change(b), 0o600)
			})
			if changed < 3 {
				t.Fatalf("%d files damaged", changed)
			}
			for range 2 { // the damaged files must not stay in the way
				if diff := cmp.Diff(want, dump(t, open(t, img, Options{Cache: cache}))); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestCacheContentDamaged(t *testing.T) {
	cache := openCache(t, 0)
	img, reads, want := cacheImage(t)
	open(t, img, Options{Cache: cache, Want: func(string, *Header) bool { return true }}).Close()
	files, _ := filepath.Glob(filepath.Join(cache.dir, "*", contentPrefix+"*"))
	if len(files) != 2 {
		t.Fatalf("content files: %v", files)
	}
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for i := range bytes.Count(b, []byte("text")) + 1 {
			b[i] ^= 1
		}
		b = bytes.ReplaceAll(b, []byte("text"), []byte("evil"))
		os.WriteFile(f, b, 0o600)
	}
	if diff := cmp.Diff(want, dump(t, open(t, img, Options{Cache: cache}))); diff != "" {
		t.Error(diff)
	}
	wantReads(t, reads, 1, 2)
}

func TestCacheKey(t *testing.T) {
	h := func(c string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(c, 64)} }
	base := cacheKey(&layerSource{digest: h("a"), diffID: h("b"), size: 1}, DefaultLimits())
	other := DefaultLimits()
	other.PathDepth--
	for name, key := range map[string]string{
		"digest": cacheKey(&layerSource{digest: h("c"), diffID: h("b"), size: 1}, DefaultLimits()),
		"diffID": cacheKey(&layerSource{digest: h("a"), diffID: h("c"), size: 1}, DefaultLimits()),
		"limits": cacheKey(&layerSource{digest: h("a"), diffID: h("b"), size: 1}, other),
	} {
		if key == base {
			t.Errorf("another %s has the same key", name)
		}
	}
}

// What was not verified is not cached: a wrong diffID is refused every time.
func TestCacheOnlyVerified(t *testing.T) {
	cache := openCache(t, 0)
	l := testimage.Lie(rawLayer(t, smallTar(t), "gzip"), v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("ab", 32)}, nil)
	for range 2 {
		if _, err := Open(context.Background(), imageOf(t, l), Options{Cache: cache, Scratch: t.TempDir()}); !errors.Is(err, ErrMismatch) {
			t.Errorf("err = %v", err)
		}
	}
	if info, _ := cache.Info(); info.Entries != 0 {
		t.Errorf("%+v", info)
	}
}

// The limits hold for an image whether its layers come from the cache or not.
func TestCacheCountsCost(t *testing.T) {
	cache := openCache(t, 0)
	img, _, _ := cacheImage(t)
	one, _, _ := cacheImage(t)
	ls, _ := img.Layers()
	limits := Limits{Entries: 11}
	open(t, imageOf(t, ls[0]), Options{Cache: cache, Limits: limits})
	open(t, imageOf(t, ls[1]), Options{Cache: cache, Limits: limits})
	_, cold := Open(context.Background(), one, Options{Limits: limits, Scratch: t.TempDir()})
	_, warm := Open(context.Background(), img, Options{Cache: cache, Limits: limits, Scratch: t.TempDir()})
	if !errors.Is(cold, ErrLimit) || !errors.Is(warm, ErrLimit) {
		t.Errorf("cold: %v; warm: %v; want ErrLimit", cold, warm)
	}
}

func TestCachePrune(t *testing.T) {
	cache := openCache(t, 0)
	var keys []string
	for i, name := range []string{"a", "b", "c"} {
		img, _ := counted(t, "none", []testimage.Entry{fileWith(name, strings.Repeat(name, 10_000))})
		tree := open(t, img, Options{Cache: cache})
		key := cacheKey(tree.stores[0].src, tree.opts.Limits)
		keys = append(keys, key)
		files, _ := filepath.Glob(filepath.Join(cache.dir, key, "*"))
		for _, f := range files {
			os.Chtimes(f, time.Unix(int64(100+i), 0), time.Unix(int64(100+i), 0))
		}
		if i == 2 { // used again: now the most recent
			img, _ := counted(t, "none", []testimage.Entry{fileWith("a", strings.Repeat("a", 10_000))})
			open(t, img, Options{Cache: cache})
		}
	}
	gone, err := cache.Prune(25_000)
	if err != nil || gone.Entries != 1 {
		t.Fatalf("Prune = %+v, %v", gone, err)
	}
	for i, want := range []bool{true, false, true} {
		if _, err := os.Stat(filepath.Join(cache.dir, keys[i])); (err == nil) != want {
			t.Errorf("entry %d is there: %v, want %v", i, err == nil, want)
		}
	}
	small, err := OpenCache(cache.dir, 15_000)
	if err != nil {
		t.Fatal(err)
	}
	img, _, _ := cacheImage(t)
	open(t, img, Options{Cache: small})
	if info, _ := small.Info(); info.Bytes > 15_000 {
		t.Errorf("%+v", info)
	}
	if gone, err := small.Prune(0); err != nil || gone.Entries == 0 {
		t.Errorf("Prune(0) = %+v, %v", gone, err)
	}
	if info, _ := small.Info(); info.Entries != 0 {
		t.Errorf("%+v", info)
	}
}

func TestCacheParallelAndDeleted(t *testing.T) {
	cache := openCache(t, 0)
	img, _, want := cacheImage(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if i%3 == 2 {
				os.RemoveAll(cache.dir)
			}
			tree, err := Open(context.Background(), img, Options{Cache: cache, Scratch: t.TempDir()})
			if err != nil {
				t.Error(err)
				return
			}
			defer tree.Close()
			if diff := cmp.Diff(want, dump(t, tree)); diff != "" {
				t.Error(diff)
			}
		})
	}
	wg.Wait()
}

func TestCacheMode(t *testing.T) {
	cache := openCache(t, 0)
	if info, err := os.Stat(cache.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	shared := t.TempDir()
	os.Chmod(shared, 0o755)
	if _, err := OpenCache(shared, 0); err == nil {
		t.Error("a directory of others is used as cache")
	}
}

// The codec knows every field of what it stores.
func TestCodecKnowsAllFields(t *testing.T) {
	info := &elfdeps.Info{}
	fillFields(reflect.ValueOf(info).Elem())
	s := &Sniff{ELF: info, ELFError: "e", Shebang: "s"}
	n := &Inode{sniff: s, content: contentRef{7}}
	fillFields(reflect.ValueOf(&n.Header).Elem())
	n.Type = FIFO
	idx := &layerIndex{
		facts: facts{Gzip, 1, true, true}, cost: cost{2, 3, 4}, links: map[int]string{1: "t"},
		records:  []record{{"/n", n, recordEntry}, {"/l", nil, recordLink}, {"/w", nil, recordWhiteout}, {"/o", nil, recordOpaque}, {}},
		warnings: warnings{[]Warning{{0, "/p", "n", "t"}}, map[string]int{"n": 5}},
	}
	got, err := decodeIndex(encodeIndex(idx))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(idx, got) {
		t.Errorf("got %+v\n%+v\n%+v", got, got.records[0].node, got.records[0].node.sniff.ELF)
	}
}

// fillFields sets every field to something that is not its zero value.
func fillFields(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(time.Unix(int64(i), 5).UTC()))
		case map[string]string:
			f.Set(reflect.ValueOf(map[string]string{"k": "v"}))
		case []string:
			f.Set(reflect.ValueOf([]string{"a", v.Type().Field(i).Name}))
		case string:
			f.SetString(v.Type().Field(i).Name)
		case bool:
			f.SetBool(true)
		default:
			if f.CanInt() {
				f.SetInt(int64(i + 1))
			} else {
				f.SetUint(uint64(i + 1))
			}
		}
	}
}

func FuzzDecodeIndex(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x08gzip\x02\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := &decoder{s: string(body)}
		if idx := r.index(); idx != nil && len(idx.records) > len(body) {
			t.Errorf("%d records of %d bytes", len(idx.records), len(body))
		}
		decodeTable(body, 1000)
	})
}
