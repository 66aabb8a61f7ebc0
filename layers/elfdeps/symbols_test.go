package elfdeps

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pare-image/pare/internal/testelf"
)

// systemLibraries are shared libraries of whatever machine the test runs on.
func systemLibraries(t testing.TB, max int) []string {
	t.Helper()
	names, _ := filepath.Glob("/usr/lib/*-linux-gnu/*.so*")
	var found []string
	for _, name := range names {
		st, err := os.Lstat(name)
		if err == nil && st.Mode().IsRegular() && isELF(name) && len(found) < max {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		t.Fatal("no shared libraries on this machine")
	}
	return found
}

// systemFiles are libraries and programs for oracles that are processes: not
// the largest, and from all over the list.
func systemFiles(t testing.TB) []string {
	t.Helper()
	max := 400
	if testing.Short() {
		max = 50
	}
	var small []string
	for _, name := range append(systemLibraries(t, 2000), systemPrograms(t, 200)...) {
		if st, err := os.Stat(name); err == nil && st.Size() < 4<<20 {
			small = append(small, name)
		}
	}
	var found []string
	for i := 0; i < len(small); i += 1 + len(small)/max {
		found = append(found, small[i])
	}
	return found
}

func symbolsOf(name string) (*Symbols, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return ParseSymbols(f, st.Size())
}

// onlyExported compares what is said of a file, not what it cost to read.
var onlyExported = cmpopts.IgnoreUnexported(Symbols{})

// TestSymbolsAgreeWithDebugELF takes the standard library as the oracle; it
// goes by section headers.
func TestSymbolsAgreeWithDebugELF(t *testing.T) {
	compared, symbols, excluded := 0, 0, map[string]int{}
	for _, name := range append(systemLibraries(t, 600), systemPrograms(t, 100)...) {
		want, err := symbolsByDebugELF(name)
		if err != nil {
			excluded[err.Error()]++
			continue
		}
		got, err := symbolsOf(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compared++
		symbols += len(got.Imports) + len(got.Exports)
		if diff := cmp.Diff(want, got, onlyExported); diff != "" {
			t.Errorf("%s (-debug/elf +ours):\n%s", name, diff)
		}
	}
	t.Logf("%d files with %d symbols compared; not read by debug/elf: %v", compared, symbols, excluded)
	if compared < 50 || symbols < 10_000 {
		t.Error("too little was compared")
	}
}

func symbolsByDebugELF(name string) (*Symbols, error) {
	f, err := elf.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out Symbols
	needs, err := f.DynamicVersionNeeds()
	if err != nil {
		return nil, err
	}
	for _, n := range needs {
		for _, d := range n.Needs {
			out.Needs = append(out.Needs, VersionNeed{Library: n.Name, Version: d.Dep, Weak: d.Flags&elf.VER_FLG_WEAK != 0})
		}
	}
	versions, err := f.DynamicVersions()
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		out.Versioned = true
		if v.Flags&elf.VER_FLG_BASE == 0 {
			out.Versions = append(out.Versions, v.Name)
		}
	}
	list, err := f.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, err
	}
	for _, s := range list {
		bind, visibility := elf.ST_BIND(s.Info), elf.ST_VISIBILITY(s.Other)
		if s.Name == "" || bind != elf.STB_GLOBAL && bind != elf.STB_WEAK && bind != elf.STB_LOOS {
			continue
		}
		// debug/elf says the base version of a file by the file's own name.
		version := s.Version
		if s.VersionIndex.Index() < 2 {
			version = ""
		}
		switch {
		case s.Section == elf.SHN_UNDEF:
			out.Imports = append(out.Imports, Import{Name: s.Name, Version: version, Library: s.Library, Weak: bind == elf.STB_WEAK})
		case visibility != elf.STV_DEFAULT && visibility != elf.STV_PROTECTED,
			s.Value == 0 && s.Section != elf.SHN_ABS && elf.ST_TYPE(s.Info) != elf.STT_TLS,
			s.HasVersion && s.VersionIndex == 0:
		default:
			out.Exports = append(out.Exports, Export{Name: s.Name, Version: version, Hidden: s.HasVersion && s.VersionIndex.IsHidden()})
		}
	}
	return &out, nil
}

