package slim

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testelf"
)

// program is the line of an ELF program that needs these libraries.
func program(name string, needed ...string) string {
	return elfFile(name, testelf.File{Interp: "/lib64/ld-linux-x86-64.so.2", Needed: needed})
}

// library is the line of a library whose soname is its name.
func library(name string, needed ...string) string {
	return elfFile(name, testelf.File{Soname: name[strings.LastIndexByte(name, '/')+1:], Needed: needed})
}

// glibc is a Debian system's loader and C library, with usr-merge.
var glibc = `
-- layer --
symlink lib -> usr/lib
symlink lib64 -> usr/lib64
symlink usr/lib64/ld-linux-x86-64.so.2 -> ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
` + library("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2") + library("usr/lib/x86_64-linux-gnu/libc.so.6")

// glibcKept is what a program that needs nothing but libc keeps of it.
const glibcKept = `
/lib link /usr/lib/x86_64-linux-gnu/libc.so.6
/lib64 link /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 elf /app
/usr/lib/x86_64-linux-gnu/libc.so.6 elf /app
/usr/lib64/ld-linux-x86-64.so.2 link /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
/app access
`

func TestRuleELF(t *testing.T) {
	runRuleCases(t, []ruleCase{
		{
			name:   "interpreter and libraries, of libraries too",
			image:  glibc + program("app", "libc.so.6", "libz.so.1") + library("usr/lib/libz.so.1.3", "libm.so.6") + "symlink usr/lib/libz.so.1 -> libz.so.1.3\n" + library("usr/lib/x86_64-linux-gnu/libm.so.6") + library("usr/lib/libnot.so"),
			opened: "/app",
			want: glibcKept + `
/usr/lib/libz.so.1 link /usr/lib/libz.so.1.3
/usr/lib/libz.so.1.3 elf /app
/usr/lib/x86_64-linux-gnu/libm.so.6 elf /usr/lib/libz.so.1.3
`,
		},
		{
			name:   "a library of another machine is passed over",
			image:  glibc + program("app", "libc.so.6", "libx.so") + elfFile("usr/lib/x86_64-linux-gnu/libx.so", testelf.File{Machine: 183}) + library("usr/lib/libx.so"),
			opened: "/app",
			want: glibcKept + `
/usr/lib/libx.so elf /app
`,
		},
		{
			name:   "a library that the source lacks is a risk",
			image:  glibc + program("app", "libc.so.6", "libgone.so.1"),
			opened: "/app",
			want:   glibcKept,
			risks:  "unresolved-needed /app",
		},
		{
			name: "ld.so.conf with its includes, behind the cache",
			image: glibc + `
file etc/ld.so.conf "include ld.so.conf.d/*.conf\n"
file etc/ld.so.conf.d/a.conf "/opt/a/lib\n"
file etc/ld.so.conf.d/b.txt "/opt/b/lib\n"
file etc/ld.so.cache "stale"
` + program("app", "libc.so.6", "liba.so") + library("opt/a/lib/liba.so") + library("opt/b/lib/liba.so"),
			opened: "/app",
			want: glibcKept + `
/opt/a/lib/liba.so elf /app
/etc/ld.so.conf ld.so.cache
/etc/ld.so.conf.d/a.conf ld.so.cache
/etc/ld.so.cache ld.so.cache
`,
		},
		{
			name:   "RUNPATH with $ORIGIN is of this file alone, and not handed on",
			image:  glibc + elfFile("app/bin/app", testelf.File{Needed: []string{"liba.so"}, RunPath: "$ORIGIN/../lib"}) + library("app/lib/liba.so", "libb.so") + library("app/lib/libb.so") + library("usr/lib/libb.so"),
			opened: "/app/bin/app",
			want: `
/app/bin/app access
/app/lib/liba.so elf /app/bin/app
/lib link /usr/lib/libb.so
/usr/lib/libb.so elf /app/lib/liba.so
`,
		},
		{
			name:   "RPATH is handed on to the libraries' libraries",
			image:  glibc + elfFile("app/bin/app", testelf.File{Needed: []string{"liba.so"}, RPath: "${ORIGIN}/../lib"}) + library("app/lib/liba.so", "libb.so") + library("app/lib/libb.so") + library("usr/lib/libb.so"),
			opened: "/app/bin/app",
			want: `
/app/bin/app access
/app/lib/liba.so elf /app/bin/app
/app/lib/libb.so elf /app/lib/liba.so
/lib link /usr/lib/libb.so
/usr/lib/libb.so elf /app/lib/liba.so
`,
		},
		{
			name:   "$ORIGIN of a program behind a link: where it is, and where it was called",
			image:  glibc + elfFile("opt/x/bin/app", testelf.File{Needed: []string{"liba.so", "libb.so"}, RunPath: "$ORIGIN"}) + "symlink usr/bin/app -> /opt/x/bin/app\n" + library("opt/x/bin/liba.so") + library("usr/bin/libb.so"),
			opened: "/usr/bin/app",
			want: `
/opt/x/bin/app access
/usr/bin/app link /opt/x/bin/app
/opt/x/bin/liba.so elf /opt/x/bin/app
`,
			risks: "unresolved-needed /opt/x/bin/app",
		},
		{
			name:   "LD_LIBRARY_PATH and LD_PRELOAD of the config",
			image:  glibc + program("app", "libc.so.6", "liba.so") + library("opt/lib/liba.so") + library("usr/lib/liba.so") + library("opt/pre.so", "libp.so") + library("usr/lib/libp.so") + `-- config --` + "\n" + `{"Env":["LD_LIBRARY_PATH=/none:/opt/lib","LD_PRELOAD=/opt/pre.so relative.so"]}`,
			opened: "/app",
			want: glibcKept + `
/opt/lib/liba.so elf /app
/opt/pre.so elf config:LD_PRELOAD
/usr/lib/libp.so elf /opt/pre.so
`,
		},
		{
			name:   "ld.so.preload",
			image:  glibc + program("app", "libc.so.6") + "file etc/ld.so.preload \"/opt/pre.so\\n\"\n" + library("opt/pre.so"),
			opened: "/app",
			want: glibcKept + `
/etc/ld.so.preload elf
/opt/pre.so elf /etc/ld.so.preload
`,
		},
		{
			name:   "needed by path",
			image:  glibc + program("app", "libc.so.6", "/opt/lib/liba.so") + library("opt/lib/liba.so"),
			opened: "/app",
			want: glibcKept + `
/opt/lib/liba.so elf /app
`,
		},
		{
			name: "musl",
			image: `
-- layer --
symlink lib/libc.musl-x86_64.so.1 -> ld-musl-x86_64.so.1
file etc/ld-musl-x86_64.path "/opt/lib:/lib\n"
file etc/ld.so.conf "/usr/glibc\n"
` + elfFile("app", testelf.File{Interp: "/lib/ld-musl-x86_64.so.1", Needed: []string{"libc.musl-x86_64.so.1", "liba.so"}}) + library("lib/ld-musl-x86_64.so.1") + library("opt/lib/liba.so") + library("usr/lib/liba.so"),
			opened: "/app",
			want: `
/app access
/lib/ld-musl-x86_64.so.1 elf /app
/lib/libc.musl-x86_64.so.1 link /lib/ld-musl-x86_64.so.1
/opt/lib/liba.so elf /app
`,
		},
		{
			name:   "what only looks like ELF is a risk, not an error",
			image:  "\n-- layer --\nfile app 0755 \"\\x7fELF\\x02\\x01\\x01broken\"\n",
			opened: "/app",
			want:   "/app access",
			risks:  "unreadable-elf /app",
		},
		{
			name:   "a circle of libraries ends",
			image:  glibc + elfFile("app", testelf.File{Needed: []string{"liba.so"}, RPath: "/opt/l"}) + library("opt/l/liba.so", "libb.so") + library("opt/l/libb.so", "liba.so"),
			opened: "/app",
			want: `
/app access
/opt/l/liba.so elf /app
/opt/l/libb.so elf /opt/l/liba.so
`,
		},
	})
}

