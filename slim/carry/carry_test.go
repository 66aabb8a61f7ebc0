package carry

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testelf"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// pkg is a Debian package of a made-up image: "name version source", of amd64
// or what follows behind a colon, and the lines of its files.
type pkg struct {
	id    string
	lines string
}

// library is the line of a shared library.
func library(name, soname string, machine uint16) string {
	f := testelf.File{Class: 2, Machine: machine, Type: 3, Soname: soname}
	return "file " + name + " 0644 0:0 " + strconv.Quote(string(f.Bytes())) + "\n"
}

const (
	x86 = 62
	arm = 183
)

// image is a Debian system with usr-merge, of these packages and files.
func image(files string, packages ...pkg) string {
	var b, status strings.Builder
	b.WriteString("\n-- layer --\nsymlink lib -> usr/lib\nsymlink bin -> usr/bin\nfile var/lib/dpkg/arch\n" + files)
	for _, p := range packages {
		words := strings.Fields(p.id)
		name, arch, ok := strings.Cut(words[0], ":")
		if !ok {
			arch = "amd64"
		}
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nArchitecture: %s\nSource: %s\nVersion: %s\n\n", name, arch, words[2], words[1])
		b.WriteString(p.lines)
		var list strings.Builder
		for line := range strings.Lines(p.lines) {
			list.WriteString("/" + strings.Fields(line)[1] + "\n")
		}
		fmt.Fprintf(&b, "file var/lib/dpkg/info/%s.list %q\n", name, list.String())
	}
	if len(packages) > 0 {
		fmt.Fprintf(&b, "file var/lib/dpkg/status %q\n", status.String())
	}
	return b.String()
}

// carryCase says what becomes of paths: lines of a derivation, as shown does.
type carryCase struct {
	name     string
	to       string // platform; "" is linux/amd64
	old, new string
	paths    string // that existed and were opened, "path" or "path=resolved"
	missing  string // that did not exist
	made     string // that the workload made
	forget   bool   // the profile knows nothing of its image
	want     string
}