// TestSymbolsAgreeWithNM asks binutils' nm -D, which writes name@VERSION for
// imports and hidden exports and name@@VERSION for others.
func TestSymbolsAgreeWithNM(t *testing.T) {
	nm := needTool(t, "nm")
	compared := 0
	for _, name := range systemFiles(t) {
		out, err := exec.Command(nm, "-D", "--with-symbol-versions", name).Output()
		if err != nil {
			t.Logf("excluded: nm does not read %s: %v", name, err)
			continue
		}
		got, err := symbolsOf(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want, got := nmLines(string(out), got), ourLines(got); !slices.Equal(want, got) {
			t.Errorf("%s (-nm +ours):\n%s", name, cmp.Diff(want, got, onlyExported))
		}
		compared++
	}
	t.Logf("%d files compared", compared)
	if compared < 30 {
		t.Error("too little was compared")
	}
}

// nmLine is a value, if there is one, a type and a name.
var nmLine = regexp.MustCompile(`^[0-9a-f ]* (\S) (.+)`)

// nmLines keeps the type and the name of a symbol. Types of nm: U is
// undefined, w and v are weak and undefined. Lower-case letters of others are
// of local symbols, but i (indirect function) and u (unique).
//
// Versions may be needed ones: a program has copies of its libraries' data.
func nmLines(out string, s *Symbols) []string {
	versions := slices.Clone(s.Versions)
	for _, n := range s.Needs {
		versions = append(versions, n.Version)
	}
	var lines []string
	for line := range strings.Lines(out) {
		m := nmLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		kind, name := m[1], m[2]
		base, version, _ := strings.Cut(name, "@")
		switch {
		case kind == "U" || kind == "w" || kind == "v":
			lines = append(lines, "import "+name)
		case kind == "A" && slices.Contains(s.Versions, base):
			// The symbol of a version; nm writes it without its version.
			lines = append(lines, "export "+base)
		case strings.Contains("iu", kind) || strings.ToUpper(kind) == kind:
			if slices.Contains(versions, strings.Trim(version, "@")) {
				lines = append(lines, "export "+name)
			} else {
				lines = append(lines, "export "+base) // the base version
			}
		}
	}
	sort.Strings(lines)
	return lines
}

func ourLines(s *Symbols) []string {
	var lines []string
	for _, i := range s.Imports {
		line := "import " + i.Name
		if i.Version != "" {
			line += "@" + i.Version
		}
		lines = append(lines, line)
	}
	for _, e := range s.Exports {
		line := "export " + e.Name
		switch {
		case slices.Contains(s.Versions, e.Name):
		case e.Version != "" && (e.Hidden || !slices.Contains(s.Versions, e.Version)):
			line += "@" + e.Version
		case e.Version != "":
			line += "@@" + e.Version
		}
		lines = append(lines, line)
	}
	sort.Strings(lines)
	return lines
}

var (
	readelfSection = regexp.MustCompile(`^Version (needs|definition) section`)
	readelfFile    = regexp.MustCompile(`File: (\S+)  Cnt:`)
	readelfNeed    = regexp.MustCompile(`^  0x[0-9a-f]+:   Name: (\S+)  Flags: (.*)  Version: \d+`)
	readelfDef     = regexp.MustCompile(`Flags: (.*)  Index: \d+  Cnt: \d+  Name: (\S+)`)
)

// TestVersionsAgreeWithReadelf asks binutils' readelf -V.
func TestVersionsAgreeWithReadelf(t *testing.T) {
	readelf := needTool(t, "readelf")
	needs, defs := 0, 0
	for _, name := range systemFiles(t) {
		out, err := exec.Command(readelf, "-V", "-W", name).Output()
		if err != nil {
			t.Logf("excluded: readelf does not read %s: %v", name, err)
			continue
		}
		var want Symbols
		section, library := "", ""
		for line := range strings.Lines(string(out)) {
			if m := readelfSection.FindStringSubmatch(line); m != nil {
				section = m[1]
			} else if m := readelfFile.FindStringSubmatch(line); m != nil {
				library = m[1]
			} else if m := readelfNeed.FindStringSubmatch(line); m != nil && section == "needs" {
				want.Needs = append(want.Needs, VersionNeed{Library: library, Version: m[1], Weak: strings.Contains(m[2], "WEAK")})
			} else if m := readelfDef.FindStringSubmatch(line); m != nil && section == "definition" && !strings.Contains(m[1], "BASE") {
				want.Versions = append(want.Versions, m[2])
			}
		}
		got, err := symbolsOf(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, Symbols{Needs: got.Needs, Versions: got.Versions}, onlyExported); diff != "" {
			t.Errorf("%s (-readelf +ours):\n%s", name, diff)
		}
		needs, defs = needs+len(want.Needs), defs+len(want.Versions)
	}
	t.Logf("%d needed and %d defined versions compared", needs, defs)
	if needs < 100 || defs < 10 {
		t.Error("too little was compared")
	}
}

// TestSymbolsWithoutSections cuts the section headers off, and the hash
// tables out, as some packers do.
func TestSymbolsWithoutSections(t *testing.T) {
	for _, name := range systemFiles(t) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ParseSymbols(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b[4] == 2 { // e_shoff, e_shnum, e_shstrndx
			clear(b[0x28:0x30])
			clear(b[0x3c:0x40])
		}
		got, err := ParseSymbols(bytes.NewReader(b), int64(len(b)))
		if err != nil || !reflect.DeepEqual(want, got) {
			t.Errorf("%s without section headers: %v\n%s", name, err, cmp.Diff(want, got, onlyExported))
		}
		removeTag(t, b, dtGNUHash)
		removeTag(t, b, dtHash)
		got, err = ParseSymbols(bytes.NewReader(b), int64(len(b)))
		if err != nil || !reflect.DeepEqual(want, got) {
			t.Errorf("%s without hash tables: %v\n%s", name, err, cmp.Diff(want, got, onlyExported))
		}
	}
}

// removeTag makes a dynamic tag one that means nothing here (DT_DEBUG).
func removeTag(t *testing.T, b []byte, tag uint64) {
	t.Helper()
	if off := tagOffset(t, b, tag); off >= 0 {
		binary.LittleEndian.PutUint64(b[off-8:], 21)
	}
}

// symbolFile has every kind of symbol.
func symbolFile(f testelf.File) testelf.File {
	f.Type, f.Soname = typeDyn, "libself.so.1"
	f.Symbols = []testelf.Symbol{
		{Name: "plain"},
		{Name: "any", Import: true},
		{Name: "f", Version: "V_2"},
		{Name: "f", Version: "V_1", Hidden: true},
		{Name: "g", Import: true, Version: "X_1", Library: "libx.so.1"},
		{Name: "h", Import: true, Version: "X_2", Library: "libx.so.1", Weak: true},
	}
	f.Defines = []string{"V_1", "V_2", "V_3"}
	f.Needs = []testelf.Need{{Library: "liby.so", Version: "Y_1", Weak: true}}
	return f
}

func TestSymbolsOfClassesAndOrders(t *testing.T) {
	want := &Symbols{
		Imports:   []Import{{Name: "any"}, {Name: "g", Version: "X_1", Library: "libx.so.1"}, {Name: "h", Version: "X_2", Library: "libx.so.1", Weak: true}},
		Exports:   []Export{{Name: "plain"}, {Name: "f", Version: "V_2"}, {Name: "f", Version: "V_1", Hidden: true}},
		Needs:     []VersionNeed{{Library: "liby.so", Version: "Y_1", Weak: true}, {Library: "libx.so.1", Version: "X_1"}, {Library: "libx.so.1", Version: "X_2"}},
		Versions:  []string{"V_1", "V_2", "V_3"},
		Versioned: true,
	}
	for _, f := range []testelf.File{
		{Class: 1, Machine: machine386},
		{Class: 2, Machine: machineX86_64},
		{Class: 2, BigEndian: true, Machine: machineS390},
		{Class: 1, BigEndian: true, Machine: 20},
	} {
		for hash, name := range map[testelf.Hash]string{testelf.HashGNU: "gnu", testelf.HashSysV: "sysv", testelf.HashNone: "none"} {
			f.Hash = hash
			b := symbolFile(f).Bytes()
			got, err := ParseSymbols(bytes.NewReader(b), int64(len(b)))
			if diff := cmp.Diff(want, got, onlyExported); err != nil || diff != "" {
				t.Errorf("class %d, machine %d, hash %s: %v (-want +got):\n%s", f.Class, f.Machine, name, err, diff)
			}
		}
	}
}

// A GNU hash table without exports says nothing about imports.
func TestSymbolsOfImportsAlone(t *testing.T) {
	b := testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, Symbols: []testelf.Symbol{{Name: "a", Import: true}, {Name: "b", Import: true}}}.Bytes()
	got, err := ParseSymbols(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Import{{Name: "a"}, {Name: "b"}}, got.Imports); diff != "" {
		t.Errorf("imports (-want +got):\n%s", diff)
	}
}