func TestRuleCPUDispatch(t *testing.T) {
	hwcaps := glibc + library("usr/lib/libfast.so.1") + library("usr/lib/glibc-hwcaps/x86-64-v2/libfast.so.1") + library("usr/lib/glibc-hwcaps/x86-64-v3/libfast.so.1") + library("usr/lib/glibc-hwcaps/x86-64-v3/libother.so.1")
	runRuleCases(t, []ruleCase{
		{
			name:   "a variant that was loaded brings the baseline and the other variants",
			image:  hwcaps,
			opened: "/lib/glibc-hwcaps/x86-64-v3/libfast.so.1",
			want: `
/lib link /usr/lib/glibc-hwcaps/x86-64-v3/libfast.so.1
/usr/lib/glibc-hwcaps/x86-64-v3/libfast.so.1 access
/usr/lib/glibc-hwcaps/x86-64-v2/libfast.so.1 cpu-dispatch /usr/lib/glibc-hwcaps/x86-64-v3/libfast.so.1
/usr/lib/libfast.so.1 cpu-dispatch /usr/lib/glibc-hwcaps/x86-64-v3/libfast.so.1
`,
		},
		{
			name:   "the baseline that was loaded brings the variants",
			image:  hwcaps,
			opened: "/usr/lib/libfast.so.1",
			want: `
/usr/lib/libfast.so.1 access
/usr/lib/glibc-hwcaps/x86-64-v2/libfast.so.1 cpu-dispatch /usr/lib/libfast.so.1
/usr/lib/glibc-hwcaps/x86-64-v3/libfast.so.1 cpu-dispatch /usr/lib/libfast.so.1
`,
		},
		{
			name:   "a need brings the variants, with what they need",
			image:  glibc + program("app", "libc.so.6", "libv.so.1") + library("usr/lib/libv.so.1") + library("usr/lib/glibc-hwcaps/x86-64-v4/libv.so.1", "libmore.so.2") + library("usr/lib/libmore.so.2"),
			opened: "/app",
			want: glibcKept + `
/usr/lib/libv.so.1 elf /app
/usr/lib/glibc-hwcaps/x86-64-v4/libv.so.1 cpu-dispatch /app
/usr/lib/libmore.so.2 elf /usr/lib/glibc-hwcaps/x86-64-v4/libv.so.1
`,
		},
		{
			name:   "variants that are links",
			image:  glibc + library("usr/lib/libl.so.1.2") + "symlink usr/lib/libl.so.1 -> libl.so.1.2\n" + library("usr/lib/glibc-hwcaps/x86-64-v3/libl.so.1.2") + "symlink usr/lib/glibc-hwcaps/x86-64-v3/libl.so.1 -> libl.so.1.2\n",
			opened: "/usr/lib/libl.so.1",
			want: `
/usr/lib/libl.so.1 link /usr/lib/libl.so.1.2
/usr/lib/libl.so.1.2 access
/usr/lib/glibc-hwcaps/x86-64-v3/libl.so.1 link /usr/lib/glibc-hwcaps/x86-64-v3/libl.so.1.2
/usr/lib/glibc-hwcaps/x86-64-v3/libl.so.1.2 cpu-dispatch /usr/lib/libl.so.1.2
`,
		},
		{
			name:   "siblings called after CPU features",
			image:  "\n-- layer --\n" + library("opt/libsvml_avx2.so") + library("opt/libsvml_avx512f.so") + library("opt/libsvml_sse4.2.so") + library("opt/libsvml.so") + library("opt/libother_avx2.so") + library("opt/libsvmlx.so"),
			opened: "/opt/libsvml_avx2.so",
			want: `
/opt/libsvml_avx2.so access
/opt/libsvml.so cpu-dispatch /opt/libsvml_avx2.so
/opt/libsvml_avx512f.so cpu-dispatch /opt/libsvml_avx2.so
/opt/libsvml_sse4.2.so cpu-dispatch /opt/libsvml_avx2.so
`,
		},
		{
			name:   "siblings from the one without a feature in its name, and with a version behind",
			image:  "\n-- layer --\n" + library("opt/libggml-cpu.so") + library("opt/libggml-cpu-haswell.so") + library("opt/libggml-cpu-zen4.so") + library("opt/librt-skylakex.so.3") + library("opt/librt-haswell.so.3"),
			opened: "/opt/libggml-cpu.so /opt/librt-haswell.so.3",
			want: `
/opt/libggml-cpu.so access
/opt/libggml-cpu-haswell.so cpu-dispatch /opt/libggml-cpu.so
/opt/libggml-cpu-zen4.so cpu-dispatch /opt/libggml-cpu.so
/opt/librt-haswell.so.3 access
/opt/librt-skylakex.so.3 cpu-dispatch /opt/librt-haswell.so.3
`,
		},
		{
			name:   "plain libraries have no siblings",
			image:  "\n-- layer --\n" + library("opt/liba.so") + library("opt/libb.so") + library("opt/liba.so.1") + library("opt/liba-2.so"),
			opened: "/opt/liba.so",
			want:   "/opt/liba.so access",
		},
	})
}

