package layers

import (
	"archive/tar"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
)

// Where runtimes and the letter of the spec differ: what pare chooses, and
// the warning that says so.
func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		name, image, want string
		warnings          []string
	}{
		{"a directory whited out and listed again hides the lower children", `
-- layer --
dir d 0700
file d/old "1"
-- layer --
file .wh.d
file d/new "2"
`, "/d: dir 0755\n/d/new: file 0644 \"2\"", []string{"1 /d whiteout-and-entries"}},

		{"opaque at the root hides all lower layers", `
-- layer --
file a "1"
-- layer --
file b "2"
file .wh..wh..opq
`, `/b: file 0644 "2"`, []string{"1 / opaque-root"}},

		{"entries below a lower layer's symlink replace it by a directory", `
-- layer --
file usr/lib/f "1"
symlink lib -> usr/lib
-- layer --
file lib/g "2"
`, `/lib: dir 0755
/lib/g: file 0644 "2"
/usr: dir 0755
/usr/lib: dir 0755
/usr/lib/f: file 0644 "1"`, []string{"1 /lib link-replaced"}},

		{
			"entries below a symlink of the same layer go where it points", `
-- layer --
dir usr/lib 0711
symlink lib -> usr/lib
file lib/g "2"
symlink x/abs -> /lib/../made
file x/abs/h "3"
`, `/lib: symlink usr/lib
/usr: dir 0755
/usr/lib: dir 0711
/usr/lib/g: file 0644 "2"
/usr/made: dir 0755
/usr/made/h: file 0644 "3"
/x: dir 0755
/x/abs: symlink /lib/../made`,
			[]string{"0 /lib link-followed", "0 /x/abs link-followed"},
		},

		{"an unlisted parent that exists below keeps its attributes", `
-- layer --
dir d 01777 3:4 xattr:user.a="b"
-- layer --
file d/f "1"
`, "/d: dir 1777 3:4 user.a=\"b\"\n/d/f: file 0644 \"1\"", nil},

		{"entries below a lower file replace it by a directory", `
-- layer --
file f 0600 5:5 "1"
-- layer --
file f/k "2"
`, "/f: dir 0755\n/f/k: file 0644 \"2\"", []string{"1 /f file-replaced"}},

		{"hard link to a file of a lower layer shares its node", `
-- layer --
file f 0640 2:3 "1"
-- layer --
link g => f
`, "/f: file 0640 \"1\" 2:3\n/g: link /f", []string{"1 /g link-to-lower-layer"}},

		{"a character device 0:0 is a whiteout", `
-- layer --
file d/f "1"
file d/g "2"
-- layer --
char d/f 0000 0:0 0:0
`, "/d: dir 0755\n/d/g: file 0644 \"2\"", []string{"1 /d/f device-whiteout"}},

		{"trusted.overlay xattrs are dropped", `
-- layer --
dir d 0755 xattr:trusted.overlay.opaque="y" xattr:trusted.other="z"
`, `/d: dir 0755 trusted.other="z"`, []string{"0 /d overlay-xattr"}},

		{"AUFS bookkeeping is dropped", `
-- layer --
dir .wh..wh.plnk 0700
file .wh..wh.plnk/1.2 "1"
file .wh..wh.aufs
file f "1"
`, `/f: file 0644 "1"`, []string{
			"0 /.wh..wh.aufs aufs-metadata", "0 /.wh..wh.plnk aufs-metadata", "0 /.wh..wh.plnk/1.2 aufs-metadata",
		}},

		{
			"the root's own entry sets its metadata", "-- layer --\ndir ./ 0700 8:9\nfile f\n",
			"/: dir 0700 8:9\n/f: file 0644 \"\"", nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := open(t, testimage.New(t, c.image), Options{})
			if diff := cmp.Diff(want(c.want), dump(t, tree)); diff != "" {
				t.Errorf("tree (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.warnings, warningNames(tree)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// Entries that are refused, with the layer and the entry named.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, image, path string }{
		{"whiteout of nothing (C:WhiteoutRoot)", "file .wh.", ".wh."},
		{"whiteout of dot (C:WhiteoutRoot)", "file .wh..", ".wh.."},
		{"whiteout of dot-dot (M:TestOverlayUntarInvalidWhiteoutNames)", "file d/.wh...", "d/.wh..."},
		{"child of a whiteout", "file .wh.d/f", ".wh.d/f"},
		{"hard link to nothing (M)", "link a => b", "/a"},
		{"hard link forward (M)", "link a => b\nfile b", "/a"},
		{"hard link to a directory (M)", "dir d\nlink a => d", "/a"},
		{"hard link escaping (M:TestUntarInvalidHardlink)", "file a\nlink b => ../a", "/b"},
		{"hard link escaping deeper (M:TestUntarInvalidHardlink)", "file a\nlink b => d/../../a", "/b"},
		{"file in place of the root", "file . \"x\"", "."},
		{"symlink in place of the root", "symlink / -> x", "/"},
		{"hard link in place of the root", "file a\nlink / => a", "/"},
		{"symlink loop in an entry's directory", "symlink l -> l\nfile l/f", "/l/f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := testimage.New(t, "-- layer --\nfile ok \"1\"\n-- layer --\n"+c.image+"\n")
			_, err := Open(context.Background(), img, Options{Scratch: t.TempDir()})
			var le *LayerError
			if !errors.As(err, &le) || !errors.Is(err, ErrInvalid) {
				t.Fatalf("err = %v, want a LayerError that is ErrInvalid", err)
			}
			if le.Layer != 1 || le.Path != c.path {
				t.Errorf("error at layer %d, entry %q, want layer 1, entry %q", le.Layer, le.Path, c.path)
			}
		})
	}
}

