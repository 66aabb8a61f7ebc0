//go:build linux

package oracle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/layers"
)

// fact is all that is compared of one path.
type fact struct {
	kind     layers.Type
	mode     uint32
	uid, gid int
	major    int64
	minor    int64
	link     string
	sum      string // SHA-256 of a regular file's content
	xattrs   map[string]string
	mtime    time.Time
	group    string // first path of the hard-link group; "" for one name
	implied  bool   // no layer lists it; known of ours only
}

// view is a merged tree by path; "/" is among them.
type view map[string]fact

// viewOfTree is ours.
func viewOfTree(t testing.TB, tree *layers.Tree) view {
	t.Helper()
	v := view{}
	for e := range tree.All() {
		f := fact{
			kind: e.Type, mode: e.Mode, uid: e.UID, gid: e.GID, major: e.Major, minor: e.Minor,
			link: e.Linkname, xattrs: e.Xattrs, mtime: e.ModTime, implied: e.Implied,
		}
		if len(e.Paths()) > 1 {
			f.group = e.Paths()[0]
		}
		if e.Type == layers.Regular {
			r, err := tree.OpenContent(e.Inode)
			if err != nil {
				t.Fatal(err)
			}
			f.sum = sumOf(t, r)
		}
		v[e.Path] = f
	}
	return v
}

func sumOf(t testing.TB, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// viewOfDir is what lies on a disk.
func viewOfDir(t testing.TB, root string) view {
	t.Helper()
	v := view{}
	inodes := map[uint64][]string{}
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		p := "/" + strings.TrimPrefix(strings.TrimPrefix(name, root), "/")
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		f := fact{
			kind: kinds[st.Mode&unix.S_IFMT], mode: st.Mode & 0o7777, uid: int(st.Uid), gid: int(st.Gid),
			mtime: time.Unix(st.Mtim.Unix()), xattrs: xattrsOf(t, name),
		}
		switch f.kind {
		case layers.Regular:
			r, err := os.Open(name)
			if err != nil {
				return err
			}
			f.sum = sumOf(t, r)
		case layers.Symlink:
			f.link, err = os.Readlink(name)
		case layers.CharDevice, layers.BlockDevice:
			f.major, f.minor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
		}
		if f.kind != layers.Directory {
			inodes[st.Ino] = append(inodes[st.Ino], p)
		}
		v[p] = f
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, paths := range inodes {
		if len(paths) < 2 {
			continue
		}
		first := slices.Min(paths)
		for _, p := range paths {
			f := v[p]
			f.group = first
			v[p] = f
		}
	}
	return v
}

var kinds = map[uint32]layers.Type{
	syscall.S_IFREG: layers.Regular, syscall.S_IFDIR: layers.Directory, syscall.S_IFLNK: layers.Symlink,
	syscall.S_IFCHR: layers.CharDevice, syscall.S_IFBLK: layers.BlockDevice, syscall.S_IFIFO: layers.FIFO,
}

// xattrsOf reads all attributes that this process may see, of the link itself.
func xattrsOf(t testing.TB, name string) map[string]string {
	t.Helper()
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(name, buf)
	if err != nil || n == 0 {
		return nil // no such thing on this file system
	}
	m := map[string]string{}
	for k := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(name, k, value)
		if err != nil {
			t.Fatalf("xattr %q of %q: %v", k, name, err)
		}
		m[k] = string(value[:n])
	}
	return m
}

// exclusion is a fact that is not compared, and why. Each is counted.
type exclusion struct {
	name, reason string
	takes        func(field, path string, ours, theirs fact) bool
}

// tally counts, by name, what the stacks were made of, what was compared and
// what was left out.
type tally struct {
	forms, compared, excluded map[string]int
}

func newTally() *tally {
	return &tally{forms: map[string]int{}, compared: map[string]int{}, excluded: map[string]int{}}
}

func (c *tally) add(other *tally) {
	addTo(c.forms, other.forms)
	addTo(c.compared, other.compared)
	addTo(c.excluded, other.excluded)
}

func addTo(sum, more map[string]int) {
	for k, n := range more {
		sum[k] += n
	}
}