func TestRuleScript(t *testing.T) {
	image := `
-- layer --
file bin/sh 0755
file usr/bin/env 0755
file usr/bin/python3 0755
file opt/venv/bin/python3 0755
`
	script := func(line string) string {
		return image + "file run.sh 0755 " + `"` + line + `\nexit\n"` + "\n"
	}
	sh := "/run.sh access\n/bin/sh script /run.sh"
	env := "/run.sh access\n/usr/bin/env script /run.sh\n/usr/bin/python3 script /run.sh"
	cases := []ruleCase{
		{name: "interpreter", image: script("#!/bin/sh"), want: sh},
		{name: "with an argument and spaces", image: script("#!  /bin/sh   -e"), want: sh},
		{name: "with a tab before the argument", image: script(`#!/bin/sh\t-e`), want: sh},
		{name: "env", image: script("#!/usr/bin/env python3"), want: env},
		{name: "env after a tab", image: script(`#!/usr/bin/env\tpython3`), want: env},
		{name: "env -S", image: script("#!/usr/bin/env -S python3 -u -X dev"), want: env},
		{name: "env -S without a space", image: script("#!/usr/bin/env -Spython3 -u"), want: env},
		{name: "env -i with an assignment", image: script("#!/usr/bin/env -S -i A=b python3"), want: env},
		{name: "env -vS", image: script("#!/usr/bin/env -vS python3 -u"), want: env},
		{name: "env -u with its argument", image: script("#!/usr/bin/env -S -u HOME python3"), want: env},
		{name: "env --split-string", image: script("#!/usr/bin/env --split-string=python3 -u"), want: env},
		{
			name: "env and the config's PATH", image: script("#!/usr/bin/env python3") + "-- config --\n" + `{"Env":["PATH=/opt/venv/bin:/usr/bin"]}`,
			want: "/run.sh access\n/usr/bin/env script /run.sh\n/opt/venv/bin/python3 script /run.sh",
		},
		{
			name: "an interpreter that is missing", image: script("#!/usr/bin/perl"), want: "/run.sh access\n/usr/bin script /run.sh",
			risks: "interpreter-missing /run.sh",
		},
		{
			name: "a program of env that is missing", image: script("#!/usr/bin/env perl"), want: "/run.sh access\n/usr/bin/env script /run.sh",
			risks: "interpreter-missing /run.sh",
		},
		{name: "a script that cannot be run", image: image + `file run.sh 0644 "#!/bin/sh\n"` + "\n", want: "/run.sh access"},
		{
			name: "an interpreter that is a script", image: image + `file run.sh 0755 "#!/opt/wrap x\n"` + "\n" + `file opt/wrap 0755 "#!/bin/sh\n"` + "\n",
			want: "/run.sh access\n/opt/wrap script /run.sh\n/bin/sh script /opt/wrap",
		},
		{
			name: "an interpreter behind links", image: image + `file run.sh 0755 "#!/usr/local/bin/python\n"` + "\nsymlink usr/local -> /opt/l\nsymlink opt/l/bin/python -> /usr/bin/python3\n",
			want: `
/run.sh access
/usr/bin/python3 script /run.sh
/usr/local link /usr/bin/python3
/opt/l/bin/python link /usr/bin/python3
`,
		},
	}
	for i := range cases {
		cases[i].opened = "/run.sh"
	}
	runRuleCases(t, cases)
}

