package rebase

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testelf"
)

// elfLine is the line of an ELF file for x86-64.
func elfLine(name string, f testelf.File) string {
	f.Class, f.Machine, f.Type = 2, 62, 3
	if f.Soname == "" && strings.Contains(name, ".so") {
		f.Soname = name[strings.LastIndexByte(name, '/')+1:]
	}
	return "file " + name + " 0755 0:0 " + strconv.Quote(string(f.Bytes())) + "\n"
}

// programLine is the line of a program of glibc; imports are "symbol@VERSION
// library" or "symbol".
func programLine(name string, needed []string, imports ...string) string {
	return elfLine(name, testelf.File{Interp: "/lib64/ld-linux-x86-64.so.2", Needed: needed, Symbols: symbols(true, imports)})
}

// libraryLine is the line of a library; exports are "symbol" or
// "symbol@VERSION".
func libraryLine(name string, exports ...string) string {
	f := testelf.File{Symbols: symbols(false, exports)}
	for _, s := range f.Symbols {
		if s.Version != "" && !slices.Contains(f.Defines, s.Version) {
			f.Defines = append(f.Defines, s.Version)
		}
	}
	return elfLine(name, f)
}

func symbols(imports bool, list []string) []testelf.Symbol {
	var out []testelf.Symbol
	for _, s := range list {
		name, library, _ := strings.Cut(s, " ")
		name, version, _ := strings.Cut(name, "@")
		out = append(out, testelf.Symbol{Name: name, Version: version, Library: library, Import: imports})
	}
	return out
}

// glibcBase is a base with the loader and these lines.
func glibcBase(lines ...string) string {
	return "-- layer --\nsymlink lib64 -> usr/lib64\nsymlink lib -> usr/lib\n" + elfLine("usr/lib64/ld-linux-x86-64.so.2", testelf.File{}) + strings.Join(lines, "")
}

// checked runs one check and returns its findings as "name path: text".
func checked(t *testing.T, c check, s *scene) []string {
	t.Helper()
	fs, err := c.run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range sortFindings(fs, nil) {
		line := fmt.Sprintf("%s %s: %s", f.Name, f.Path, f.Text)
		if f.Layer != nil {
			line += fmt.Sprintf(" [layer %d]", *f.Layer)
		}
		out = append(out, line)
	}
	return out
}