// compare lists where two views differ, one line a fact, sorted by path.
func compare(ours, theirs view, exclude []exclusion, count *tally) []string {
	paths := slices.Sorted(maps.Keys(ours))
	for p := range theirs {
		if _, ok := ours[p]; !ok {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	var out []string
	for _, p := range paths {
		a, here := ours[p]
		b, there := theirs[p]
		if !here || !there {
			out = append(out, fmt.Sprintf("%q: ours has it: %v, theirs: %v", p, here, there))
			continue
		}
		count.compared["path"]++
		out = append(out, compareFacts(p, a, b, exclude, count)...)
	}
	return out
}

func compareFacts(p string, a, b fact, exclude []exclusion, count *tally) []string {
	var out []string
	field := func(name, x, y string) {
		for _, e := range exclude {
			if e.takes(name, p, a, b) {
				count.excluded[e.name]++
				return
			}
		}
		count.compared[name]++
		if x != y {
			out = append(out, fmt.Sprintf("%q: %s: ours %s, theirs %s", p, name, x, y))
		}
	}
	field("type", fmt.Sprint(a.kind), fmt.Sprint(b.kind))
	if a.kind != b.kind && len(out) > 0 {
		return out
	}
	field("mode", fmt.Sprintf("%04o", a.mode), fmt.Sprintf("%04o", b.mode))
	field("owner", fmt.Sprintf("%d:%d", a.uid, a.gid), fmt.Sprintf("%d:%d", b.uid, b.gid))
	mtime := "mtime of a file"
	if a.kind == layers.Directory {
		mtime = "mtime of a directory"
	}
	field(mtime, stamp(a.mtime), stamp(b.mtime))
	for _, k := range sortedKeys(a.xattrs, b.xattrs) {
		x, inA := a.xattrs[k]
		y, inB := b.xattrs[k]
		field("xattr "+k, fmt.Sprintf("%v %q", inA, x), fmt.Sprintf("%v %q", inB, y))
	}
	if a.group != "" || b.group != "" {
		field("hard-link group", fmt.Sprintf("%q", a.group), fmt.Sprintf("%q", b.group))
	}
	switch a.kind {
	case layers.Regular:
		field("bytes", a.sum, b.sum)
	case layers.Symlink:
		field("link text", fmt.Sprintf("%q", a.link), fmt.Sprintf("%q", b.link))
	case layers.CharDevice, layers.BlockDevice:
		field("device number", fmt.Sprintf("%d:%d", a.major, a.minor), fmt.Sprintf("%d:%d", b.major, b.minor))
	}
	return out
}

func stamp(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

func sortedKeys(ms ...map[string]string) []string {
	all := map[string]bool{}
	for _, m := range ms {
		for k := range m {
			all[k] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Every field of a fact counts in a comparison, and each missing path.
func TestCompareSeesEverything(t *testing.T) {
	whole := func() fact {
		return fact{
			kind: layers.Regular, mode: 0o644, uid: 1, gid: 2, sum: "s", link: "l", major: 3, minor: 4,
			xattrs: map[string]string{"user.a": "b"}, mtime: time.Unix(5, 6), group: "/f",
		}
	}
	for name, change := range map[string]func(f *fact){
		"type": func(f *fact) { f.kind = layers.FIFO }, "mode": func(f *fact) { f.mode = 0o4644 },
		"uid": func(f *fact) { f.uid = 0 }, "gid": func(f *fact) { f.gid = 0 }, "bytes": func(f *fact) { f.sum = "" },
		"xattr value": func(f *fact) { f.xattrs = map[string]string{"user.a": ""} }, "xattr": func(f *fact) { f.xattrs = nil },
		"nanoseconds": func(f *fact) { f.mtime = time.Unix(5, 7) }, "group": func(f *fact) { f.group = "" },
	} {
		other := whole()
		change(&other)
		for _, pair := range [][2]fact{{whole(), other}, {other, whole()}} {
			if got := compare(view{"/f": pair[0]}, view{"/f": pair[1]}, nil, newTally()); len(got) != 1 {
				t.Errorf("%s: differences %q", name, got)
			}
		}
	}
	link, device := whole(), whole()
	link.kind, device.kind = layers.Symlink, layers.BlockDevice
	for _, f := range []fact{link, device} {
		other := f
		other.link, other.minor = "x", 9
		if got := compare(view{"/f": f}, view{"/f": other}, nil, newTally()); len(got) != 1 {
			t.Errorf("differences %q", got)
		}
	}
	if got := compare(view{"/a": whole()}, view{"/b": whole()}, nil, newTally()); len(got) != 2 {
		t.Errorf("differences %q", got)
	}
}