// The cache lists the kept libraries under their sonames, and no other.
func TestLoaderCache(t *testing.T) {
	image := glibc + program("app", "libc.so.6", "liba.so.1", "libv.so.1") + `
file etc/ld.so.conf "/opt/lib\n"
file etc/ld.so.cache 0600 7:8 "libgone.so.1" mtime=77
symlink usr/lib/liba.so.1 -> liba.so.1.2
` + elfFile("usr/lib/liba.so.1.2", testelf.File{Soname: "liba.so.1"}) + library("opt/lib/libv.so.1") + library("opt/lib/glibc-hwcaps/x86-64-v3/libv.so.1") + library("usr/lib/libdropped.so.1") + library("usr/lib/elsewhere/libown.so.1")
	_, out := slimmed(t, open(t, image), opened("/app", "/usr/lib/elsewhere/libown.so.1"), Options{Granularity: GranularityFile})
	e, _ := out.Lookup("/etc/ld.so.cache")
	if got := octal(e.Mode) + " " + owner(e.Header); got != "0600 7:8" || e.ModTime.Unix() != 77 {
		t.Errorf("the cache is %s of %v", got, e.ModTime)
	}
	got := content(t, out, "/etc/ld.so.cache")
	for _, want := range []string{"glibc-ld.so.cache1.1", "/lib/x86_64-linux-gnu/libc.so.6\x00", "/lib/liba.so.1\x00", "/opt/lib/libv.so.1\x00", "/opt/lib/glibc-hwcaps/x86-64-v3/libv.so.1\x00", "x86-64-v3\x00"} {
		if !strings.Contains(got, want) {
			t.Errorf("the cache lacks %q", want)
		}
	}
	for _, none := range []string{"libgone", "libdropped", "libown", "liba.so.1.2"} {
		if strings.Contains(got, none) {
			t.Errorf("the cache names %q", none)
		}
	}
}

func TestNoLoaderCacheWhereTheSourceHasNone(t *testing.T) {
	_, out := slimmed(t, open(t, glibc+program("app", "libc.so.6")), opened("/app"), Options{Granularity: GranularityFile})
	if slices.Contains(paths(out), "/etc/ld.so.cache") {
		t.Error("a cache was made")
	}
}

// A stale cache must not stay because its directory is a link.
func TestLoaderCacheBehindALink(t *testing.T) {
	image := glibc + "symlink etc -> usr/etc\nfile usr/etc/ld.so.cache \"stale\"\n" + program("app", "libc.so.6")
	_, out := slimmed(t, open(t, image), opened("/app", "/etc/ld.so.cache"), Options{Granularity: GranularityFile})
	if d := cmp.Diff("glibc-ld.so.cache1.1", content(t, out, "/usr/etc/ld.so.cache")[:20]); d != "" {
		t.Error(d)
	}
}
