package layers

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
)

// The settled cases of a merged view. Sources: L is the OCI image-spec v1.1
// layer.md; C containerd archive/tar_test.go; U umoci oci/layer tests; M moby
// go-archive tests; G go-containerregistry mutate tests.
func TestMerge(t *testing.T) {
	for _, c := range []struct {
		name, image, want string
		warnings          []string
	}{
		{
			name: "whiteout of a file and of a directory (L; U:TestUnpackEntryWhiteout)",
			image: `
-- layer --
file a "1"
file d/b "2"
file d/e/f "3"
file keep "4"
-- layer --
file .wh.a
file .wh.d
`, want: `/keep: file 0644 "4"`,
		},

		{
			name: "whiteout before the same name in one layer (L; U:TestUnpackOpaqueWhiteout)",
			image: `
-- layer --
file a "old"
-- layer --
file .wh.a
file a "new"
`, want: `/a: file 0644 "new"`,
		},

		{
			name: "whiteout after the same name in one layer (L; U:TestUnpackOpaqueWhiteout)",
			image: `
-- layer --
file a "old"
-- layer --
file a "new"
file .wh.a
`, want: `/a: file 0644 "new"`,
		},

		{
			name: "opaque first (L; U:TestUnpackOpaqueWhiteout)",
			image: `
-- layer --
dir d 0700
file d/old "1"
file d/deep/old "2"
-- layer --
dir d 0711
file d/.wh..wh..opq
file d/new "3"
`, want: "/d: dir 0711\n/d/new: file 0644 \"3\"",
		},

		{
			name: "opaque last, nested, in a middle layer (L; U:TestUnpackOpaqueWhiteout)",
			image: `
-- layer --
file d/s/old "1"
file d/other "2"
-- layer --
dir d 0755
dir d/s 0755
file d/s/new "3"
file d/s/.wh..wh..opq
-- layer --
file d/s/top "4"
`, want: `/d: dir 0755
/d/other: file 0644 "2"
/d/s: dir 0755
/d/s/new: file 0644 "3"
/d/s/top: file 0644 "4"`,
		},

		{
			name: "opaque in a directory with no lower one (L)",
			image: `
-- layer --
dir d 0750
file d/.wh..wh..opq
file d/f "1"
`, want: "/d: dir 0750\n/d/f: file 0644 \"1\"",
		},

		{
			name: "opaque without an entry for its directory keeps the directory (L)",
			image: `
-- layer --
dir d 0750 1:2
file d/f "1"
-- layer --
file d/.wh..wh..opq
`, want: "/d: dir 0750 1:2",
		},

		{
			name: "opaque and a re-added subdirectory (L)",
			image: `
-- layer --
dir d 0755
dir d/s 0700
file d/s/old "1"
-- layer --
dir d 0755
file d/.wh..wh..opq
dir d/s 0711
`, want: "/d: dir 0755\n/d/s: dir 0711",
		},

		{
			name: "whiteout of something absent (L; C:WhiteoutDeadSymlinkParent)",
			image: `
-- layer --
symlink dead -> nowhere
file f "1"
-- layer --
file no/such/.wh.x
file dead/.wh.x
file f/.wh.x
`, want: "/dead: symlink nowhere\n/f: file 0644 \"1\"",
		},

		{
			name: "whiteout of a symlink (C:WhiteoutSymlink)",
			image: `
-- layer --
file target "1"
symlink l -> target
-- layer --
file .wh.l
`, want: `/target: file 0644 "1"`,
		},

		{
			name: "file over directory, directory over file, symlink over directory (L)",
			image: `
-- layer --
file a/x "1"
file b "2"
file c/x "3"
-- layer --
file a "4"
dir b 0711
symlink c -> a
`, want: "/a: file 0644 \"4\"\n/b: dir 0711\n/c: symlink a",
		},

		{
			name: "directory over directory replaces metadata and xattrs (L)",
			image: `
-- layer --
dir d 0700 1:1 xattr:user.old="x"
file d/f "1"
-- layer --
dir d 0711 2:3 xattr:user.new="y"
`, want: "/d: dir 0711 2:3 user.new=\"y\"\n/d/f: file 0644 \"1\"",
		},

		{
			name: "directory, file, directory over three layers (L)",
			image: `
-- layer --
file d/f "1"
-- layer --
file d "2"
-- layer --
dir d 0755
`, want: "/d: dir 0755",
		},

		{
			name: "directory entry over a symlink (C:DirectoryOverrideSymlink)",
			image: `
-- layer --
file usr/lib/f "1"
symlink lib -> usr/lib
-- layer --
dir lib 0755
file lib/g "2"
`, want: `/lib: dir 0755
/lib/g: file 0644 "2"
/usr: dir 0755
/usr/lib: dir 0755
/usr/lib/f: file 0644 "1"`,
		},

		{
			name:  "parents that no layer lists (C; U; M:TestImpliedDirectoryPermissions)",
			image: "-- layer --\nfile a/b/c 0600 7:7 \"1\"\n",
			want:  "/a: dir 0755\n/a/b: dir 0755\n/a/b/c: file 0600 \"1\" 7:7",
		},

		{
			name: "hard links of every spelling, through a symlinked directory (C:Hardlink*)",
			image: `
-- layer --
dir d 0755
file d/f 0640 3:4 "1"
symlink s -> d
link d/g => d/f
link h => ./d/f
link i => /d/f
link j => s/f
`, want: `/d: dir 0755
/d/f: file 0640 "1" 3:4
/d/g: link /d/f
/h: link /d/f
/i: link /d/f
/j: link /d/f
/s: symlink d`,
		},

		{
			name: "hard link to a symlink links the symlink (U:TestUnpackHardlink; M:TestUntarHardlinkToSymlink)",
			image: `
-- layer --
file f "1"
symlink s -> f
link t => s
`, want: "/f: file 0644 \"1\"\n/s: symlink f\n/t: link /s",
		},

		{
			name: "a hard link's own header counts for nothing (U)",
			image: `
-- layer --
file f 0644 0:0 "1"
link g => f 0777 5:5 xattr:user.x="y"
`, want: "/f: file 0644 \"1\"\n/g: link /f",
		},

		{
			name: "link target overwritten, other names keep the old content (L)",
			image: `
-- layer --
file f "old"
link g => f
-- layer --
file f "new"
`, want: "/f: file 0644 \"new\"\n/g: file 0644 \"old\"",
		},

		{
			name: "link target whited out, other names keep the content (L)",
			image: `
-- layer --
file f "old"
link g => f
-- layer --
file .wh.f
`, want: `/g: file 0644 "old"`,
		},

		{
			name: "link target's directory opaqued or removed, other names keep the content (L)",
			image: `
-- layer --
file d/f "1"
file e/f "2"
link g => d/f
link h => e/f
-- layer --
file d/.wh..wh..opq
file .wh.e
`, want: "/d: dir 0755\n/g: file 0644 \"1\"\n/h: file 0644 \"2\"",
		},

		{
			name: "spellings of one path (L)",
			image: `
-- layer --
file ./a "1"
file /b "1"
dir c/ 0700
file c//d "1"
file c/./e "1"
file f "1"
file c/g "1"
-- layer --
file /a "2"
file ./b "2"
file ./.wh.f
file c//./.wh.g
`, want: `/a: file 0644 "2"
/b: file 0644 "2"
/c: dir 0700
/c/d: file 0644 "1"
/c/e: file 0644 "1"`,
		},

		{
			name:     ".. in a name never leaves the root (U:TestUnpackEntrySanitiseScoping; M)",
			image:    "-- layer --\nfile ../../a \"1\"\nfile d/../../../b \"2\"\nfile c/../d \"3\"\n",
			want:     "/a: file 0644 \"1\"\n/b: file 0644 \"2\"\n/d: file 0644 \"3\"",
			warnings: []string{"0 /a dot-dot-name", "0 /b dot-dot-name", "0 /d dot-dot-name"},
		},

		{
			name: "symlink texts are kept to the letter (C:SymlinkUpAndOut)",
			image: `
-- layer --
symlink up -> ../../../../x
symlink abs -> /etc//passwd
symlink self -> self
symlink dead -> ./no/../such/
`, want: `/abs: symlink /etc//passwd
/dead: symlink ./no/../such/
/self: symlink self
/up: symlink ../../../../x`,
		},

		{
			name: "devices, fifo, large ids, special bits, mode 0 (L)",
			image: `
-- layer --
char dev/null 0666 0:0 1:3
block dev/sda 0660 0:6 8:17
fifo run/p 0600 1:1
file big 0644 3000000:4294967294 "1"
file suid 04755 "1"
file sgid 02755 "1"
dir tmp 01777
file none 0000 "1"
`, want: `/big: file 0644 "1" 3000000:4294967294
/dev: dir 0755
/dev/null: char 0666 1:3
/dev/sda: block 0660 8:17 0:6
/none: file 0000 "1"
/run: dir 0755
/run/p: fifo 0600 1:1
/sgid: file 2755 "1"
/suid: file 4755 "1"
/tmp: dir 1777`,
		},

		{
			name: "xattrs, binary and empty, of files and directories (L; C:TestTarWithXattr)",
			image: `
-- layer --
file f "1" xattr:security.capability="\x01\x00\x00\x02\x00\xff\n=" xattr:user.empty=""
dir d xattr:user.a="b"
`, want: `/d: dir 0755 user.a="b"
/f: file 0644 "1" security.capability="\x01\x00\x00\x02\x00\xff\n=" user.empty=""`,
		},

		{
			name:  "names with dots that are no whiteouts",
			image: "-- layer --\nfile ..foo\nfile ...\nfile .wh\nfile .whx\nfile x.wh.y\n",
			want: `/...: file 0644 ""
/..foo: file 0644 ""
/.wh: file 0644 ""
/.whx: file 0644 ""
/x.wh.y: file 0644 ""`,
		},

		{
			name:     "the same file twice in a layer",
			image:    "-- layer --\nfile f 0600 \"1\"\nfile f 0644 \"2\"\n",
			want:     `/f: file 0644 "2"`,
			warnings: []string{"0 /f duplicate-entry"},
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

// The last entry of a directory gives its time; an entry below it does not
// change it; what no layer lists has the epoch (L; U).
func TestDirectoryTimes(t *testing.T) {
	tree := open(t, testimage.New(t, `
-- layer --
dir d 0755 mtime=100
dir e 0755 mtime=200
file implied/f mtime=300
-- layer --
dir d 0700 mtime=50
file e/f mtime=400
`), Options{})
	for p, want := range map[string]int64{"/d": 50, "/e": 200, "/implied": 0, "/": 0, "/implied/f": 300} {
		if got := lookup(t, tree, p).ModTime.Unix(); got != want {
			t.Errorf("%s: mtime %d, want %d", p, got, want)
		}
	}
}