func TestCarry(t *testing.T) {
	lib := "usr/lib/x86_64-linux-gnu/"
	for _, c := range []carryCase{
		{
			name:  "nothing has changed",
			old:   image("file app/main.py\n", pkg{"dash 1 dash", "file usr/bin/sh\n"}),
			new:   image("file app/main.py\nfile app/x\n", pkg{"dash 1 dash", "file usr/bin/sh\n"}),
			paths: "/app/main.py /bin/sh=/usr/bin/sh",
			want: `
				/app/main.py
				/bin/sh = /usr/bin/sh
				added /app/x
			`,
		},
		{
			name:  "a package of another version, by links and with its very files",
			old:   image("", pkg{"mawk 1.3 mawk", "file usr/bin/mawk\nsymlink usr/bin/awk -> mawk\n"}, pkg{"mime 9 mime", "file etc/mime.types\n"}),
			new:   image("", pkg{"mawk 1.4 mawk", "file usr/bin/mawk\nsymlink usr/bin/awk -> mawk\n"}, pkg{"mime 10 mime", "file etc/mime.types\n"}),
			paths: "/bin/awk=/usr/bin/mawk /etc/mime.types /usr/bin",
			want: `
				/bin/awk = /usr/bin/mawk
				/etc/mime.types
				/usr/bin
				changed mawk 1.3 -> mawk 1.4
				changed mime 9 -> mime 10
			`,
		},
		{
			name:  "the file behind a link has another version",
			old:   image("", pkg{"libexpat1 2.5 expat", library(lib+"libexpat.so.1.8", "libexpat.so.1", x86) + "symlink " + lib + "libexpat.so.1 -> libexpat.so.1.8\n"}),
			new:   image("", pkg{"libexpat1 2.6 expat", library(lib+"libexpat.so.1.9", "libexpat.so.1", x86) + "symlink " + lib + "libexpat.so.1 -> libexpat.so.1.9\n"}),
			paths: "/lib/x86_64-linux-gnu/libexpat.so.1=/usr/lib/x86_64-linux-gnu/libexpat.so.1.8 /usr/lib/x86_64-linux-gnu/libexpat.so.1.8",
			want: `
				/lib/x86_64-linux-gnu/libexpat.so.1 = /usr/lib/x86_64-linux-gnu/libexpat.so.1.9
				/usr/lib/x86_64-linux-gnu/libexpat.so.1.9
				mapped /usr/lib/x86_64-linux-gnu/libexpat.so.1.8 -> /usr/lib/x86_64-linux-gnu/libexpat.so.1.9 link
				changed libexpat1 2.5 -> libexpat1 2.6
			`,
		},
		{
			name: "a package renamed by its soname",
			old: image("", pkg{"libicu72 72.1 icu", library(lib+"libicudata.so.72.1", "libicudata.so.72", x86) + "symlink " + lib + "libicudata.so.72 -> libicudata.so.72.1\n" +
				library(lib+"libicuuc.so.72.1", "libicuuc.so.72", x86)}),
			new: image("", pkg{"libicu76 76.1 icu", library(lib+"libicudata.so.76.1", "libicudata.so.76", x86) + "symlink " + lib + "libicudata.so.76 -> libicudata.so.76.1\n" +
				library(lib+"libicuuc.so.76.1", "libicuuc.so.76", x86)}),
			paths: "/lib/x86_64-linux-gnu/libicudata.so.72 /usr/lib/x86_64-linux-gnu/libicudata.so.72.1",
			want: `
				/lib/x86_64-linux-gnu/libicudata.so.76
				/usr/lib/x86_64-linux-gnu/libicudata.so.76.1
				mapped /lib/x86_64-linux-gnu/libicudata.so.72 -> /lib/x86_64-linux-gnu/libicudata.so.76 version
				mapped /usr/lib/x86_64-linux-gnu/libicudata.so.72.1 -> /usr/lib/x86_64-linux-gnu/libicudata.so.76.1 version
				changed libicu72 72.1 -> libicu76 76.1
				added /usr/lib/x86_64-linux-gnu/libicuuc.so.76.1
			`,
		},
		{
			name:  "a library without its link, and one with the version before .so",
			old:   image("", pkg{"libdb5.3 5.3 db5.3", library(lib+"libdb-5.3.so", "libdb-5.3.so", x86)}, pkg{"liby1 1 y", "symlink " + lib + "liby.so.1 -> liby.so.1.0\n" + library(lib+"liby.so.1.0", "liby.so.1", x86)}),
			new:   image("", pkg{"libdb6.0 6.0 db6.0", library(lib+"libdb-6.0.so", "libdb-6.0.so", x86)}, pkg{"liby1 1 y", library("usr/lib/y/real.so", "liby.so.1", x86)}),
			paths: "/lib/x86_64-linux-gnu/libdb-5.3.so /lib/x86_64-linux-gnu/liby.so.1",
			want: `
				/lib/x86_64-linux-gnu/libdb-6.0.so
				/usr/lib/y/real.so
				mapped /lib/x86_64-linux-gnu/libdb-5.3.so -> /lib/x86_64-linux-gnu/libdb-6.0.so version
				mapped /lib/x86_64-linux-gnu/liby.so.1 -> /usr/lib/y/real.so soname
				changed libdb5.3 5.3 -> libdb6.0 6.0
			`,
		},
		{
			name: "a directory with the version, as the package's successor says",
			old: image("", pkg{"libpython3.11-stdlib 3.11.2 python3.11", "file usr/lib/python3.11/os.py\nfile usr/lib/python3.11/asyncore.py\n"},
				pkg{"ruby 1 ruby", "file usr/lib/ruby3.1/set.rb\n"}),
			new: image("", pkg{"libpython3.12-stdlib 3.12.1 python3.12", "file usr/lib/python3.12/os.py\n"},
				pkg{"other 1 other", "file usr/lib/ruby3.3/set.rb\n"}),
			paths: "/usr/lib/python3.11/os.py /usr/lib/python3.11/asyncore.py /usr/lib/python3.11 /usr/lib/ruby3.1/set.rb",
			want: `
				/usr/lib/python3.11/asyncore.py
				/usr/lib/python3.12
				/usr/lib/python3.12/os.py
				/usr/lib/ruby3.1/set.rb
				mapped /usr/lib/python3.11 -> /usr/lib/python3.12 version
				mapped /usr/lib/python3.11/os.py -> /usr/lib/python3.12/os.py version
				gone /usr/lib/python3.11/asyncore.py: its package libpython3.12-stdlib 3.12.1 has nothing like it
				gone /usr/lib/ruby3.1/set.rb: the image has neither its package ruby nor a successor of that
				changed libpython3.11-stdlib 3.11.2 -> libpython3.12-stdlib 3.12.1
				changed ruby 1 -> nothing
			`,
		},
		{
			name:  "numbers that are names, and names that were there",
			old:   image("", pkg{"p 1 p", "file usr/lib/p/_sha256.so\nfile usr/lib/p/_sha512.so\nfile usr/lib/p/page-1.txt\nfile usr/lib/p/page-2.txt\n"}),
			new:   image("", pkg{"p 2 p", "file usr/lib/p/_sha512.so\nfile usr/lib/p/page-2.txt\n"}),
			paths: "/usr/lib/p/_sha256.so /usr/lib/p/page-1.txt",
			want: `
				/usr/lib/p/_sha256.so
				/usr/lib/p/page-1.txt
				gone /usr/lib/p/_sha256.so: its package p 2 has nothing like it
				gone /usr/lib/p/page-1.txt: its package p 2 has nothing like it
				changed p 1 -> p 2
			`,
		},
		{
			name: "a name that many files of the package have tells nothing",
			old: image("", pkg{"python3-foo 1 foo", "file usr/lib/python3/dist-packages/foo/__init__.py\nfile usr/lib/python3/dist-packages/foo/compat/__init__.py\n" +
				"file usr/lib/python3/dist-packages/foo/extra/__init__.py\nfile usr/share/foo/table\n"}),
			new: image("", pkg{"python3-foo 2 foo", "file usr/lib/python3/dist-packages/foo/__init__.py\n" +
				"file usr/lib/python3/dist-packages/foo/extra/__init__.py\nfile usr/share/foo/data/table\n"}),
			paths: "/usr/lib/python3/dist-packages/foo/__init__.py /usr/lib/python3/dist-packages/foo/compat/__init__.py /usr/share/foo/table",
			want: `
				/usr/lib/python3/dist-packages/foo/__init__.py
				/usr/lib/python3/dist-packages/foo/compat/__init__.py
				/usr/share/foo/data/table
				mapped /usr/share/foo/table -> /usr/share/foo/data/table moved
				gone /usr/lib/python3/dist-packages/foo/compat/__init__.py: its package python3-foo 2 has nothing like it
				changed python3-foo 1 -> python3-foo 2
			`,
		},
		{
			name:  "several that it may be",
			old:   image("", pkg{"p 1 p", "file usr/share/p/data-1.bin\n"}),
			new:   image("", pkg{"p 2 p", "file usr/share/p/data-2.bin\nfile usr/share/p/data-3.bin\n"}),
			paths: "/usr/share/p/data-1.bin",
			want: `
				/usr/share/p/data-1.bin
				gone /usr/share/p/data-1.bin: which takes its place cannot be told: /usr/share/p/data-2.bin, /usr/share/p/data-3.bin
				changed p 1 -> p 2
				added /usr/share/p/data-2.bin
				added /usr/share/p/data-3.bin
			`,
		},
		{
			name:  "what compilers take for a library is none",
			old:   image("", pkg{"libc6 1 c", "file usr/lib/libc.so.6\n"}),
			new:   image("", pkg{"libc6 2 c", ""}, pkg{"libc6-dev 2 c", "file usr/lib/libc.so\n"}),
			paths: "/usr/lib/libc.so.6",
			want: `
				/usr/lib/libc.so.6
				gone /usr/lib/libc.so.6: its package libc6 2 has nothing like it
				changed libc6 1 -> libc6 2
				added /usr/lib/libc.so
			`,
		},
		{
			name:  "what the workload made is not looked for",
			old:   image("file srv/run/data-0.db\n"),
			new:   image("file srv/run/data-2.db\n"),
			paths: "/srv/run/data-0.db", made: "/srv/run/data-1.db",
			want: `
				/srv/run/data-1.db
				/srv/run/data-2.db
				mapped /srv/run/data-0.db -> /srv/run/data-2.db version
			`,
		},
		{
			name:  "a file that its package has elsewhere",
			old:   image("", pkg{"p 1 p", "file usr/share/p/magic\n"}),
			new:   image("", pkg{"p 2 p", "file usr/lib/p/magic\n"}),
			paths: "/usr/share/p/magic",
			want: `
				/usr/lib/p/magic
				mapped /usr/share/p/magic -> /usr/lib/p/magic moved
				changed p 1 -> p 2
			`,
		},
		{
			name:    "what was not there, what the workload made, what the kernel has",
			old:     image("file app/main.py\nfile app/__pycache__/main.cpython-311.pyc\nfile etc/ld.so.cache\n"),
			new:     image("file app/main.py\nfile etc/app.conf\n"),
			paths:   "/app/main.py /app/__pycache__/main.cpython-311.pyc /etc/ld.so.cache /proc/self/maps /sys/x",
			missing: "/etc/app.conf /etc/none",
			made:    "/run/app.pid",
			want: `
				/app/__pycache__/main.cpython-311.pyc
				/app/main.py
				/etc/app.conf
				/etc/ld.so.cache
				/proc/self/maps
				/run/app.pid
				/sys/x
				missing /etc/none
				appeared /etc/app.conf
			`,
		},
		{
			name:  "libraries for some processors",
			old:   image("", pkg{"libx1 1 x", library(lib+"glibc-hwcaps/x86-64-v3/libx.so.1.2", "libx.so.1", x86) + library(lib+"libx.so.1.2", "libx.so.1", x86) + library(lib+"glibc-hwcaps/x86-64-v3/liby.so.1", "liby.so.1", x86)}),
			new:   image("", pkg{"libx1 2 x", library(lib+"libx.so.1.3", "libx.so.1", x86)}),
			paths: "/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libx.so.1.2 /lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/liby.so.1",
			want: `
				/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/liby.so.1
				/lib/x86_64-linux-gnu/libx.so.1.3
				mapped /lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libx.so.1.2 -> /lib/x86_64-linux-gnu/libx.so.1.3 cpu-level
				changed libx1 1 -> libx1 2
			`,
		},
		{
			name: "another architecture", to: "linux/arm64",
			old: image("symlink lib64 -> usr/lib64\nfile srv/n/prebuilds/linux-x64/m.node\n",
				pkg{"libc6 2.36 glibc", library(lib+"ld-linux-x86-64.so.2", "ld-linux-x86-64.so.2", x86) + "symlink usr/lib64/ld-linux-x86-64.so.2 -> ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n" + library(lib+"libc.so.6", "libc.so.6", x86)},
				pkg{"libpython3-stdlib 3 py", library("usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so", "", x86)},
				pkg{"jre 17 jdk", "file usr/lib/jvm/java-17-openjdk-amd64/lib/modules\n"}),
			new: image("file srv/n/prebuilds/linux-arm64/m.node\n",
				pkg{"libc6:arm64 2.36 glibc", library("usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1", "ld-linux-aarch64.so.1", arm) + "symlink usr/lib/ld-linux-aarch64.so.1 -> aarch64-linux-gnu/ld-linux-aarch64.so.1\n" + library("usr/lib/aarch64-linux-gnu/libc.so.6", "libc.so.6", arm)},
				pkg{"libpython3-stdlib:arm64 3 py", library("usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311-aarch64-linux-gnu.so", "", arm)},
				pkg{"jre:arm64 17 jdk", "file usr/lib/jvm/java-17-openjdk-arm64/lib/modules\n"}),
			paths: `/lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6=/usr/lib/x86_64-linux-gnu/libc.so.6
				/usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so /usr/lib/jvm/java-17-openjdk-amd64/lib/modules /srv/n/prebuilds/linux-x64/m.node`,
			missing: "/usr/local/lib/x86_64-linux-gnu/libc.so.6",
			want: `
				/lib/aarch64-linux-gnu/libc.so.6 = /usr/lib/aarch64-linux-gnu/libc.so.6
				/lib/ld-linux-aarch64.so.1
				/srv/n/prebuilds/linux-arm64/m.node
				/usr/lib/jvm/java-17-openjdk-arm64/lib/modules
				/usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311-aarch64-linux-gnu.so
				missing /usr/local/lib/x86_64-linux-gnu/libc.so.6
				mapped /lib/x86_64-linux-gnu/libc.so.6 -> /lib/aarch64-linux-gnu/libc.so.6 platform
				mapped /lib64/ld-linux-x86-64.so.2 -> /lib/ld-linux-aarch64.so.1 platform
				mapped /srv/n/prebuilds/linux-x64/m.node -> /srv/n/prebuilds/linux-arm64/m.node platform
				mapped /usr/lib/jvm/java-17-openjdk-amd64/lib/modules -> /usr/lib/jvm/java-17-openjdk-arm64/lib/modules platform
				mapped /usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so -> /usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311-aarch64-linux-gnu.so platform
			`,
		},
		{
			name: "a profile that knows nothing of its image", forget: true,
			old:   image("file app/old.py\n", pkg{"libx1 1 x", library(lib+"libx.so.1.2", "libx.so.1", x86)}),
			new:   image("", pkg{"libx1 2 x", library(lib+"libx.so.1.3", "libx.so.1", x86)}),
			paths: "/app/old.py /usr/lib/x86_64-linux-gnu/libx.so.1.2", made: "/run/app.pid",
			want: `
				/app/old.py
				/run/app.pid
				/usr/lib/x86_64-linux-gnu/libx.so.1.3
				mapped /usr/lib/x86_64-linux-gnu/libx.so.1.2 -> /usr/lib/x86_64-linux-gnu/libx.so.1.3 version
				gone /app/old.py: the image has nothing like it
			`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.profile(t)
			tree, db := open(t, c.new)
			to := Target{Image: profile.Image{Config: "sha256:new", Platform: "linux/amd64"}, Tree: tree, Packages: db}
			if c.to != "" {
				to.Image.Platform = c.to
			}
			got, err := Carry(t.Context(), p, to)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(trimmed(c.want), shown(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if got.Image != to.Image || len(got.Derived) != 1 || got.Derived[0].From != p.Image || len(got.Unverified()) != 1 {
				t.Errorf("it is of %+v, derived from %+v", got.Image, got.Derived)
			}
			again, err := Carry(t.Context(), p, to)
			if d := cmp.Diff(got, again); d != "" || err != nil {
				t.Errorf("not the same twice: %v\n%s", err, d)
			}
			if same, err := Carry(t.Context(), got, to); err != nil || same != got {
				t.Errorf("carried to where it is: %v", err)
			}
		})
	}
}

func (c *carryCase) profile(t *testing.T) *profile.Profile {
	t.Helper()
	p := &profile.Profile{Image: profile.Image{Config: "sha256:old", Platform: "linux/amd64"}}
	add := func(list string, exists bool, kinds ...profile.Kind) {
		for path := range strings.FieldsSeq(list) {
			path, resolved, _ := strings.Cut(path, "=")
			p.Accesses = append(p.Accesses, profile.Access{Path: path, Resolved: resolved, Exists: exists, Kinds: kinds})
		}
	}
	add(c.paths, true, profile.Open)
	add(c.missing, false, profile.Open)
	add(c.made, true, profile.Create, profile.Open)
	p = union(t, p)
	tree, db := open(t, c.old)
	if !c.forget {
		var err error
		if p, err = Remember(p, tree, db); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// shown are a profile's accesses and what its derivation says, a line each.
func shown(p *profile.Profile) []string {
	var out, missing []string
	for _, a := range p.Accesses {
		switch {
		case !a.Exists:
			missing = append(missing, "missing "+a.Path)
		case a.Resolved != "" && a.Resolved != a.Path:
			out = append(out, a.Path+" = "+a.Resolved)
		default:
			out = append(out, a.Path)
		}
	}
	out = append(out, missing...)
	d := p.Derived[0]
	for _, m := range d.Mapped {
		out = append(out, "mapped "+m.Path+" -> "+m.To+" "+m.How)
	}
	for _, g := range d.Gone {
		out = append(out, "gone "+g.Path+": "+g.Text)
	}
	for _, ch := range d.Changed {
		out = append(out, strings.TrimSpace("changed "+ch.Name+" "+ch.Version+" -> "+ch.To+" "+ch.ToVersion))
		if ch.To == "" {
			out[len(out)-1] += " nothing"
		}
	}
	for _, a := range d.Appeared {
		out = append(out, "appeared "+a)
	}
	for _, a := range d.Added {
		out = append(out, "added "+a)
	}
	return out
}

func trimmed(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// A hostile image makes every name the version of another, and links lead
// through links: the search ends with an error and does not go on for hours.
func TestCarryBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("as much work as is allowed")
	}
	var files strings.Builder
	for i := range 300 {
		fmt.Fprintf(&files, "file a/%d/%d/x-%d\n", i%20, i, i)
	}
	tree, db := open(t, image(files.String()))
	p := &profile.Profile{}
	for i := range 100_000 {
		p.Accesses = append(p.Accesses, profile.Access{Path: fmt.Sprintf("/a/9000/9000/x-9%d.9", i), Exists: true, Kinds: []profile.Kind{profile.Open}})
	}
	_, err := Carry(t.Context(), union(t, p), Target{Tree: tree, Packages: db})
	if !errors.Is(err, layers.ErrLimit) {
		t.Errorf("got %v, want ErrLimit", err)
	}
}

// Programs that verify starts again go by their new names.
func TestCarrySessions(t *testing.T) {
	tree, db := open(t, image("", pkg{"python3.12 3.12 python3.12", "file usr/bin/python3.12\n"}))
	p := union(t, &profile.Profile{
		Sessions: []profile.Session{{ID: "s", Argv: []string{"/usr/bin/python3.11", "/app"}, Probes: []profile.Probe{{Kind: profile.ProbeExec, Argv: []string{"/usr/bin/python3.11"}}}}},
		Accesses: []profile.Access{{Path: "/usr/bin/python3.11", Exists: true, Kinds: []profile.Kind{profile.Exec}, By: []string{"/usr/bin/python3.11"}}},
	})
	got, err := Carry(t.Context(), p, Target{Tree: tree, Packages: db})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/usr/bin/python3.12", "/app", "/usr/bin/python3.12", "/usr/bin/python3.12"}
	if d := cmp.Diff(want, slices.Concat(got.Sessions[0].Argv, got.Sessions[0].Probes[0].Argv, got.Accesses[0].By)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if p.Sessions[0].Argv[0] != "/usr/bin/python3.11" || p.Accesses[0].By[0] != "/usr/bin/python3.11" {
		t.Error("the profile that was given has changed")
	}
}

func TestStem(t *testing.T) {
	for name, want := range map[string]string{
		"libicudata.so.72.1": "libicudata.so 2", "libdb-5.3.so": "libdb-#.so 2", "libfoo.so": "libfoo.so 0", "python3.11": "python# 2", "python3": "python3 0",
		"flask-2.2.2.dist-info": "flask-#.dist-info 3", "x-1.0rc1+dfsg.egg-info": "x-#.egg-info 2", "5.36.0": "# 3", "sha256": "sha256 0", "utf8.py": "utf8.py 0",
		"java-17-openjdk-amd64": "java-#-openjdk-amd64 1", "app.3f2a1b.js": "app.3f2a1b.js 0", "libpython3.11.so.1.0": "libpython#.so 4", "libc.so.6.": "libc.so.#. 1",
	} {
		s, parts := stem(name)
		if got := s + " " + strconv.Itoa(parts); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestPackageStem(t *testing.T) {
	for name, want := range map[string]string{
		"libicu72": "libicu", "libpng16-16t64": "libpng", "libssl3t64": "libssl", "libssl3": "libssl", "python3.11-minimal": "python-minimal", "postgresql-15": "postgresql", "t64": "t", "dash": "dash",
	} {
		if got := packageStem(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestTranslation(t *testing.T) {
	x, a := "linux/amd64", "linux/arm64"
	for _, c := range []struct{ from, to, name, first string }{
		{x, a, "x86_64-linux-gnu", "aarch64-linux-gnu"},
		{a, x, "aarch64-linux-gnu", "x86_64-linux-gnu"},
		{x, a, "_ssl.cpython-311-x86_64-linux-gnu.so", "_ssl.cpython-311-aarch64-linux-gnu.so"},
		{x, a, "libx.cpython-311-x86_64-linux-musl.so", "libx.cpython-311-aarch64-linux-musl.so"},
		{x, "linux/arm/v7", "x86_64-linux-gnu", "arm-linux-gnueabihf"},
		{"linux/arm/v7", a, "arm-linux-gnueabihf", "aarch64-linux-gnu"},
		{x, a, "ld-musl-x86_64.so.1", "ld-musl-aarch64.so.1"},
		{x, a, "sharp-linux-x64.node", "sharp-linux-arm64.node"},
		{x, a, "java-17-openjdk-amd64", "java-17-openjdk-arm64"},
		{x, a, "lib64", "lib"},
		{x, a, "max64x86_64y", ""},
		{x, a, "sha512.so", ""},
		{x, x, "x86_64-linux-gnu", ""},
		{"", a, "x86_64-linux-gnu", ""},
		{x, "windows/amd64", "x86_64-linux-gnu", ""},
	} {
		names := slices.Concat(newTranslation(c.from, c.to).names(c.name), []string{""})
		if names[0] != c.first {
			t.Errorf("%s from %s to %s: %q, want %q first", c.name, c.from, c.to, names, c.first)
		}
	}
}
