package elfdeps

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testelf"
)

// systemPrograms are ELF files of whatever machine the test runs on.
func systemPrograms(t testing.TB, max int) []string {
	t.Helper()
	var found []string
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin"} {
		names, _ := filepath.Glob(dir + "/*")
		for _, name := range names {
			if len(found) == max {
				return found
			}
			if final, err := filepath.EvalSymlinks(name); err == nil && isELF(final) {
				found = append(found, final)
			}
		}
	}
	if len(found) == 0 {
		t.Fatal("no ELF programs on this machine")
	}
	return found
}

func isELF(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	n, _ := f.Read(magic[:])
	return n == 4 && string(magic[:]) == "\x7fELF"
}

func parseFile(name string) (*Info, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return Parse(f, st.Size())
}

// TestParseAgreesWithDebugELF takes the standard library as the oracle.
func TestParseAgreesWithDebugELF(t *testing.T) {
	compared := 0
	for _, name := range systemPrograms(t, 300) {
		ref, err := elf.Open(name)
		if err != nil {
			t.Logf("excluded: debug/elf does not read %s: %v", name, err)
			continue
		}
		needed, err1 := ref.DynString(elf.DT_NEEDED)
		soname, err2 := ref.DynString(elf.DT_SONAME)
		runpath, err3 := ref.DynString(elf.DT_RUNPATH)
		machine := uint16(ref.Machine)
		ref.Close()
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Logf("excluded: %s: %v", name, err)
			continue
		}
		got, err := parseFile(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compared++
		if diff := cmp.Diff(needed, got.Needed); diff != "" && len(needed)+len(got.Needed) > 0 {
			t.Errorf("%s: needed (-debug/elf +ours):\n%s", name, diff)
		}
		if strings.Join(soname, "") != got.Soname || machine != got.Machine {
			t.Errorf("%s: soname %q machine %d, want %q %d", name, got.Soname, got.Machine, soname, machine)
		}
		if strings.Join(runpath, "") != strings.Join(got.RunPath, ":") {
			t.Errorf("%s: runpath %q, want %q", name, got.RunPath, runpath)
		}
	}
	if compared == 0 {
		t.Fatal("nothing was compared")
	}
	t.Logf("%d files compared", compared)
}

func TestParseRefuses(t *testing.T) {
	good := testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, Needed: []string{"libc.so.6"}}.Bytes()
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"empty":               {nil, "not an ELF"},
		"text":                {[]byte("#!/bin/sh\n"), "not an ELF"},
		"magic only":          {[]byte("\x7fELF"), "header is 4 bytes"},
		"cut in the headers":  {good[:100], "after the end"},
		"cut in the strings":  {good[:len(good)-3], "without an end"},
		"unknown class":       {patch(good, 4, 9), "unknown class"},
		"unknown byte order":  {patch(good, 5, 9), "unknown byte order"},
		"huge program header": {patch(good, 54, 0xff), "program headers of"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(bytes.NewReader(c.in), int64(len(c.in)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// What a small file could make us keep is bounded, and long search paths are
// within the bound.
func TestParseBounds(t *testing.T) {
	parse := func(b []byte) (*Info, error) { return Parse(bytes.NewReader(b), int64(len(b))) }
	long := strings.TrimSuffix(strings.Repeat("/opt/some/where/lib:", 2000), ":") // 40,000 bytes
	info, err := parse(testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, RunPath: long}.Bytes())
	if err != nil || strings.Join(info.RunPath, ":") != long {
		t.Errorf("a long search path: %v", err)
	}
	many := make([]string, 4000)
	for i := range many {
		many[i] = strings.Repeat("n", 100)
	}
	two := testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, Interp: "/lib/ld.so.1\x00\x00\x00"}.Bytes()
	binary.LittleEndian.PutUint32(two[64+2*56:], ptDynamic) // in place of PT_INTERP
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"strings in sum":          {testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, Needed: many}.Bytes(), "bytes of strings"},
		"empty path elements":     {testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, RPath: strings.Repeat("a:", 20_000)}.Bytes(), "bytes of strings"},
		"a string too long":       {testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, RunPath: strings.Repeat("a", maxString)}.Bytes(), "without an end"},
		"two dynamic sections":    {two, "a second program header"},
		"an interpreter too long": {testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, Interp: strings.Repeat("a", maxInterp)}.Bytes(), "interpreter of"},
	} {
		if _, err := parse(c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
}

func patch(b []byte, at int, v byte) []byte {
	b = bytes.Clone(b)
	b[at] = v
	return b
}

func TestParseClassesAndOrders(t *testing.T) {
	for _, c := range []testelf.File{
		{Class: 1, Machine: machine386, Type: typeDyn, Needed: []string{"a", "b"}, Soname: "x.so.1"},
		{Class: 2, Machine: machineX86_64, Type: typeExec, Interp: "/lib/ld.so", Needed: []string{"a"}, RunPath: "$ORIGIN/../lib:/opt"},
		{Class: 2, BigEndian: true, Machine: machineS390, Type: typeDyn, RPath: "/r", Needed: []string{"z"}},
		{Class: 1, BigEndian: true, Machine: 20, Type: typeDyn, Soname: "p"},
	} {
		b := c.Bytes()
		got, err := Parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		if got.Class != c.Class || got.Machine != c.Machine || got.Interp != c.Interp || got.Soname != c.Soname ||
			!cmp.Equal(got.Needed, c.Needed) || strings.Join(got.RunPath, ":") != c.RunPath || strings.Join(got.RPath, ":") != c.RPath {
			t.Errorf("got %+v, want %+v", got, c)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(testelf.File{Class: 2, Machine: machineX86_64, Type: typeDyn, Interp: "/l", Needed: []string{"libc.so.6"}}.Bytes())
	f.Add(testelf.File{Class: 1, BigEndian: true, Machine: 20, Type: typeExec, RPath: "/x", Soname: "s"}.Bytes())
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := Parse(bytes.NewReader(b), int64(len(b)))
		if (info == nil) == (err == nil) {
			t.Fatalf("info %v, error %v", info, err)
		}
	})
}
