package testimage

import (
	"archive/tar"
	"errors"
	"io"
	"testing"
)

func TestEntriesAreWrittenToTheLetter(t *testing.T) {
	img := New(t, `
-- config --
{"Entrypoint":["/bin/app"]}
-- layer zstd --
dir ./etc/ 0700 1:2
file "a b\xff" 04755 0:0 "x y\n" mtime=-5 xattr:user.k="v\x00"
char dev/null 0666 0:5 1:3
link b => etc
`)
	ls, err := img.Layers()
	if err != nil || len(ls) != 1 {
		t.Fatalf("layers: %d, %v", len(ls), err)
	}
	rc, err := ls[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	var got []*tar.Header
	for tr := tar.NewReader(rc); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h)
	}
	if len(got) != 4 {
		t.Fatalf("%d entries", len(got))
	}
	if h := got[0]; h.Name != "./etc/" || h.Mode != 0o700 || h.Uid != 1 || h.Gid != 2 {
		t.Errorf("dir: %+v", h)
	}
	if h := got[1]; h.Name != "a b\xff" || h.Mode != 0o4755 || h.ModTime.Unix() != -5 || h.PAXRecords["SCHILY.xattr.user.k"] != "v\x00" || h.Size != 4 {
		t.Errorf("file: %+v", h)
	}
	if h := got[2]; h.Devmajor != 1 || h.Devminor != 3 || h.Gid != 5 {
		t.Errorf("char: %+v", h)
	}
	if h := got[3]; h.Typeflag != tar.TypeLink || h.Linkname != "etc" {
		t.Errorf("link: %+v", h)
	}
}
