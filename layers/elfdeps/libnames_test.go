package elfdeps

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func namesIn(parts ...string) []string {
	var l LibraryNames
	for _, p := range parts {
		l.Write([]byte(p))
	}
	return l.Besides(&Info{Soname: "libself.so.1", Needed: []string{"libc.so.6"}})
}

func TestLibraryNames(t *testing.T) {
	long := strings.Repeat("x", maxLibraryName-3)
	for text, want := range map[string][]string{
		"\x00libidn2.so.0\x00":                                 {"libidn2.so.0"},
		"\x00libself.so.1\x00libc.so.6\x00libz.so\x00":         {"libz.so"},
		"\x00/usr/lib/engines/foo.so\x00":                      {"/usr/lib/engines/foo.so"},
		"\x00liba.so\x00x\x00liba.so\x00":                      {"liba.so"},
		"\x00cannot open libx.so\x00%s.so\x00.so\x00":          nil,
		"\x00libx.sort\x00libx.so.x\x00libx.so.\x00":           nil,
		"libx.so.1\x00":                                        nil, // the file's begin is no string
		"\x00libx.so.1":                                        nil,
		"\x00liba.so.1.so.2\x00":                               {"liba.so.1.so.2"},
		"\x00" + long + ".so\x00" + "\x00y" + long + ".so\x00": {long + ".so"},
	} {
		if got := namesIn(text); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		for i := range len(text) {
			if got := namesIn(text[:i], text[i:]); !slices.Equal(got, want) {
				t.Errorf("%q in parts at %d: got %q, want %q", text, i, got, want)
			}
		}
	}
}

// How a file comes in parts must not show: the digest of an image hangs on it.
func TestLibraryNamesInParts(t *testing.T) {
	var b strings.Builder
	b.WriteString("\x7fELF\x00")
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		b.WriteString(strings.Repeat(string(rune('a'+i%26)), r.IntN(150)) + ".so" + []string{"", ".1", "x"}[r.IntN(3)] + []string{"\x00", "\x00", " "}[r.IntN(3)])
	}
	whole := namesIn(b.String())
	if len(whole) < 20 || len(whole) > maxLibraryNames {
		t.Fatalf("%d names", len(whole))
	}
	for range 200 {
		var parts []string
		for rest := b.String(); rest != ""; {
			n := min(len(rest), 1+r.IntN(300))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		if got := namesIn(parts...); !slices.Equal(got, whole) {
			t.Fatalf("got %q, want %q", got, whole)
		}
	}
}