func TestCheckELF(t *testing.T) {
	libc := func(exports ...string) string {
		return libraryLine("usr/lib/x86_64-linux-gnu/libc.so.6", exports...)
	}
	debian12 := glibcBase(libc("printf@GLIBC_2.2.5", "strlcpy@GLIBC_2.36"), libraryLine("usr/lib/x86_64-linux-gnu/libcrypto.so.3", "EVP@OPENSSL_3.0.0"))
	for name, c := range map[string]struct {
		old, base string
		uppers    []string
		want      []string
	}{
		"nothing changed": {
			debian12, debian12,
			[]string{programLine("app", []string{"libc.so.6"}, "strlcpy@GLIBC_2.36 libc.so.6")},
			nil,
		},
		"an older glibc (F4)": {
			glibcBase(libc("printf@GLIBC_2.2.5", "strlcpy@GLIBC_2.38")), debian12,
			[]string{programLine("app", []string{"libc.so.6"}, "printf@GLIBC_2.2.5 libc.so.6", "strlcpy@GLIBC_2.38 libc.so.6")},
			[]string{`missing-version /app: it needs "GLIBC_2.38" of "libc.so.6", which "/lib/x86_64-linux-gnu/libc.so.6" of the new base lacks [layer 1]`},
		},
		"a library is gone (F5)": {
			debian12, glibcBase(libc("printf@GLIBC_2.2.5"), libraryLine("usr/lib/x86_64-linux-gnu/libcrypto.so.1.1")),
			[]string{programLine("app", []string{"libcrypto.so.3", "libc.so.6"}, "EVP@OPENSSL_3.0.0 libcrypto.so.3")},
			[]string{`missing-library /app: it needs the library "libcrypto.so.3", which is not found [layer 1]`},
		},
		"another C library (F6)": {
			debian12, "-- layer --\n" + elfLine("lib/ld-musl-x86_64.so.1", testelf.File{}),
			[]string{programLine("app", nil) + elfLine("app.so", testelf.File{Needed: []string{"libc.so.6"}})},
			nil, // checkLibc has it
		},
		"another interpreter": {
			glibcBase(elfLine("opt/loader", testelf.File{})), debian12,
			[]string{elfLine("app", testelf.File{Interp: "/opt/loader", Needed: []string{"libc.so.6"}})},
			[]string{`missing-interpreter /app: its interpreter "/opt/loader" is not there [layer 1]`},
		},
		"a symbol is gone": {
			debian12, glibcBase(libc("printf@GLIBC_2.2.5", "other@GLIBC_2.36"), libraryLine("usr/lib/x86_64-linux-gnu/libplain.so")),
			[]string{programLine("app", []string{"libc.so.6"}, "strlcpy@GLIBC_2.36 libc.so.6")},
			[]string{`missing-symbol /app: it needs the symbol "strlcpy@GLIBC_2.36" of "libc.so.6", which "/lib/x86_64-linux-gnu/libc.so.6" of the new base lacks [layer 1]`},
		},
		"a symbol without a version is gone": {
			glibcBase(libraryLine("usr/lib/libx.so.1", "a", "b", "c", "d", "e", "f", "g")), glibcBase(libraryLine("usr/lib/libx.so.1", "a")),
			[]string{programLine("app", []string{"libx.so.1"}, "a", "b", "c", "d", "e", "f", "g")},
			[]string{`missing-symbol /app: it needs the symbol "b", "c", "d", "e", "f" and 1 more, which none of its libraries has [layer 1]`},
		},
		"a symbol has another name, in a library of the same size": {
			glibcBase(libraryLine("usr/lib/libx.so.1", "aaa")), glibcBase(libraryLine("usr/lib/libx.so.1", "bbb")),
			[]string{programLine("app", []string{"libx.so.1"}, "aaa")},
			[]string{`missing-symbol /app: it needs the symbol "aaa", which none of its libraries has [layer 1]`},
		},
		"a library that others of the base load has lost a symbol": {
			glibcBase(libraryLine("usr/lib/libx.so.1", "aaa"), elfLine("usr/lib/liby.so.1", testelf.File{Needed: []string{"libx.so.1"}})),
			glibcBase(libraryLine("usr/lib/libx.so.1", "bbb"), elfLine("usr/lib/liby.so.1", testelf.File{Needed: []string{"libx.so.1"}})),
			[]string{programLine("app", []string{"liby.so.1"}, "aaa")},
			[]string{`missing-symbol /app: it needs the symbol "aaa", which none of its libraries has [layer 1]`},
		},
		"broken before": {
			glibcBase(libc("printf@GLIBC_2.2.5")), glibcBase(libc("printf@GLIBC_2.2.5")),
			[]string{programLine("app", []string{"libc.so.6", "libgone.so"}, "x@GLIBC_9 libc.so.6", "y")},
			nil,
		},
		"an old library of the image under a program of the new base": {
			debian12,
			glibcBase(libc("printf@GLIBC_2.2.5"), libraryLine("usr/lib/x86_64-linux-gnu/libcrypto.so.3", "EVP@OPENSSL_3.0.0", "new@OPENSSL_3.0.9"),
				programLine("usr/bin/openssl", []string{"libcrypto.so.3"}, "new@OPENSSL_3.0.9 libcrypto.so.3")),
			[]string{"file a", libraryLine("usr/lib/x86_64-linux-gnu/libcrypto.so.3", "EVP@OPENSSL_3.0.0")},
			[]string{`missing-version /usr/bin/openssl: it is the new base's, and loads "/usr/lib/x86_64-linux-gnu/libcrypto.so.3" of the image's layer 2: it needs "OPENSSL_3.0.9" of "libcrypto.so.3", which "/lib/x86_64-linux-gnu/libcrypto.so.3" of the image's layer 2 lacks`},
		},
		"the same, by way of another library of the base": {
			debian12,
			glibcBase(libraryLine("usr/lib/x86_64-linux-gnu/libcrypto.so.3", "EVP", "new"),
				elfLine("usr/lib/libssl.so.3", testelf.File{Needed: []string{"libcrypto.so.3"}}),
				programLine("usr/bin/openssl", []string{"libssl.so.3"}, "new")),
			[]string{libraryLine("usr/lib/x86_64-linux-gnu/libcrypto.so.3", "EVP")},
			[]string{`missing-symbol /usr/bin/openssl: it is the new base's, and loads "/usr/lib/x86_64-linux-gnu/libcrypto.so.3" of the image's layer 1: it needs the symbol "new", which none of its libraries has`},
		},
		"what the new base itself lacks is no matter of the move": {
			debian12, glibcBase(programLine("usr/bin/odd", []string{"libgone.so"})),
			[]string{"file a"},
			nil,
		},
		"LD_LIBRARY_PATH of the config": {
			debian12 + "-- config --\n" + `{"Env":["LD_LIBRARY_PATH=/opt/lib:"]}` + "\n",
			debian12 + "-- config --\n" + `{"Env":["LD_LIBRARY_PATH=/opt/lib"]}` + "\n",
			[]string{libraryLine("opt/lib/libx.so", "x") + programLine("app", []string{"libx.so"}, "x")},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, checked(t, checkELF, openScene(t, c.old, c.base, c.uppers...))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
