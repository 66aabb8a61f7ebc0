//go:build linux

package oracle

import (
	"archive/tar"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

// directed are the cases of a merged view that umoci reads as the image-spec
// does; package layers has them with what must come out.
var directed = map[string]string{
	"whiteout of a file and of a directory":    "-- layer --\nfile a \"1\"\nfile d/b \"2\"\nfile d/e/f \"3\"\nfile keep\n-- layer --\nfile .wh.a\nfile .wh.d\n",
	"whiteout before the same name":            "-- layer --\nfile a \"old\"\n-- layer --\nfile .wh.a\nfile a \"new\"\n",
	"whiteout after the same name":             "-- layer --\nfile a \"old\"\n-- layer --\nfile a \"new\"\nfile .wh.a\n",
	"whiteout after the same directory":        "-- layer --\nfile d/old\n-- layer --\ndir d 0711\nfile d/new\nfile .wh.d\n",
	"opaque first":                             "-- layer --\ndir d 0700\nfile d/old\nfile d/deep/old\n-- layer --\ndir d 0711\nfile d/.wh..wh..opq\nfile d/new\n",
	"opaque last, nested, in a middle layer":   "-- layer --\nfile d/s/old\nfile d/other\n-- layer --\ndir d\ndir d/s\nfile d/s/new\nfile d/s/.wh..wh..opq\n-- layer --\nfile d/s/top\n",
	"opaque with no lower directory":           "-- layer --\ndir d 0750\nfile d/.wh..wh..opq\nfile d/f\n",
	"opaque of an unlisted directory":          "-- layer --\ndir d 0750 1:2\nfile d/f\n-- layer --\nfile d/.wh..wh..opq\n",
	"opaque and a re-added subdirectory":       "-- layer --\ndir d\ndir d/s 0700\nfile d/s/old\n-- layer --\ndir d\nfile d/.wh..wh..opq\ndir d/s 0711\n",
	"opaque root":                              "-- layer --\nfile a\ndir d\nfile d/f\n-- layer --\nfile .wh..wh..opq\nfile b\n",
	"whiteout of something absent":             "-- layer --\nfile f\n-- layer --\nfile no/such/.wh.x\nfile f/.wh.x\nfile .wh.y\n",
	"whiteout of a symlink":                    "-- layer --\nfile target\nsymlink l -> target\n-- layer --\nfile .wh.l\n",
	"types over types":                         "-- layer --\nfile a/x\nfile b\nfile c/x\nfifo p\n-- layer --\nfile a \"4\"\ndir b 0711\nsymlink c -> a\ndir p\n",
	"directory over directory":                 "-- layer --\ndir d 0700 1:1 xattr:user.old=\"x\"\nfile d/f\n-- layer --\ndir d 0711 2:3 xattr:user.new=\"y\"\n",
	"directory, file, directory":               "-- layer --\nfile d/f\n-- layer --\nfile d\n-- layer --\ndir d\n",
	"directory entry over a symlink":           "-- layer --\nfile usr/lib/f\nsymlink lib -> usr/lib\n-- layer --\ndir lib\nfile lib/g\n",
	"parents that no layer lists":              "-- layer --\nfile a/b/c 0600 7:7\n",
	"unlisted parent that is there":            "-- layer --\ndir d 01777 3:4 xattr:user.a=\"b\"\n-- layer --\nfile d/f\n",
	"hard links of every spelling":             "-- layer --\ndir d\nfile d/f 0640 3:4 \"1\"\nsymlink s -> d\nlink d/g => d/f\nlink h => ./d/f\nlink i => /d/f\nlink j => s/f\n",
	"hard link to a symlink":                   "-- layer --\nfile f\nsymlink s -> f\nlink t => s\n",
	"a hard link's own header":                 "-- layer --\nfile f 0644 0:0 \"1\"\nlink g => f 0777 5:5 xattr:user.x=\"y\"\n",
	"hard link to a file of a lower layer":     "-- layer --\nfile f 0640 2:3 \"1\"\n-- layer --\nlink g => f\n",
	"link target overwritten":                  "-- layer --\nfile f \"old\"\nlink g => f\n-- layer --\nfile f \"new\"\n",
	"link target whited out":                   "-- layer --\nfile f \"old\"\nlink g => f\n-- layer --\nfile .wh.f\n",
	"link target's directory opaqued or gone":  "-- layer --\nfile d/f\nfile e/f\nlink g => d/f\nlink h => e/f\n-- layer --\nfile d/.wh..wh..opq\nfile .wh.e\n",
	"spellings of one path":                    "-- layer --\nfile ./a\nfile /b\ndir c/ 0700\nfile c//d\nfile c/./e\nfile f\nfile c/g\n-- layer --\nfile /a \"2\"\nfile ./b \"2\"\nfile ./.wh.f\nfile c//./.wh.g\n",
	".. in a name":                             "-- layer --\nfile ../../a \"1\"\nfile d/../../../b \"2\"\n",
	"symlink texts":                            "-- layer --\nsymlink up -> ../../../../x\nsymlink abs -> /etc//passwd\nsymlink self -> self\nsymlink dead -> ./no/../such/\n",
	"below a symlink of the same layer":        "-- layer --\ndir usr/lib 0711\nsymlink lib -> usr/lib\nfile lib/g\nsymlink x/abs -> /lib/../made\nfile x/abs/h\n",
	"devices, ids, special bits":               "-- layer --\nchar dev/null 0666 0:0 1:3\nblock dev/sda 0660 0:6 8:17\nfifo run/p 0600 1:1\nfile big 0644 3000000:4294967294\nfile suid 04755\nfile sgid 02755\ndir tmp 01777\nfile none 0000\n",
	"xattrs":                                   "-- layer --\nfile f xattr:security.capability=\"\\x01\\x00\\x00\\x02\\x00\\x20\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\" xattr:user.b=\"\\x00=\\n\"\ndir d xattr:user.a=\"b\"\n",
	"long and odd names":                       "-- layer --\nfile " + strings.Repeat("n", 255) + "/" + strings.Repeat("m", 255) + "/f\nfile \"nl\\n\"\nfile \"\\x1b[31m\"\nfile \"caf\\u00e9\"\nfile \"cafe\\u0301\"\nfile \"latin-\\xe9\"\n",
	"names with dots that are no whiteouts":    "-- layer --\nfile ..foo\nfile ...\nfile .wh\nfile .whx\nfile x.wh.y\n",
	"empty layers":                             "-- layer --\n-- layer none --\n-- layer --\nfile f\n-- layer --\n",
	"no compression":                           "-- layer none --\nfile f \"1\"\n-- layer gzip --\nfile g \"2\"\n",
	"the same layer twice around a whiteout":   "-- layer --\ndir d\nfile d/f\n-- layer --\nfile .wh.d\n-- layer --\ndir d\nfile d/f\n",
	"the root's own entry":                     "-- layer --\ndir ./ 0700 8:9\nfile f\n",
	"times before 1970 and after 2038":         "-- layer --\nfile a mtime=-5\nfile b mtime=0\nfile c mtime=4102444800\n",
	"the same file twice":                      "-- layer --\nfile f 0600 \"1\"\nfile f 0644 \"2\"\n",
	"AUFS bookkeeping without anything inside": "-- layer --\nfile .wh..wh.aufs\nfile .wh..wh.orph\nfile f\n",
}

// TestUmociDirected compares each case by itself.
func TestUmociDirected(t *testing.T) {
	u := needUmoci(t)
	u.needRoot(t)
	total := newTally()
	for name, archive := range directed {
		t.Run(name, func(t *testing.T) {
			img, count := testimage.New(t, archive), newTally()
			if diff := compare(ours(t, img), u.unpack(t, img), u.exclusions(false), count); len(diff) > 0 {
				t.Error(strings.Join(diff, "\n"))
			}
			if count.compared["path"] == 0 {
				t.Error("nothing was compared")
			}
			total.add(count)
		})
	}
	t.Logf("%d cases", len(directed))
	logTally(t, total, u.exclusions(false))
}

// deviations are what is left out of all comparisons, since umoci reads it in
// another way than pare chooses (package layers, TestPolicy): each with what
// umoci does.
var deviations = []struct{ name, does, archive string }{
	{"entries below a lower symlink", "follows it", "-- layer --\nfile usr/lib/f\nsymlink lib -> usr/lib\n-- layer --\nfile lib/g\n"},
	{"entries below a lower file", "refuses", "-- layer --\nfile f\n-- layer --\nfile f/k\n"},
	{"whiteout below a lower symlink", "follows it", "-- layer --\nfile d/x\nsymlink l -> d\n-- layer --\nfile l/.wh.x\n"},
	{"unlisted directory, whited out after its entries", "keeps the lower directory's mode", "-- layer --\ndir d 0700\nfile d/old\n-- layer --\nfile d/new\nfile .wh.d\n"},
	{"unlisted directory in a setgid one", "lets the kernel hand down group and bit", "-- layer --\ndir d 02755 0:7\n-- layer --\nfile d/e/f\n"},
	{"character device 0:0", "makes the device", "-- layer --\nfile f\n-- layer --\nchar f 0000 0:0 0:0\n"},
	{"trusted.overlay xattrs", "sets them", "-- layer --\ndir d xattr:trusted.overlay.origin=\"y\"\n"},
	{"empty xattr value", "drops it", "-- layer --\nfile f xattr:user.empty=\"\"\n"},
	{"hard link that climbs out", "takes it as below the root", "-- layer --\nfile a\nlink b => ../a\n"},
	{"children of AUFS bookkeeping", "unpacks them", "-- layer --\ndir .wh..wh.plnk\nfile .wh..wh.plnk/1.2\nfile f\n"},
	{"children of a whiteout", "unpacks them", "-- layer --\nfile .wh.d/f\n"},
}

// TestUmociDeviations keeps that list honest: each still is one with this
// umoci, or the log says that it could be compared.
func TestUmociDeviations(t *testing.T) {
	u := needUmoci(t)
	u.needRoot(t)
	still := 0
	for _, d := range deviations {
		img := testimage.New(t, d.archive)
		theirs, err := u.tryUnpack(t, img)
		tree, ourErr := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir()})
		same := (err != nil) == (ourErr != nil)
		if err == nil && ourErr == nil {
			same = len(compare(viewOfTree(t, tree), theirs, u.exclusions(false), newTally())) == 0
		}
		if tree != nil {
			tree.Close()
		}
		if same {
			t.Logf("%s: this umoci reads it as pare does", d.name)
			continue
		}
		still++
		t.Logf("%s: not compared: umoci %s", d.name, d.does)
	}
	if still < len(deviations)/2 {
		t.Errorf("only %d of %d deviations are any", still, len(deviations))
	}
}

// TestUmociRefuses compares what both refuse.
func TestUmociRefuses(t *testing.T) {
	u := needUmoci(t)
	lying := func(t *testing.T) v1.Image {
		l, err := testimage.Layer([]testimage.Entry{{Header: tar.Header{Typeflag: tar.TypeReg, Name: "f"}}}, "gzip")
		if err != nil {
			t.Fatal(err)
		}
		wrong := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("ab", 32)}
		img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, testimage.Lie(l, wrong, nil))
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	images := map[string]v1.Image{"wrong diffID": lying(t)}
	for name, entries := range map[string]string{
		"hard link to nothing": "link a => b", "hard link forward": "link a => b\nfile b", "hard link to a directory": "dir d\nlink a => d",
		"file in place of the root": "file . \"x\"", "symlink in place of the root": "symlink ./ -> usr",
	} {
		images[name] = testimage.New(t, "-- layer --\n"+entries+"\n")
	}
	for name, img := range images {
		t.Run(name, func(t *testing.T) {
			if _, err := u.tryUnpack(t, img); err == nil {
				t.Error("umoci takes it")
			}
			if tree, err := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir()}); err == nil {
				tree.Close()
				t.Error("we take it")
			}
		})
	}
}
