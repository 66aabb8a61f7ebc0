package pkgdb

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
)

// alpine is written from apk-tools' doc/apk_db(5) and what scanners' fixtures
// of Alpine 3.19 look like; sums are shortened.
const alpine = `
-- layer --
dir bin
file bin/busybox 0755 "b"
symlink bin/sh -> /bin/busybox
dir lib
file lib/ld-musl-x86_64.so.1 0755 "m"
symlink lib/libc.musl-x86_64.so.1 -> ld-musl-x86_64.so.1
dir etc
dir etc/ssl
file etc/ssl/openssl.cnf "c"
dir tmp 1777
file usr/bin/c_rehash 0755 "r"
file usr/lib/libssl.so.3 "s"
dir lib/apk/db
file lib/apk/db/installed @installed
file lib/apk/db/scripts.tar "t"
-- content installed --
C:Q1abc=
P:musl
V:1.2.4_git20230717-r4
A:x86_64
T:the musl c library (libc) implementation
o:musl
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1one=
R:libc.musl-x86_64.so.1
a:0:0:777
Z:Q1two=

C:Q1def=
P:busybox
V:1.36.1-r15
A:x86_64
o:busybox
D:so:libc.musl-x86_64.so.1
p:cmd:busybox=1.36.1-r15 /bin/sh
F:bin
R:busybox
a:0:0:755
Z:Q1three=
F:tmp
M:0:0:1777

C:Q1ghi=
P:libssl3
V:3.1.4-r5
A:x86_64
o:openssl
D:!openssl<1 so:libc.musl-x86_64.so.1 /bin/busybox nothere>1
F:etc
F:etc/ssl
R:openssl.cnf
Z:Q1four=
F:usr
F:usr/bin
R:c_rehash
a:0:0:755
Z:Q1five=
F:usr/lib
R:libssl.so.3
a:0:0:755
Z:Q1six=
`

func apkOf(t *testing.T, archive string) *DB {
	t.Helper()
	d, err := read(t, testimage.New(t, archive))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestApkRead(t *testing.T) {
	d := apkOf(t, alpine)
	var got []string
	for _, p := range d.Packages() {
		var deps []string
		for _, q := range d.Depends(p, nil) {
			deps = append(deps, q.ID())
		}
		got = append(got, p.ID()+" "+p.Version+" "+p.Arch+" "+p.Source+" <- "+strings.Join(deps, " "))
	}
	want := []string{
		"busybox 1.36.1-r15 x86_64 busybox <- musl",
		"libssl3 3.1.4-r5 x86_64 openssl <- busybox musl",
		"musl 1.2.4_git20230717-r4 x86_64 musl <- ",
	}
	if diff := cmp.Diff(want, got); diff != "" || d.Format != "apk" || d.Unsupported != nil {
		t.Errorf("%s %q %s", d.Format, d.Unsupported, diff)
	}
	if o, ok := d.Owner("/usr/lib/libssl.so.3"); !ok || o.Name != "libssl3" {
		t.Errorf("owner %v", o)
	}
	if o, ok := d.Owner("/tmp"); ok {
		t.Errorf("a directory has the owner %v", o)
	}
	if got := d.DatabasePaths(); !slices.Equal(got, []string{"/lib/apk/db/installed", "/lib/apk/db/scripts.tar"}) {
		t.Errorf("database paths %q", got)
	}
}

// What stays is to the letter, but for the lines of what does not.
func TestApkFilter(t *testing.T) {
	d := apkOf(t, alpine)
	keep := []string{"/lib", "/lib/ld-musl-x86_64.so.1", "/lib/libc.musl-x86_64.so.1", "/usr", "/usr/lib", "/usr/lib/libssl.so.3", "/tmp", "/etc"}
	f := d.Filter(func(p string) bool { return slices.Contains(keep, p) })
	if len(f.Files) != 1 || f.Files[0].Path != "/lib/apk/db/installed" || f.Files[0].Like != f.Files[0].Path {
		t.Fatalf("files %+v", f.Files)
	}
	_, all, _ := strings.Cut(alpine, "-- content installed --\n")
	musl, rest, _ := strings.Cut(all, "\n\n")
	_, ssl, _ := strings.Cut(rest, "\n\n")
	ssl = strings.NewReplacer(
		"F:etc/ssl\nR:openssl.cnf\nZ:Q1four=\n", "",
		"F:usr/bin\nR:c_rehash\na:0:0:755\nZ:Q1five=\n", "",
	).Replace(ssl)
	if diff := cmp.Diff(musl+"\n\n"+ssl+"\n", string(f.Files[0].Content)); diff != "" {
		t.Error(diff)
	}
	if len(f.Packages) != 2 || len(f.Half) != 1 || f.Half[0].Name != "libssl3" {
		t.Errorf("packages %v, half %v", f.Packages, f.Half)
	}
	if none := d.Filter(func(string) bool { return false }); none.Files != nil {
		t.Errorf("nothing kept: %+v", none.Files)
	}
}

// apk-tools 3 has its database in /usr/lib; old names may lead there. A link
// that is not kept must not be part of a name.
func TestApkMergedUsr(t *testing.T) {
	d := apkOf(t, `
-- layer --
symlink lib -> usr/lib
file usr/lib/libz.so.1 "z"
file usr/lib/apk/db/installed "P:zlib\nV:1.3-r0\nA:x86_64\nF:lib\nR:libz.so.1\nZ:Q1=\n"
`)
	for _, c := range []struct {
		keep []string
		dir  string
	}{
		{[]string{"/lib", "/usr/lib/libz.so.1"}, "F:lib"},
		{[]string{"/usr/lib/libz.so.1"}, "F:usr/lib"},
	} {
		f := d.Filter(func(p string) bool { return slices.Contains(c.keep, p) })
		want := "P:zlib\nV:1.3-r0\nA:x86_64\n" + c.dir + "\nR:libz.so.1\nZ:Q1=\n\n"
		if len(f.Files) != 1 || string(f.Files[0].Content) != want {
			t.Errorf("%q: %+v", c.keep, f.Files)
		}
	}
}

func TestApkErrors(t *testing.T) {
	for content, want := range map[string]string{
		`P:a\nR:x\n`:       `record 1: "R:x" has no directory before it`,
		`P:a\n\nV:1\n`:     `record 2: "" of architecture "" is no package name`,
		`P:../a\nA:x\n`:    `"../a" of architecture "x" is no package name`,
		`P:a\nno line\n`:   `"no line" is no line of it`,
		`P:a\nlong:line\n`: `"long:line" is no line of it`,
	} {
		_, err := read(t, testimage.New(t, "\n-- layer --\nfile lib/apk/db/installed \""+content+"\"\n"))
		if err == nil || !strings.Contains(err.Error(), "reading package database: /lib/apk/db/installed: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func FuzzApk(f *testing.F) {
	_, all, _ := strings.Cut(alpine, "-- content installed --\n")
	f.Add([]byte(all))
	f.Add([]byte("P:a\nF:\nR:b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, raw := range stanzas(b) {
			p, err := parseApk(raw)
			if err != nil {
				continue
			}
			again := slices.Clone(p.apk.about)
			for _, d := range p.apk.dirs {
				again = append(again, d.about...)
				for _, file := range d.files {
					again = append(again, file.about...)
				}
			}
			if got := strings.Join(again, "\n"); len(got) != len(raw) {
				t.Errorf("%q became %q", raw, got)
			}
		}
	})
}
