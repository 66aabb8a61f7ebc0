package elfdeps

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is written is read; so is the form that has an older cache before it.
func TestReadCache(t *testing.T) {
	info := &Info{Class: 2, Data: 1, Machine: machineX86_64}
	b, err := WriteCache([]CacheEntry{
		{Soname: "liba.so.1", Path: "/lib/liba.so.1", Info: info},
		{Soname: "libb.so.2", Path: "/lib/libb.so.2", Info: info},
		{Soname: "libb.so.2", Path: "/lib/glibc-hwcaps/x86-64-v3/libb.so.2", Info: info, HWCaps: "x86-64-v3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := [][2]string{
		{"libb.so.2", "/lib/glibc-hwcaps/x86-64-v3/libb.so.2"}, {"libb.so.2", "/lib/libb.so.2"}, {"liba.so.1", "/lib/liba.so.1"},
	}
	for _, before := range []string{"", "ld.so-1.7.0\x00\x00\x00\x00\x00"} {
		got, err := ReadCache(append([]byte(before), b...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("cache (-want +got):\n%s", diff)
		}
	}
}

// ldconfig's own listing of the host's cache is the same.
func TestReadCacheAsLdconfig(t *testing.T) {
	b, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Skip(err)
	}
	out, err := exec.CommandContext(t.Context(), "/sbin/ldconfig", "-p").Output()
	if err != nil {
		t.Skip(err)
	}
	got, err := ReadCache(b)
	if err != nil {
		t.Fatal(err)
	}
	var want [][2]string
	for line := range strings.Lines(string(out)) {
		if name, p, ok := strings.Cut(line, " => "); ok {
			want = append(want, [2]string{strings.Fields(name)[0], strings.TrimSpace(p)})
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cache (-ldconfig +got):\n%s", diff)
	}
}

func TestReadCacheBroken(t *testing.T) {
	b, err := WriteCache([]CacheEntry{{Soname: "a", Path: "/a", Info: &Info{Data: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	many := append([]byte(nil), b...)
	many[20], many[21] = 0xff, 0xff
	outside := append([]byte(nil), b...)
	outside[cacheHeaderSize+7] = 0x7f
	for name, b := range map[string][]byte{"empty": nil, "no magic": []byte("x"), "short": b[:30], "too many entries": many, "a name outside": outside} {
		if _, err := ReadCache(b); !errors.Is(err, ErrCache) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadCache(f *testing.F) {
	b, err := WriteCache([]CacheEntry{{Soname: "a", Path: "/a", Info: &Info{Data: 1}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) { ReadCache(b) }) //nolint:errcheck // no panic is all that is asked
}
