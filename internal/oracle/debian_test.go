//go:build linux

package oracle

import (
	"bufio"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pare-image/pare/internal/testroot"
	"github.com/pare-image/pare/layers"
)

// TestFSOnDebian: the io/fs view of a real system keeps to the rules of
// fstest.TestFS.
func TestFSOnDebian(t *testing.T) {
	tree, err := layers.Open(t.Context(), testroot.Image(t), layers.Options{Scratch: t.TempDir(), Want: func(string, *layers.Header) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if n := tree.Len(); n < 5000 {
		t.Errorf("only %d entries", n)
	}
	if err := fstest.TestFS(buffered{tree}, "etc/passwd", "usr/bin/dash", "bin", "etc/alternatives", "tmp", "var/lib/dpkg/status"); err != nil {
		t.Error(err)
	}
}

// buffered is a tree whose files are read in blocks: TestFS reads every byte
// by itself, several times.
type buffered struct{ *layers.Tree }

func (b buffered) Open(name string) (fs.File, error) {
	f, err := b.Tree.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return f, err
	}
	return &bufferedFile{File: f, r: bufio.NewReaderSize(f, 64<<10)}, nil
}

type bufferedFile struct {
	fs.File
	r *bufio.Reader
}

func (f *bufferedFile) Read(p []byte) (int, error) { return f.r.Read(p) }

// TestUmociOnDebian compares the same system with what umoci unpacks, and the
// view as one layer of ours with that of mmdebstrap.
func TestUmociOnDebian(t *testing.T) {
	u := needUmoci(t)
	u.needRoot(t)
	img := testroot.Image(t)
	mine, count := ours(t, img), newTally()
	if diff := compare(mine, u.unpack(t, img), u.exclusions(true), count); len(diff) > 0 {
		t.Error(strings.Join(diff, "\n"))
	}
	if diff := compare(mine, ours(t, flattened(t, img)), nil, count); len(diff) > 0 {
		t.Errorf("written as one layer: %s", strings.Join(diff, "\n"))
	}
	logTally(t, count, u.exclusions(true))
	if count.compared["path"] < 10_000 {
		t.Errorf("only %d paths compared", count.compared["path"])
	}
}
