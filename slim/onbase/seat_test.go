package onbase

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testelf"
)

// dpkg is a package database of one package, as dpkg keeps it.
func dpkg(name, version string, files ...string) string {
	return `file var/lib/dpkg/status "Package: ` + name + `\nStatus: install ok installed\nArchitecture: amd64\nVersion: ` + version + `\n"
file var/lib/dpkg/info/` + name + `.list "` + strings.Join(files, `\n`) + `\n"
`
}

// statusD is one package as distroless images keep it.
func statusD(name, version string, files ...string) string {
	var sums strings.Builder
	for _, f := range files {
		sums.WriteString("00  " + strings.TrimPrefix(f, "/") + `\n`)
	}
	return `file var/lib/dpkg/status.d/` + name + ` "Package: ` + name + `\nArchitecture: amd64\nVersion: ` + version + `\n"
file var/lib/dpkg/status.d/` + name + `.md5sums "` + sums.String() + `"
`
}

func TestSeat(t *testing.T) {
	layer := "-- layer --\n"
	for _, c := range []struct {
		name, source, base string
		prefer             string
		names              []string
		want               string
	}{
		{
			name:   "what the base has alike is not carried",
			source: layer + "file a \"same\"\nfile b \"ours\"\nfile c \"mode\" 0755\nfile d \"time\" mtime=5\nsymlink l -> a\nfile n \"new\"\n",
			base:   layer + "file a \"same\"\nfile b \"base\"\nfile c \"mode\"\nfile d \"time\" mtime=6\nsymlink l -> a\nfile other\n",
			want:   "/a base\n/b over\n/c over\n/d over\n/l base\n/n source\n",
		},
		{
			name:   "attributes count",
			source: layer + "file a xattr:security.capability=\"x\"\nfile b 0644 1:1\n",
			base:   layer + "file a\nfile b\n",
			want:   "/a over\n/b over\n",
		},
		{
			name:   "directories are the base's",
			source: layer + "dir d 0777\ndir e\n",
			base:   layer + "dir d 0755\n",
			want:   "/d base\n/e source\n",
		},
		{
			name:   "but those that the source keeps closer: nothing gets weaker",
			source: layer + "dir all 0755\ndir group 0755\ndir secret 0750\ndir tmp 0755\ndir open 0755\n",
			base:   layer + "dir all 0757\ndir group 0775\ndir secret 0755\ndir tmp 01777\ndir open 0700\n",
			want:   "/all over\n/group over\n/open base\n/secret over\n/tmp base\n",
		},
		{
			name:   "a directory that is a link in the base leads there",
			source: layer + "dir lib\nfile lib/x \"x\"\nfile lib/sub/y \"y\"\ndir bin\nfile bin/z \"z\"\n",
			base:   layer + "symlink lib -> usr/lib\nsymlink bin -> /usr/bin\ndir usr/bin\nfile usr/lib/x \"x\"\n",
			want:   "/usr/bin base from /bin\n/usr/bin/z source from /bin/z\n/usr/lib base from /lib\n/usr/lib/sub source from /lib/sub\n/usr/lib/sub/y source from /lib/sub/y\n/usr/lib/x base from /lib/x\n",
		},
		{
			name:   "a link between directories that the base does not have",
			source: layer + "symlink lib -> usr/lib\nfile usr/lib/x \"x\"\nfile usr/lib/y \"y\"\n",
			base:   layer + "file lib/x \"x\"\n",
			want:   "/lib base\n/lib/x base from /usr/lib/x\n/usr source\n/usr/lib source\n/usr/lib/y source\n",
		},
		{
			name:   "links that are written otherwise and lead to one place",
			source: layer + "symlink lib -> usr/lib\ndir usr/lib\nfile usr/lib/x\nsymlink y -> lib/x\n",
			base:   layer + "symlink lib -> /usr/lib\ndir usr/lib\nfile usr/lib/x\nsymlink y -> /usr/lib/x\n",
			want:   "/lib base\n/usr base\n/usr/lib base\n/usr/lib/x base\n/y base\n",
		},
		{
			name:   "a directory over a file, and a file over a directory",
			source: layer + "dir a\nfile a/x\nfile b\nsymlink c -> nowhere\n",
			base:   layer + "file a\ndir b\ndir c\n",
			want: `error base-structure /a: a directory of the source, and the base has a file at "/a": one would hide the other
error base-structure /a/x: a file of the source, and the base has a file at "/a": one would hide the other
error base-structure /b: a file of the source, and the base has a directory at "/b": one would hide the other
error base-structure /c: a symlink of the source, and the base has a directory at "/c": one would hide the other
`,
		},
		{
			name:   "a directory over a link that leads nowhere",
			source: layer + "dir a\nfile a/x\n",
			base:   layer + "symlink a -> gone\n",
			want: `error base-structure /a: a directory of the source, and the base has a symlink at "/a": one would hide the other
error base-structure /a/x: a file of the source, and the base has a symlink at "/a": one would hide the other
`,
		},
		{
			name:   "a newer package of the base counts",
			source: layer + "file usr/bin/p \"old\"\nfile etc/p \"edited\"\n" + dpkg("p", "1", "/usr/bin/p", "/etc/p"),
			base:   layer + "file usr/bin/p \"patched\"\nfile etc/p \"as shipped\"\n" + dpkg("p", "2", "/usr/bin/p", "/etc/p"),
			want:   "/etc base\n/etc/p over\n/usr base\n/usr/bin base\n/usr/bin/p base\n",
		},
		{
			name:   "so it does where the base is distroless",
			source: layer + "file usr/bin/p \"old\"\n" + dpkg("p", "1", "/usr/bin/p"),
			base:   layer + "file usr/bin/p \"patched\"\n" + statusD("p", "2", "/usr/bin/p"),
			want:   "/usr base\n/usr/bin base\n/usr/bin/p base\n",
		},
		{
			name:   "the same version with another time is the base's",
			source: layer + "file usr/bin/p \"p\" mtime=5\nfile usr/bin/q \"edited\"\n" + dpkg("p", "1", "/usr/bin/p", "/usr/bin/q"),
			base:   layer + "file usr/bin/p \"p\" mtime=0\nfile usr/bin/q \"as shipped\"\n" + statusD("p", "1", "/usr/bin/p", "/usr/bin/q"),
			want:   "/usr base\n/usr/bin base\n/usr/bin/p base\n/usr/bin/q over\n",
		},
		{
			name:   "an older package of the base is a conflict",
			source: layer + "file usr/bin/p \"new\"\n" + dpkg("p", "3", "/usr/bin/p"),
			base:   layer + "file usr/bin/p \"old\"\n" + dpkg("p", "2", "/usr/bin/p"),
			want:   "/usr base\n/usr/bin base\n/usr/bin/p base\nerror base-conflict /usr/bin/p: the base has p 2, which is older than the source's 3\n",
		},
		{
			name: "decided for the base", prefer: PreferBase,
			source: layer + "file usr/bin/p \"new\"\n" + dpkg("p", "3", "/usr/bin/p"),
			base:   layer + "file usr/bin/p \"old\"\n" + dpkg("p", "2", "/usr/bin/p"),
			want:   "/usr base\n/usr/bin base\n/usr/bin/p base\n",
		},
		{
			name: "decided for the source", prefer: PreferSource,
			source: layer + "file usr/bin/p \"new\"\n" + dpkg("p", "3", "/usr/bin/p"),
			base:   layer + "file usr/bin/p \"old\"\n" + dpkg("p", "2", "/usr/bin/p"),
			want:   "/usr base\n/usr/bin base\n/usr/bin/p over\n",
		},
		{
			name:   "a file of a package that the base lacks, where the base has another",
			source: layer + "file usr/bin/awk \"mawk\"\n" + dpkg("mawk", "1", "/usr/bin/awk"),
			base:   layer + "file usr/bin/awk \"gawk\"\n" + dpkg("gawk", "1", "/usr/bin/awk"),
			want:   "/usr base\n/usr/bin base\n/usr/bin/awk base\nerror base-conflict /usr/bin/awk: it is of the package mawk, which the base does not have, and the base's file differs\n",
		},
		{
			name:   "a file that nobody owns over one of the base's packages",
			source: layer + "file usr/bin/p \"own\"\n",
			base:   layer + "file usr/bin/p \"p\"\n" + dpkg("p", "2", "/usr/bin/p"),
			want:   "/usr base\n/usr/bin base\n/usr/bin/p base\nerror base-conflict /usr/bin/p: no package of the source owns it, and the base's is of p\n",
		},
		{
			name:   "a library whose file name has the version is succeeded by its soname",
			source: layer + elf("usr/lib/libz.so.1.2", testelf.File{Soname: "libz.so.1"}) + "symlink usr/lib/libz.so.1 -> libz.so.1.2\n" + dpkg("zlib", "12", "/usr/lib/libz.so.1.2", "/usr/lib/libz.so.1"),
			base:   layer + elf("usr/lib/libz.so.1.3", testelf.File{Soname: "libz.so.1", Needed: []string{"libz.so.1"}}) + "symlink usr/lib/libz.so.1 -> libz.so.1.3\n" + dpkg("zlib", "13", "/usr/lib/libz.so.1.3", "/usr/lib/libz.so.1"),
			want:   "/usr base\n/usr/lib base\n/usr/lib/libz.so.1 base\n/usr/lib/libz.so.1.3 base from /usr/lib/libz.so.1.2\n",
		},
		{
			name:   "a newer package that lacks the file",
			source: layer + "file usr/share/p/table\n" + dpkg("p", "1", "/usr/share/p/table"),
			base:   layer + "file usr/bin/p\n" + dpkg("p", "2", "/usr/bin/p"),
			want:   "/usr base\n/usr/share source\n/usr/share/p source\n/usr/share/p/table gone\nerror base-conflict /usr/share/p/table: the base has p 2 without it, the source has 1\n",
		},
		{
			name:   "documentation of an older package",
			source: layer + "file usr/share/doc/p/copyright \"new\"\n" + dpkg("p", "2", "/usr/share/doc/p/copyright"),
			base:   layer + "file usr/share/doc/p/copyright \"old\"\n" + dpkg("p", "1", "/usr/share/doc/p/copyright"),
			want:   "/usr base\n/usr/share base\n/usr/share/doc base\n/usr/share/doc/p base\n/usr/share/doc/p/copyright base\n",
		},
		{
			name:   "documentation that the base is made without",
			source: layer + "file usr/share/doc/p/copyright\n" + dpkg("p", "1", "/usr/share/doc/p/copyright"),
			base:   layer + "file usr/bin/p\n" + dpkg("p", "2", "/usr/bin/p"),
			want:   "/usr base\n/usr/share source\n/usr/share/doc source\n/usr/share/doc/p source\n/usr/share/doc/p/copyright source\n",
		},
		{
			name:   "a certificate that the base no longer trusts, with its names",
			source: layer + "file usr/share/ca-certificates/x.crt\nsymlink etc/ssl/certs/x.pem -> /usr/share/ca-certificates/x.crt\nsymlink etc/ssl/certs/1.0 -> x.pem\n" + dpkg("ca-certificates", "1", "/usr/share/ca-certificates/x.crt"),
			base:   layer + "file etc/ssl/certs/y\n" + dpkg("ca-certificates", "2", "/etc/ssl/certs/y"),
			want:   "/etc base\n/etc/ssl base\n/etc/ssl/certs base\n/usr source\n/usr/share source\n/usr/share/ca-certificates source\n/etc/ssl/certs/1.0 gone\n/etc/ssl/certs/x.pem gone\n/usr/share/ca-certificates/x.crt gone\n",
		},
		{
			name:   "bundles are one",
			source: layer + "file etc/ssl/certs/ca-certificates.crt " + strconv.Quote(cert("old", "ours")) + "\nfile usr/share/ca-certificates/old.crt " + strconv.Quote(cert("old")) + "\n",
			base:   layer + "file etc/ssl/certs/ca-certificates.crt " + strconv.Quote(cert("new")) + "\n",
			want:   "/etc base\n/etc/ssl base\n/etc/ssl/certs base\n/etc/ssl/certs/ca-certificates.crt base\n/usr source\n/usr/share source\n/usr/share/ca-certificates source\n/etc/ssl/certs/ca-certificates.crt merged " + strconv.Quote(cert("new", "ours")) + "\n/usr/share/ca-certificates/old.crt gone\n",
		},
		{
			name:   "the distribution is the base's, where it has packages",
			source: layer + "file etc/os-release \"ID=ubuntu\\nVERSION_ID=22.04\\n\"\nfile etc/lsb-release\nfile usr/bin/p\n" + dpkg("p", "1", "/usr/bin/p"),
			base:   layer + "file etc/os-release \"ID=debian\\nVERSION_ID=12\\n\"\nfile usr/bin/q\n" + dpkg("q", "1", "/usr/bin/q"),
			want:   "/etc base\n/etc/os-release base\n/usr base\n/usr/bin base\n/usr/bin/p source\n/etc/lsb-release gone\nerror base-distribution /usr/bin/p: it is of the package p of \"ubuntu 22.04\", and the base is \"debian 12\": scanners would look it up there\n",
		},
		{
			name:   "the distribution is the source's, where the base has no packages",
			source: layer + "file etc/os-release \"ID=debian\\n\"\n",
			base:   layer + "file etc/os-release \"ID=none\\n\"\n",
			want:   "/etc base\n/etc/os-release over\n",
		},
		{
			name:   "two names that the base makes one",
			source: layer + "file bin/p \"a\"\nfile usr/bin/p \"b\"\nfile bin/q\nfile usr/bin/q\n",
			base:   layer + "symlink bin -> usr/bin\ndir usr/bin\n",
			want:   "/usr base\n/usr/bin base from /bin\n/usr/bin base\n/usr/bin/p source from /bin/p\n/usr/bin/p source\n/usr/bin/q source from /bin/q\n/usr/bin/q source\nerror base-structure /usr/bin/p: \"/bin/p\" and \"/usr/bin/p\" of the source would be one file on this base, whose directories lead to one another\n",
		},
		{
			name:   "names that a link of the source makes",
			names:  []string{"/bin/sh", "/lib/x/y", "/bin/nothing"},
			source: layer + "symlink bin -> usr/bin\nsymlink lib -> usr/lib\nfile usr/bin/sh\nfile usr/lib/x/y\nfile srv/script 0755 \"#!/bin/run -x\\n\"\nfile usr/bin/run\n",
			base:   layer + "dir bin\ndir lib\n",
			want:   "/bin base\n/lib base\n/srv source\n/srv/script source\n/usr source\n/usr/bin source\n/usr/bin/run source\n/usr/bin/sh source\n/usr/lib source\n/usr/lib/x source\n/usr/lib/x/y source\n/bin/run link to /usr/bin/run\n/bin/sh link to /usr/bin/sh\n/lib/x link to /usr/lib/x\n",
		},
		{
			name:   "a link that led somewhere",
			source: layer + "symlink usr/bin/x -> /usr/bin/p\nfile usr/bin/p \"old\"\n" + dpkg("p", "1", "/usr/bin/p"),
			base:   layer + "symlink usr/bin/p -> p2\n" + dpkg("p", "2", "/usr/bin/p"),
			want:   "/usr base\n/usr/bin base\n/usr/bin/p base\n/usr/bin/x source\nerror base-link /usr/bin/x: the symlink to \"/usr/bin/p\" led to \"/usr/bin/p\" in the source, and leads nowhere on this base\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, seated(t, c.source, c.base, Options{Prefer: c.prefer, Names: c.names})); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

const glibcLoader = "/lib64/ld-linux-x86-64.so.2"

// versioned is a library that defines versions of symbols.
func versioned(name string, versions ...string) string {
	f := testelf.File{Soname: name[strings.LastIndexByte(name, '/')+1:], Defines: versions}
	for _, v := range versions {
		f.Symbols = append(f.Symbols, testelf.Symbol{Name: "of_" + v, Version: v})
	}
	return elf(name, f)
}

// wanting is a program that needs a version of a symbol of libc.so.6.
func wanting(name, version string) string {
	return elf(name, testelf.File{
		Interp: glibcLoader, Needed: []string{"libc.so.6"},
		Symbols: []testelf.Symbol{{Name: "of_" + version, Version: version, Library: "libc.so.6", Import: true}},
	})
}

func TestSeatLibraries(t *testing.T) {
	layer := "-- layer --\n"
	source := layer + "symlink lib64 -> usr/lib64\n" + library("usr/lib64/ld-linux-x86-64.so.2") + library("usr/lib/libc.so.6") +
		library("usr/lib/libssl.so.3", "libc.so.6") + program("srv/app", glibcLoader, "libssl.so.3", "libc.so.6", "libnever.so") +
		dpkg("libssl3", "1", "/usr/lib/libssl.so.3")
	for _, c := range []struct{ name, base, want string }{
		{
			"a base that has it all",
			layer + library("lib64/ld-linux-x86-64.so.2") + library("usr/lib/libc.so.6") + library("usr/lib/libssl.so.3", "libc.so.6"),
			"",
		},
		{
			"a library of the base needs another that it does not have",
			layer + elf("usr/lib/libssl.so.3", testelf.File{Soname: "libssl.so.3", Needed: []string{"libc.so.6", "libzstd.so.1"}}) + statusD("libssl3", "2", "/usr/lib/libssl.so.3"),
			"error base-elf /usr/lib/libssl.so.3: needs the library \"libzstd.so.1\", which the loader would not find on this base\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, errorsOf(seated(t, source, c.base, Options{}))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func errorsOf(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "error") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// An older C library lacks versions of symbols; what programs lacked before
// is not told.
func TestSeatOlderLibrary(t *testing.T) {
	libc := func(version string, symbols ...string) string {
		return "-- layer --\n" + library("lib64/ld-linux-x86-64.so.2") + versioned("usr/lib/libc.so.6", symbols...) + dpkg("libc6", version, "/usr/lib/libc.so.6")
	}
	source := libc("2.38", "GLIBC_2.2.5", "GLIBC_2.38") + wanting("usr/bin/a", "GLIBC_2.38") + wanting("usr/bin/b", "GLIBC_2.38") + wanting("usr/bin/broken", "GLIBC_9")
	conflict := "error base-conflict /usr/lib/libc.so.6: the base has libc6 2.31, which is older than the source's 2.38\n"
	lacks := `error base-elf /usr/bin/a: needs "GLIBC_2.38" of "libc.so.6": not found in "/usr/lib/libc.so.6" of the base (and 1 more such files)` + "\n"
	for _, c := range []struct{ name, base, prefer, want string }{
		{"older", libc("2.31", "GLIBC_2.2.5"), "", conflict + lacks},
		{"older, by choice", libc("2.31", "GLIBC_2.2.5"), PreferBase, lacks},
		{"the source's, by choice", libc("2.31", "GLIBC_2.2.5"), PreferSource, ""},
		{"newer", libc("2.40", "GLIBC_2.2.5", "GLIBC_2.38", "GLIBC_2.40"), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, errorsOf(seated(t, source, c.base, Options{Prefer: c.prefer}))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