// What a small file could make us keep or do is bounded.
func TestSymbolsRefused(t *testing.T) {
	good := symbolFile(testelf.File{Class: 2, Machine: machineX86_64}).Bytes()
	sysv := symbolFile(testelf.File{Class: 2, Machine: machineX86_64, Hash: testelf.HashSysV}).Bytes()
	at := func(b []byte, tag uint64) int { return int(tagValue(t, b, tag)) }
	put32 := func(b []byte, off int, v uint32) []byte {
		b = bytes.Clone(b)
		binary.LittleEndian.PutUint32(b[off:], v)
		return b
	}
	long := bytes.Clone(good)
	setTag(t, long, dtStrsz, maxNames+1)
	nowhere := bytes.Clone(good)
	setTag(t, nowhere, dtSymtab, 1<<40)
	circle := bytes.Clone(good)
	setTag(t, circle, dtVerdefNum, 1<<40)
	circle = put32(circle, at(circle, dtVerdef)+16, 0xffffffff)
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"text":                              {[]byte("#!/bin/sh\n"), "not an ELF"},
		"cut in the hash table":             {good[:len(good)-8], "without an end"},
		"names too long":                    {long, "string table of"},
		"a table in no segment":             {nowhere, "no segment"},
		"too many symbols":                  {put32(sysv, at(sysv, dtHash)+4, 1<<30), "symbols, at most"},
		"too many buckets":                  {put32(good, at(good, dtGNUHash), 1<<30), "buckets"},
		"a bucket outside the file":         {put32(good, at(good, dtGNUHash)+24, 1<<30), "without an end"},
		"a name outside the strings":        {put32(good, at(good, dtSymtab)+24, 1<<30), "outside the string table"},
		"a version outside the file":        {circle, "after the end"},
		"a needed version outside the file": {put32(good, at(good, dtVerneed)+8, 1<<31), "after the end"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSymbols(bytes.NewReader(c.in), int64(len(c.in)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// Names that are parts of each other, and version records that go in circles,
// end.
func TestSymbolsThatRepeat(t *testing.T) {
	f := testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, Hash: testelf.HashSysV, Strings: []string{strings.Repeat("n", 1<<20)}}
	for range 300 {
		f.Symbols = append(f.Symbols, testelf.Symbol{Name: "x"})
	}
	b := f.Bytes()
	for i := range 300 {
		binary.LittleEndian.PutUint32(b[int(tagValue(t, b, dtSymtab))+24*(i+1):], 1)
	}
	if _, err := ParseSymbols(bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), "bytes of names") {
		t.Errorf("one long name for many symbols: %v", err)
	}
	b = symbolFile(testelf.File{Class: 2, Machine: machineX86_64}).Bytes()
	setTag(t, b, dtVerneedNum, 1<<40)
	needs := int(tagValue(t, b, dtVerneed))
	binary.LittleEndian.PutUint16(b[needs+2:], 0xffff)
	aux := needs + int(binary.LittleEndian.Uint32(b[needs+8:]))
	binary.LittleEndian.PutUint32(b[aux+12:], 0)
	binary.LittleEndian.PutUint32(b[needs+12:], 0)
	if _, err := ParseSymbols(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Errorf("counts that are too high: %v", err)
	}
}

// tagOffset is where the value of a dynamic tag is in a 64-bit file.
func tagOffset(t testing.TB, b []byte, tag uint64) int {
	t.Helper()
	p := parser{r: bytes.NewReader(b), size: int64(len(b))}
	if err := errors.Join(p.header(), p.programHeaders()); err != nil {
		t.Fatal(err)
	}
	for _, ph := range p.programs {
		if ph.typ != ptDynamic {
			continue
		}
		for off := ph.off; off+16 <= ph.off+ph.filesize; off += 16 {
			if p.is64 && p.order.Uint64(b[off:]) == tag {
				return int(off) + 8
			}
		}
	}
	return -1
}

func tagValue(t testing.TB, b []byte, tag uint64) uint64 {
	t.Helper()
	return binary.LittleEndian.Uint64(b[tagOffset(t, b, tag):])
}

func setTag(t testing.TB, b []byte, tag, v uint64) {
	t.Helper()
	binary.LittleEndian.PutUint64(b[tagOffset(t, b, tag):], v)
}

func FuzzParseSymbols(f *testing.F) {
	for _, c := range []testelf.File{
		{Class: 1, Machine: machine386},
		{Class: 2, Machine: machineX86_64, Hash: testelf.HashSysV},
		{Class: 2, BigEndian: true, Machine: machineS390, Hash: testelf.HashSysV},
		{Class: 1, BigEndian: true, Machine: 20, Hash: testelf.HashNone},
	} {
		f.Add(symbolFile(c).Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSymbols(bytes.NewReader(b), int64(len(b)))
		if (s == nil) == (err == nil) {
			t.Fatalf("symbols %v, error %v", s, err)
		}
	})
}

func BenchmarkParseSymbols(b *testing.B) {
	for _, pattern := range []string{"libc.so.6", "libcrypto.so.3", "libstdc++.so.6"} {
		files, _ := filepath.Glob("/usr/lib/*-linux-gnu/" + pattern)
		if len(files) == 0 {
			continue
		}
		b.Run(pattern, func(b *testing.B) {
			for b.Loop() {
				if _, err := symbolsOf(files[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// countingReader counts reads.
type countingReader struct {
	r io.ReaderAt
	n int
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	c.n++
	return c.r.ReadAt(p, off)
}

// TestSymbolsTakeFewReads: the check of a rebase reads hundreds of files.
func TestSymbolsTakeFewReads(t *testing.T) {
	reads, files := 0, 0
	for _, name := range systemFiles(t) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r := countingReader{r: bytes.NewReader(b)}
		if _, err := ParseSymbols(&r, int64(len(b))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		reads, files = reads+r.n, files+1
	}
	t.Logf("%d reads of %d files", reads, files)
	if reads > 6*files {
		t.Errorf("%d reads of %d files, want at most 6 each", reads, files)
	}
}

// What is read ahead is what would be read without.
func TestReadAhead(t *testing.T) {
	b := make([]byte, 3*readAheadBytes)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	a := &readAhead{r: bytes.NewReader(b)}
	for _, c := range [][2]int{{0, 64}, {64, 1000}, {readAheadBytes - 1, 2}, {10, 5}, {0, 2 * readAheadBytes}, {len(b) - 3, 3}, {len(b) - 3, 9}, {len(b), 1}, {readAheadBytes, 0}} {
		got := make([]byte, c[1])
		n, err := a.ReadAt(got, int64(c[0]))
		want := make([]byte, c[1])
		m, wantErr := bytes.NewReader(b).ReadAt(want, int64(c[0]))
		if n != m || !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%d bytes at %d: %d bytes, %v; want %d, %v", c[1], c[0], n, err, m, wantErr)
		}
	}
}
