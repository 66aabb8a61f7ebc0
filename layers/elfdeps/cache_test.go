package elfdeps

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// needTool skips on a machine without a tool; in CI that is a failure.
func needTool(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/sbin", "/usr/sbin", "/usr/bin"} {
		if p := filepath.Join(dir, name); exists(p) {
			return p
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

// TestWriteCacheAgreesWithLdconfig compares with and without variants.
func TestWriteCacheAgreesWithLdconfig(t *testing.T) {
	t.Run("baseline", func(t *testing.T) { testLdconfig(t, false) })
	t.Run("variants", func(t *testing.T) { testLdconfig(t, true) })
}

// testLdconfig builds a root with libraries of this
// machine, some of them as CPU variants, and compares every byte with
// ldconfig's own work, but for the generator's name.
func testLdconfig(t *testing.T, variants bool) {
	ldconfig := needTool(t, "ldconfig")
	root := t.TempDir()
	libDir := "/usr/lib/test"
	var entries []CacheEntry
	add := func(src, dir, level string) {
		info, err := parseFile(src)
		if err != nil || info.Soname == "" {
			return
		}
		dst := filepath.Join(root, dir, info.Soname)
		if exists(dst) {
			return
		}
		b, err := os.ReadFile(src)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dst, b, 0o755); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, CacheEntry{Soname: info.Soname, Path: filepath.Join(dir, info.Soname), Info: info, HWCaps: level})
	}
	libs, _ := filepath.Glob("/usr/lib/*-linux-gnu/lib[a-l]*.so.[0-9]*")
	for i, lib := range libs {
		if i > 60 {
			break
		}
		add(lib, libDir, "")
		if variants && i%7 == 0 {
			add(lib, libDir+"/glibc-hwcaps/x86-64-v3", "x86-64-v3")
		}
		if variants && i%14 == 0 {
			add(lib, libDir+"/glibc-hwcaps/x86-64-v2", "x86-64-v2")
		}
	}
	if len(entries) < 10 {
		t.Fatalf("only %d libraries to compare with", len(entries))
	}
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/ld.so.conf"), []byte(libDir+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(ldconfig, "-X", "-r", root).CombinedOutput(); err != nil {
		t.Fatalf("ldconfig: %v: %s", err, out)
	}
	want, err := os.ReadFile(filepath.Join(root, "etc/ld.so.cache"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := WriteCache(entries)
	if err != nil {
		t.Fatal(err)
	}
	compareCaches(t, got, want)

	file := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(file, got, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ldconfig, "-p", "-C", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), entries[0].Path) {
		t.Errorf("ldconfig -p on our cache: %v: %s", err, out)
	}
}

// compareCaches compares all but the generator: its size in the extension
// and its text at the end.
func compareCaches(t *testing.T, got, want []byte) {
	t.Helper()
	at := bytes.LastIndex(want, []byte("ldconfig ("))
	if at < 0 {
		t.Fatalf("no generator in ldconfig's cache of %d bytes", len(want))
	}
	got, want = bytes.Clone(got[:len(got)-len(generator)]), bytes.Clone(want[:at])
	if len(got) != len(want) {
		t.Fatalf("%d bytes before the generator, ldconfig writes %d", len(got), len(want))
	}
	magic := []byte{0x74, 0x21, 0xa4, 0xea}
	for _, b := range [][]byte{got, want} {
		ext := bytes.LastIndex(b, magic)
		if ext < 0 {
			t.Fatal("no extension section")
		}
		copy(b[ext+8+12:], make([]byte, 4))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("differs from ldconfig's at byte %d of %d:\nours   %q\ntheirs %q", i, len(got), got[i:min(i+60, len(got))], want[i:min(i+60, len(want))])
		}
	}
}
