package e2e

import (
	"bytes"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim"
)

// TestCompareNotices shows the comparison what it must notice.
func TestCompareNotices(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	other := file + "2"
	for name, text := range map[string]string{file: "content", other: "Content"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := map[string]node{
		"/":     {mode: unix.S_IFDIR | 0o755, inode: 1},
		"/a":    {mode: unix.S_IFREG | 0o644, inode: 2, file: file},
		"/b":    {mode: unix.S_IFREG | 0o644, inode: 2, file: file},
		"/gone": {mode: unix.S_IFREG | 0o644, inode: 3, file: file},
	}
	plan := func() *slim.Plan {
		return &slim.Plan{
			Entries:   []slim.Entry{{Path: "/"}, {Path: "/a"}, {Path: "/b"}, {Path: "/made"}},
			Dropped:   []slim.Dropped{{Path: "/gone"}},
			Generated: []slim.File{{Path: "/made", Mode: "0755"}},
		}
	}
	for name, c := range map[string]struct {
		change func(after map[string]node, p *slim.Plan)
		want   string // "" when nothing is wrong
	}{
		"nothing":        {func(map[string]node, *slim.Plan) {}, ""},
		"writable":       {set("/", func(n *node) { n.mode |= 0o002 }), "type and mode"},
		"an owner":       {set("/a", func(n *node) { n.uid = 5 }), "owner 5:0"},
		"a capability":   {set("/a", func(n *node) { n.xattrs = "security.capability=01" }), "xattrs"},
		"a time":         {set("/a", func(n *node) { n.mtime = 1 }), "mtime"},
		"content":        {set("/a", func(n *node) { n.file = other }), "other content"},
		"a split link":   {set("/a", func(n *node) { n.inode = 9 }), "is one file with"},
		"a stranger":     {func(after map[string]node, _ *slim.Plan) { after["/x"] = after["/a"] }, "is not in the source"},
		"a loss":         {func(after map[string]node, _ *slim.Plan) { delete(after, "/a") }, "not in the image"},
		"a silent drop":  {func(_ map[string]node, p *slim.Plan) { p.Dropped = nil }, "dropped in the plan is false"},
		"made writable":  {set("/made", func(n *node) { n.mode |= 0o022 }), "writable by others"},
		"a planned gift": {gift, ""},
		"another gift":   {func(after map[string]node, p *slim.Plan) { gift(after, p); p.Ownership[0].UID = 6 }, "the plan says 6:0"},
		"nothing at all": {func(after map[string]node, _ *slim.Plan) { clear(after) }, "nothing was compared"},
	} {
		t.Run(name, func(t *testing.T) {
			after, p := maps.Clone(before), plan()
			delete(after, "/gone")
			after["/made"] = node{mode: unix.S_IFDIR | 0o755, inode: 4}
			c.change(after, p)
			err := errors.Join(compare(before, after, p).errs...)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func set(path string, change func(*node)) func(map[string]node, *slim.Plan) {
	return func(after map[string]node, _ *slim.Plan) {
		n := after[path]
		change(&n)
		after[path] = n
	}
}

func gift(after map[string]node, p *slim.Plan) {
	for _, path := range []string{"/a", "/b"} {
		set(path, func(n *node) { n.uid = 5 })(after, nil)
		p.Ownership = append(p.Ownership, slim.Ownership{Path: path, UID: 5, Reason: slim.Reason{Rule: "state"}})
	}
}

func TestCheckExplained(t *testing.T) {
	p := &slim.Plan{Options: slim.Options{Granularity: slim.GranularityFile}, Entries: []slim.Entry{{Path: "/a", Reasons: []slim.Reason{{Rule: "elf"}}}}}
	if err := checkExplained(p); err != nil {
		t.Error(err)
	}
	p.Entries = append(p.Entries, slim.Entry{Path: "/b", Reasons: []slim.Reason{{Rule: "package"}}})
	if checkExplained(p) == nil {
		t.Error("a file of a whole package is taken for needed")
	}
}

func TestResolve(t *testing.T) {
	link := func(to string) node { return node{mode: unix.S_IFLNK, link: to} }
	nodes := map[string]node{
		"/lib": link("usr/lib"), "/usr": {}, "/usr/lib": {}, "/usr/lib/x.so": link("x.so.1"), "/usr/up": link("../../.."),
		"/abs": link("/usr"), "/loop": link("loop"),
	}
	for path, want := range map[string]string{
		"/lib/x.so": "/usr/lib/x.so", "/abs/lib/./x.so": "/usr/lib/x.so", "/usr/up/lib/x.so": "/usr/lib/x.so",
		"/lib": "/lib", "/": "/", "/loop/x": "", "/no/x": "",
	} {
		if got := resolve(nodes, path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestContainsAcrossReads(t *testing.T) {
	secret := []byte("a secret that lies across two reads")
	for _, at := range []int{0, 1<<20 - 10, 1<<20 - len(secret), 2<<20 - 1, 3 << 20} {
		b := bytes.Repeat([]byte("."), 3<<20+len(secret))
		copy(b[at:], secret)
		if found, err := contains(bytes.NewReader(b), secret); err != nil || !found {
			t.Errorf("at %d: %v, %v", at, found, err)
		}
		b[at+3]++
		if found, _ := contains(bytes.NewReader(b), secret); found {
			t.Errorf("at %d: found what is not there", at)
		}
	}
}

func TestDNSReply(t *testing.T) {
	query := func(kind byte, labels ...string) []byte {
		q := []byte{1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
		for _, l := range labels {
			q = append(append(q, byte(len(l))), l...)
		}
		return append(q, 0, 0, kind, 0, 1)
	}
	ip := net.IPv4(10, 1, 2, 3).To4()
	if r := dnsReply(query(1, "db", "pare", "test"), ip); !bytes.HasSuffix(r, ip) || r[7] != 1 {
		t.Errorf("A: %x", r)
	}
	if r := dnsReply(query(28, "db", "pare", "test"), ip); r[3]&15 != 0 || r[7] != 0 {
		t.Errorf("AAAA is not an empty answer: %x", r)
	}
	if r := dnsReply(query(1, "db", "example"), ip); r[3]&15 != 3 {
		t.Errorf("an unknown name is not NXDOMAIN: %x", r)
	}
	for _, bad := range [][]byte{nil, query(1, "x")[:14], {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63}} {
		if r := dnsReply(bad, ip); r != nil {
			t.Errorf("%x: answered %x", bad, r)
		}
	}
}

func TestFilesOf(t *testing.T) {
	got := filesOf([]string{"/.", "/lib", "/lib/x", "/usr/share/doc", "/etc/f"})
	if strings.Join(got, " ") != "/. /lib/x /usr/share/doc /etc/f" {
		t.Error(got)
	}
}
