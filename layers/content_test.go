package layers

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
)

// counted is an image whose layers count how often they are read.
func counted(t testing.TB, compression string, layers ...[]testimage.Entry) (v1.Image, []*atomic.Int32) {
	t.Helper()
	var ls []v1.Layer
	var reads []*atomic.Int32
	for _, entries := range layers {
		l, err := testimage.Layer(entries, compression)
		if err != nil {
			t.Fatal(err)
		}
		n := new(atomic.Int32)
		ls, reads = append(ls, &fakeLayer{Layer: l, reads: n}), append(reads, n)
	}
	return imageOf(t, ls...), reads
}

func fileWith(name, body string) testimage.Entry {
	e := file(name)
	e.Body = []byte(body)
	return e
}

func lookup(t testing.TB, tree *Tree, p string) *Inode {
	t.Helper()
	e, ok := tree.Lookup(p)
	if !ok {
		t.Fatalf("no %s", p)
	}
	return e.Inode
}

func wantReads(t testing.TB, reads []*atomic.Int32, want ...int32) {
	t.Helper()
	for i, n := range reads {
		if n.Load() != want[i] {
			t.Errorf("layer %d was read %d times, want %d", i, n.Load(), want[i])
		}
	}
}

func TestContentReadOnce(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 100_000)
	img, reads := counted(t, "gzip",
		[]testimage.Entry{fileWith("small", "s"), fileWith("big1", big), fileWith("big2", big+"2"), fileWith("big3", big+"3")},
		[]testimage.Entry{fileWith("other", big+"o")})
	scratch := t.TempDir()
	tree := open(t, img, Options{Scratch: scratch})
	wantReads(t, reads, 1, 1)
	if got := content(t, tree, lookup(t, tree, "/small")); got != "s" {
		t.Errorf("small = %q", got)
	}
	wantReads(t, reads, 1, 1)

	nodes := []*Inode{lookup(t, tree, "/big1"), lookup(t, tree, "/big2"), lookup(t, tree, "/small")}
	for range 2 {
		if err := tree.Prefetch(context.Background(), nodes); err != nil {
			t.Fatal(err)
		}
	}
	if content(t, tree, nodes[0]) != big || content(t, tree, nodes[1]) != big+"2" {
		t.Error("prefetched content differs")
	}
	wantReads(t, reads, 2, 1)

	// A miss keeps the whole layer, so that the next one costs nothing.
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if content(t, tree, lookup(t, tree, "/big3")) != big+"3" {
				t.Error("big3 differs")
			}
		})
	}
	wg.Wait()
	wantReads(t, reads, 3, 1)
	if left, _ := os.ReadDir(scratch); len(left) > 0 {
		t.Errorf("files with names in scratch: %v", left)
	}
}

func TestWant(t *testing.T) {
	img, reads := counted(t, "none", []testimage.Entry{fileWith("a", strings.Repeat("a", 200_000)), fileWith("b", "b")})
	var asked []string
	tree := open(t, img, Options{Want: func(p string, h *Header) bool {
		asked = append(asked, p)
		return p == "/a"
	}})
	content(t, tree, lookup(t, tree, "/a"))
	wantReads(t, reads, 1)
	if strings.Join(asked, " ") != "/a /b" {
		t.Errorf("asked for %q", asked)
	}
	content(t, tree, lookup(t, tree, "/b"))
	wantReads(t, reads, 2)
}

// A second reading is verified like the first.
func TestContentVerifiedAgain(t *testing.T) {
	l := rawLayer(t, smallTar(t), "none")
	var n atomic.Int32
	lying := &fakeLayer{Layer: l}
	lying.open = func() (io.ReadCloser, error) {
		raw := smallTar(t)
		if n.Add(1) > 1 {
			raw = bytes.ReplaceAll(raw, []byte("text"), []byte("evil"))
		}
		return io.NopCloser(bytes.NewReader(raw)), nil
	}
	tree := open(t, imageOf(t, lying), Options{Want: func(string, *Header) bool { return false }})
	if _, err := tree.ReadContent(lookup(t, tree, "/d/f"), 100); !errors.Is(err, ErrMismatch) {
		t.Errorf("err = %v, want ErrMismatch", err)
	}
}