func TestRefusedHeaders(t *testing.T) {
	gnuSparse := rawHeader(t, tar.Header{Typeflag: tar.TypeReg, Name: "s", Size: 0, Format: tar.FormatGNU})
	gnuSparse[156] = tar.TypeGNUSparse
	fixChecksum(gnuSparse)
	copy(gnuSparse[483:], "00000001000\x00") // real size
	fixChecksum(gnuSparse)
	multi := rawHeader(t, tar.Header{Typeflag: tar.TypeReg, Name: "s", Format: tar.FormatGNU})
	multi[156] = 'M'
	fixChecksum(multi)
	negative := rawHeader(t, tar.Header{Typeflag: tar.TypeReg, Name: "s", Uid: -5, Format: tar.FormatGNU})
	for name, raw := range map[string][]byte{
		"GNU sparse": gnuSparse, "unknown type": multi, "negative owner": negative,
		"no tar":        []byte(strings.Repeat("no tar at all ", 100)),
		"cut header":    rawHeader(t, tar.Header{Typeflag: tar.TypeReg, Name: "s", Format: tar.FormatGNU})[:300],
		"cut content":   rawHeader(t, tar.Header{Typeflag: tar.TypeReg, Name: "s", Size: 100, Format: tar.FormatGNU})[:512],
		"lying content": append(rawHeader(t, tar.Header{Typeflag: tar.TypeReg, Name: "s", Size: 600, Format: tar.FormatGNU})[:512], make([]byte, 100)...),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(context.Background(), rawImage(t, "gzip", raw), Options{Scratch: t.TempDir()})
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("err = %v, want ErrInvalid", err)
			}
		})
	}
}

// rawHeader is a tar of one header, with its end blocks and no content.
func rawHeader(t testing.TB, h tar.Header) []byte {
	t.Helper()
	var b strings.Builder
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	return append([]byte(b.String()), make([]byte, 1024)...)
}

// fixChecksum makes a changed header valid again (POSIX ustar).
func fixChecksum(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h[:512] {
		sum += int(c)
	}
	digits := "01234567"
	for i := range 6 {
		h[148+i] = digits[sum>>(3*(5-i))&7]
	}
	h[154], h[155] = 0, ' '
}
