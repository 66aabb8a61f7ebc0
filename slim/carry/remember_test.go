package carry

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/profile"
)

func open(t *testing.T, archive string) (*layers.Tree, *pkgdb.DB) {
	t.Helper()
	tree, err := layers.Open(t.Context(), testimage.New(t, archive), layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	db, err := pkgdb.Read(tree)
	if err != nil {
		t.Fatal(err)
	}
	return tree, db
}

func union(t *testing.T, ps ...*profile.Profile) *profile.Profile {
	t.Helper()
	u, err := profile.Union(ps...)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

const rememberImage = `
-- layer --
symlink lib -> usr/lib
file usr/lib/x86_64-linux-gnu/libssl.so.3 "ssl"
symlink usr/lib/x86_64-linux-gnu/libz.so.1 -> libz.so.1.2
file usr/lib/x86_64-linux-gnu/libz.so.1.2 "z"
file app/main.py "main"
file app/late.py "late"
file "app/\xff" "no text"
file app/__pycache__/main.cpython-311.pyc "pyc"
file var/lib/dpkg/status @status
file var/lib/dpkg/info/libssl3:amd64.list "/usr/lib/x86_64-linux-gnu\n/lib/x86_64-linux-gnu/libssl.so.3\n"
file var/lib/dpkg/info/zlib1g.list "/usr/lib/x86_64-linux-gnu/libz.so.1\n/usr/lib/x86_64-linux-gnu/libz.so.1.2\n"
-- content status --
Package: libssl3
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: openssl
Version: 3.0.11-1

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.2.13
`

func TestRemember(t *testing.T) {
	tree, db := open(t, rememberImage)
	access := func(path string, exists bool, kinds ...profile.Kind) profile.Access {
		return profile.Access{Path: path, Exists: exists, Kinds: kinds}
	}
	got, err := Remember(union(t, &profile.Profile{Accesses: []profile.Access{
		access("/lib/x86_64-linux-gnu/libssl.so.3", true, profile.Open),
		access("/usr/lib/x86_64-linux-gnu/libz.so.1", true, profile.Stat),
		access("/lib", true, profile.Readlink),
		access("/app/main.py", true, profile.Open),
		access("/app/__pycache__/main.cpython-311.pyc", true, profile.Open),
		access("/app/none.py", false, profile.Open),
		access("/run/app.pid", true, profile.Create, profile.Open),
		access("/proc/self/maps", true, profile.Open),
	}}), tree, db)
	if err != nil {
		t.Fatal(err)
	}
	origins := map[string]string{}
	for _, a := range got.Accesses {
		origins[a.Path] = a.Package + string(a.Origin)
	}
	want := map[string]string{
		"/lib/x86_64-linux-gnu/libssl.so.3": "libssl3:amd64", "/usr/lib/x86_64-linux-gnu/libz.so.1": "zlib1g:amd64",
		"/lib": "image", "/app/main.py": "image", "/app/__pycache__/main.cpython-311.pyc": "image",
		"/app/none.py": "", "/run/app.pid": "run", "/proc/self/maps": "",
	}
	if d := cmp.Diff(want, origins); d != "" {
		t.Errorf("origins (-want +got):\n%s", d)
	}
	packages := []profile.Package{
		{Name: "libssl3", Arch: "amd64", Version: "3.0.11-1", Source: "openssl"}, {Name: "zlib1g", Arch: "amd64", Version: "1:1.2.13"},
	}
	if d := cmp.Diff(packages, got.Packages); d != "" {
		t.Errorf("packages (-want +got):\n%s", d)
	}
	dirs := []profile.Directory{
		{Path: "/app", Names: []string{"late.py", "main.py"}},
		{Path: "/usr/lib/x86_64-linux-gnu", Names: []string{"libssl.so.3", "libz.so.1", "libz.so.1.2"}},
	}
	if d := cmp.Diff(dirs, got.Directories); d != "" {
		t.Errorf("directories (-want +got):\n%s", d)
	}
	twice, err := Remember(got, tree, db)
	if d := cmp.Diff(got, twice); d != "" || err != nil {
		t.Errorf("remembered twice: %v (-once +twice):\n%s", err, d)
	}
}