func TestReadContent(t *testing.T) {
	tree := open(t, testimage.New(t, "-- layer --\nfile f \"12345\"\ndir d\nfile e\n"), Options{})
	if b, err := tree.ReadContent(lookup(t, tree, "/f"), 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := tree.ReadContent(lookup(t, tree, "/f"), 4); !errors.Is(err, ErrLimit) {
		t.Errorf("err = %v, want ErrLimit", err)
	}
	if b, err := tree.ReadContent(lookup(t, tree, "/e"), 0); err != nil || len(b) != 0 {
		t.Errorf("empty file: %q, %v", b, err)
	}
	if _, err := tree.OpenContent(lookup(t, tree, "/d")); err == nil {
		t.Error("a directory has content")
	}
	r, err := tree.OpenContent(lookup(t, tree, "/f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("a reader outlives the tree")
	}
	if _, err := tree.OpenContent(lookup(t, tree, "/f")); !errors.Is(err, ErrClosed) {
		t.Errorf("err = %v, want ErrClosed", err)
	}
}

// A full disk is an error with the spool in it, and nothing is left.
func TestScratchMissing(t *testing.T) {
	img := testimage.New(t, "-- layer --\nfile f \"1\"\n")
	if _, err := Open(context.Background(), img, Options{Scratch: t.TempDir() + "/no/such"}); err == nil || !strings.Contains(err.Error(), "spooling content") {
		t.Errorf("err = %v", err)
	}
}

func TestProgress(t *testing.T) {
	img, _ := counted(t, "none", []testimage.Entry{fileWith("a", strings.Repeat("a", 1_000_000))})
	var events []ProgressEvent
	open(t, img, Options{Progress: func(e ProgressEvent) { events = append(events, e) }})
	last := events[len(events)-1]
	if len(events) < 3 || !last.Done || last.Read != last.Size || last.Cached {
		t.Errorf("%d events, last %+v", len(events), last)
	}
}

// elfOf is a minimal shared object (System V gABI): two program headers, a
// string table, a dynamic section; then pad bytes.
func elfOf(pad int) []byte {
	const strings, dynamic, end = 176, 256, 256 + 5*16
	b := make([]byte, end+pad)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], 3)  // ET_DYN
	le.PutUint16(b[18:], 62) // EM_X86_64
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64) // e_phoff
	le.PutUint16(b[52:], 64) // e_ehsize
	le.PutUint16(b[54:], 56) // e_phentsize
	le.PutUint16(b[56:], 2)  // e_phnum
	program := func(at int, kind uint32, off, size uint64) {
		le.PutUint32(b[at:], kind)
		for i, v := range []uint64{off, off, off, size, size, 8} {
			le.PutUint64(b[at+8+8*i:], v)
		}
	}
	program(64, 1, 0, end)                // PT_LOAD
	program(120, 2, dynamic, end-dynamic) // PT_DYNAMIC
	copy(b[strings:], "\x00libneeded.so.1\x00libneeds.so\x00")
	for i, tag := range [][2]uint64{{1, 1}, {14, 16}, {5, strings}, {10, 28}, {0, 0}} { // NEEDED SONAME STRTAB STRSZ NULL
		le.PutUint64(b[dynamic+16*i:], tag[0])
		le.PutUint64(b[dynamic+16*i+8:], tag[1])
	}
	return b
}

func TestSniff(t *testing.T) {
	for name, pad := range map[string]int{"in memory": 0, "through the spool": sniffMemory} {
		t.Run(name, func(t *testing.T) {
			so := string(elfOf(pad))
			img, reads := counted(t, "gzip", []testimage.Entry{
				fileWith("before", "b"), fileWith("lib.so", so), fileWith("script", "#!/bin/sh -e\necho\n"),
				fileWith("bare", "#!"), fileWith("text", "text"), fileWith("broken", "\x7fELF and no more"),
				fileWith("long", "#!"+strings.Repeat("x", 300)), fileWith("after", "a"),
			})
			tree := open(t, img, Options{Want: func(p string, _ *Header) bool { return p == "/before" || p == "/after" }})
			s := lookup(t, tree, "/lib.so").Sniff()
			if s.ELF == nil || strings.Join(s.ELF.Needed, " ") != "libneeded.so.1" || s.ELF.Soname != "libneeds.so" {
				t.Errorf("lib.so: %+v, %s", s.ELF, s.ELFError)
			}
			if s := lookup(t, tree, "/broken").Sniff(); s.ELF != nil || s.ELFError == "" {
				t.Errorf("broken: %+v", s)
			}
			if got := lookup(t, tree, "/script").Sniff().Shebang; got != "/bin/sh -e" {
				t.Errorf("shebang %q", got)
			}
			if got := len(lookup(t, tree, "/long").Sniff().Shebang); got > 255 {
				t.Errorf("shebang of %d bytes", got)
			}
			for _, p := range []string{"/text", "/bare"} {
				if got := lookup(t, tree, p).Sniff(); got != (Sniff{}) {
					t.Errorf("%s: %+v", p, got)
				}
			}
			if content(t, tree, lookup(t, tree, "/before"))+content(t, tree, lookup(t, tree, "/after")) != "ba" {
				t.Error("content around the taken-back file differs")
			}
			wantReads(t, reads, 1)
			if content(t, tree, lookup(t, tree, "/lib.so")) != so {
				t.Error("content of lib.so differs")
			}
			wantReads(t, reads, 2)
		})
	}
}

// Memory does not grow with file contents.
func TestMemoryOfContents(t *testing.T) {
	const files, size = 40, 4 << 20
	body := make([]byte, size)
	l := gzipLayer(t, func(w io.Writer) {
		tw := tar.NewWriter(w)
		for i := range files {
			tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "f" + string(rune('A'+i)), Size: size, Mode: 0o644})
			tw.Write(body)
		}
		tw.Close()
	})
	before := liveHeap()
	tree := open(t, imageOf(t, l), Options{Want: func(string, *Header) bool { return true }})
	if heap := int64(liveHeap()) - int64(before); heap > 8<<20 {
		t.Errorf("%d MB live for %d MB of content", heap>>20, files*size>>20)
	}
	if tree.Len() != files+1 {
		t.Errorf("Len = %d", tree.Len())
	}
}
