package slim

import (
	"archive/tar"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testelf"
	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// manyFiles makes an image of one layer, of what yield gives.
func manyFiles(t *testing.T, cfg v1.Config, fill func(file func(name string, mode int64, body []byte), link func(name, to string))) *layers.Tree {
	t.Helper()
	var entries []testimage.Entry
	file := func(name string, mode int64, body []byte) {
		entries = append(entries, testimage.Entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, Body: body})
	}
	link := func(name, to string) {
		entries = append(entries, testimage.Entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}})
	}
	fill(file, link)
	l, err := testimage.Layer(entries, "none")
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: cfg}, l)
	if err != nil {
		t.Fatal(err)
	}
	return openImage(t, img)
}

// scaled selects and plans within a time that only linear work keeps to: each
// case takes minutes with the square.
func scaled(t *testing.T, tree *layers.Tree, p *profile.Profile, o Options, limit time.Duration) *Plan {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	plan := planned(t, tree, p, o)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	t.Logf("%d entries, %d accesses, %d kept: %v, %d MB allocated, %d MB held", tree.Len(), len(p.Accesses), len(plan.Entries), took, (after.TotalAlloc-before.TotalAlloc)>>20, (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20)
	if took > limit {
		t.Errorf("it took %v, want at most %v", took, limit)
	}
	return plan
}

func openedMany(n int, name func(i int) string) *profile.Profile {
	p := &profile.Profile{}
	for i := range n {
		p.Accesses = append(p.Accesses, profile.Access{Path: name(i), Exists: true, Kinds: []profile.Kind{profile.Open}, FirstMS: int64(i)})
	}
	return joined(p)
}

func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("large inputs")
	}
	const limit = time.Minute
	t.Run("200,000 entries, 50,000 accesses by a linked directory", func(t *testing.T) {
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			link("lib", "usr/lib")
			for i := range 200_000 {
				file(fmt.Sprintf("usr/lib/d%d/f%d", i%500, i), 0o644, nil)
			}
		})
		scaled(t, tree, openedMany(50_000, func(i int) string { return fmt.Sprintf("/lib/d%d/f%d", i%500, i) }), Options{}, limit)
	})
	t.Run("1,000,000 accesses", func(t *testing.T) {
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			for i := range 10_000 {
				file(fmt.Sprintf("srv/d%d/f%d", i%50, i), 0o644, nil)
			}
		})
		scaled(t, tree, openedMany(1_000_000, func(i int) string { return fmt.Sprintf("/srv/d%d/f%d", i%50, i) }), Options{}, limit)
	})
	t.Run("100,000 scripts of one shell", func(t *testing.T) {
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			file("bin/sh", 0o755, nil)
			for i := range 100_000 {
				file(fmt.Sprintf("srv/d%d/f%d", i%500, i), 0o755, []byte("#!/bin/sh\n"))
			}
		})
		scaled(t, tree, opened("/bin/sh"), Options{Keep: []string{"/srv"}}, limit)
	})
	t.Run("20,000 libraries in one directory", func(t *testing.T) {
		lib := testelf.File{Class: 2, Machine: 62, Type: 3, Needed: []string{"libc.so.6"}}.Bytes()
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			file("usr/lib/libc.so.6", 0o755, testelf.File{Class: 2, Machine: 62, Type: 3}.Bytes())
			for i := range 20_000 {
				file(fmt.Sprintf("opt/plugins/lib%d.so", i), 0o755, lib)
			}
		})
		scaled(t, tree, opened("/usr/lib/libc.so.6"), Options{Keep: []string{"/opt"}}, limit)
	})
	t.Run("20,000 files made in a directory that the user cannot have", func(t *testing.T) {
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			for i := range 20_000 {
				file(fmt.Sprintf("var/lib/app/f%d", i), 0o644, nil)
			}
			file("var/lib/app/z.py", 0o644, nil)
		})
		p := &profile.Profile{}
		for i := range 20_000 {
			p.Accesses = append(p.Accesses,
				profile.Access{Path: fmt.Sprintf("/var/lib/app/f%d", i), Exists: true, Kinds: []profile.Kind{profile.Write}},
				profile.Access{Path: fmt.Sprintf("/var/lib/app/new%d", i), Exists: true, Kinds: []profile.Kind{profile.Create}})
		}
		plan := scaled(t, tree, joined(p, opened("/var/lib/app/z.py")), Options{}, limit)
		if n := len(plan.Findings); n != 1 {
			t.Errorf("%d findings for one directory", n)
		}
	})
	t.Run("20,000 packages, each keeps the next by its licence", func(t *testing.T) {
		var status strings.Builder
		const n = 20_000
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			for i := range n {
				fmt.Fprintf(&status, "Package: p%d\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n", i)
				file(fmt.Sprintf("usr/share/doc/p%d/copyright", i), 0o755, fmt.Appendf(nil, "#!/usr/bin/p%d\n", i+1))
				file(fmt.Sprintf("usr/bin/p%d", i), 0o755, nil)
				file(fmt.Sprintf("var/lib/dpkg/info/p%d.list", i), 0o644, fmt.Appendf(nil, "/usr/bin/p%d\n/usr/share/doc/p%d/copyright\n", i, i))
			}
			file("var/lib/dpkg/status", 0o644, []byte(status.String()))
		})
		plan := scaled(t, tree, opened("/usr/bin/p0"), Options{}, limit)
		if got := len(plan.Packages); got != n {
			t.Errorf("%d packages kept, want %d", got, n)
		}
	})
	t.Run("20,000 packages, whole", func(t *testing.T) {
		var status strings.Builder
		const n = 20_000
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			for i := range n {
				fmt.Fprintf(&status, "Package: p%d\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n", i)
				file(fmt.Sprintf("usr/bin/p%d", i), 0o755, nil)
				file(fmt.Sprintf("var/lib/dpkg/info/p%d.list", i), 0o644, fmt.Appendf(nil, "/usr/bin/p%d\n", i))
			}
			file("var/lib/dpkg/status", 0o644, []byte(status.String()))
		})
		scaled(t, tree, openedMany(n, func(i int) string { return fmt.Sprintf("/usr/bin/p%d", i) }), Options{Granularity: GranularityPackage}, limit)
	})
	t.Run("200,000 entries, 300 patterns that match nothing", func(t *testing.T) {
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			for i := range 200_000 {
				file(fmt.Sprintf("srv/a/b/d%d/f%d", i%500, i), 0o644, nil)
			}
		})
		var o Options
		for i := range 300 {
			o.Drop = append(o.Drop, fmt.Sprintf("**/none%d/*.x", i))
		}
		scaled(t, tree, openedMany(1000, func(i int) string { return fmt.Sprintf("/srv/a/b/d%d/f%d", i%500, i) }), o, limit)
	})
	t.Run("libraries that hand on their directories in every order", func(t *testing.T) {
		const n = 40
		var needed []string
		for i := range n {
			needed = append(needed, fmt.Sprintf("lib%d.so", i))
		}
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			for i := range n {
				file(fmt.Sprintf("opt/d%d/lib%d.so", i, i), 0o755, testelf.File{Class: 2, Machine: 62, Type: 3, Needed: needed, RPath: strings.Join(all(n, "/opt/d%d"), ":") + fmt.Sprintf(":/own/%d", i)}.Bytes())
			}
		})
		scaled(t, tree, opened("/opt/d0/lib0.so"), Options{Granularity: GranularityFile}, limit)
	})
	t.Run("more look-ups of libraries than anybody needs", func(t *testing.T) {
		needed, dirs := all(4000, "lib%d.so"), all(4000, "/d%d")
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			for i := range 10 {
				file(fmt.Sprintf("opt/f%d", i), 0o755, testelf.File{Class: 2, Machine: 62, Type: 3, Needed: needed, RPath: strings.Join(dirs, ":")}.Bytes())
			}
		})
		start := time.Now()
		_, err := Select(t.Context(), tree, opened(all(10, "/opt/f%d")...), Options{})
		if took := time.Since(start); !errors.Is(err, layers.ErrLimit) || took > limit {
			t.Errorf("after %v: %v", took, err)
		}
	})
	t.Run("a passwd of many users", func(t *testing.T) {
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			var b strings.Builder
			for i := range 150_000 {
				fmt.Fprintf(&b, "u:x:%d:1:::\n", nobodyElse+i)
			}
			file("etc/passwd", 0o644, []byte(b.String()))
			file("t", 0o644, nil)
		})
		if plan := scaled(t, tree, opened("/t"), Options{}, limit); plan.User.UID != nobodyElse+150_000 {
			t.Errorf("user %+v", plan.User)
		}
	})
	t.Run("100,000 names of one file, which is given away", func(t *testing.T) {
		entries := []testimage.Entry{{Header: tar.Header{Typeflag: tar.TypeReg, Name: "var/lib/app/f", Mode: 0o644}}}
		for i := range 100_000 {
			entries = append(entries, testimage.Entry{Header: tar.Header{Typeflag: tar.TypeLink, Name: fmt.Sprintf("var/lib/app/d%d/l%d", i%500, i), Linkname: "var/lib/app/f"}})
		}
		l, err := testimage.Layer(entries, "none")
		if err != nil {
			t.Fatal(err)
		}
		img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, l)
		if err != nil {
			t.Fatal(err)
		}
		p := &profile.Profile{}
		for i := range 20_000 {
			p.Accesses = append(p.Accesses, profile.Access{Path: fmt.Sprintf("/var/lib/app/d%d/l%d", i%500, i), Exists: true, Kinds: []profile.Kind{profile.Write}})
		}
		tree := openImage(t, img)
		scaled(t, tree, joined(p), Options{}, limit)
		scaled(t, tree, joined(p), Options{Keep: []string{"/var"}, Own: []string{"/var"}}, limit)
	})
	t.Run("100,000 links to one application file", func(t *testing.T) {
		tree := manyFiles(t, v1.Config{}, func(file func(string, int64, []byte), link func(string, string)) {
			file("app/main", 0o755, nil)
			for i := range 100_000 {
				link(fmt.Sprintf("app/d%d/l%d", i%500, i), "/app/main")
			}
		})
		scaled(t, tree, opened("/app/main"), Options{}, limit)
	})
}

func all(n int, format string) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}
