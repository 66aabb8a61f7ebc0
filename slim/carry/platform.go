package carry

import (
	"slices"
	"strings"
)

// architecture is how names in file systems call one.
type architecture struct {
	goarch  string // as platforms are called
	machine uint16 // e_machine of its ELF files (System V gABI, elf.h)
	class   byte   // EI_CLASS
	// loaders of glibc and musl, by file name.
	loaders []string
	// names of the architecture, by who gives them: Debian's multiarch
	// directories, the kernel (uname(2)), Debian's packages, Node.
	triplet, uname, debian, node string
	// also are further spellings.
	also []string
}

var architectures = []architecture{
	{
		goarch: "amd64", machine: 62, class: 2, loaders: []string{"ld-linux-x86-64.so.2", "ld-musl-x86_64.so.1"},
		triplet: "x86_64-linux", uname: "x86_64", debian: "amd64", node: "x64", also: []string{"x86-64"},
	},
	{
		goarch: "arm64", machine: 183, class: 2, loaders: []string{"ld-linux-aarch64.so.1", "ld-musl-aarch64.so.1"},
		triplet: "aarch64-linux", uname: "aarch64", debian: "arm64", node: "arm64",
	},
	{
		goarch: "arm", machine: 40, class: 1, loaders: []string{"ld-linux-armhf.so.3", "ld-musl-armhf.so.1"},
		triplet: "arm-linux", uname: "armv7l", debian: "armhf", node: "arm",
	},
	{
		goarch: "386", machine: 3, class: 1, loaders: []string{"ld-linux.so.2", "ld-musl-i386.so.1"},
		triplet: "i386-linux", uname: "i686", debian: "i386", node: "ia32",
	},
	{
		goarch: "ppc64le", machine: 21, class: 2, loaders: []string{"ld64.so.2", "ld-musl-powerpc64le.so.1"},
		triplet: "powerpc64le-linux", uname: "ppc64le", debian: "ppc64el", node: "ppc64",
	},
	{
		goarch: "s390x", machine: 22, class: 2, loaders: []string{"ld64.so.1", "ld-musl-s390x.so.1"},
		triplet: "s390x-linux", uname: "s390x", debian: "s390x", node: "s390x",
	},
	{
		goarch: "riscv64", machine: 243, class: 2, loaders: []string{"ld-linux-riscv64-lp64d.so.1", "ld-musl-riscv64.so.1"},
		triplet: "riscv64-linux", uname: "riscv64", debian: "riscv64", node: "riscv64",
	},
}

// architectureOf is the one of a platform, "os/arch[/variant]"; nil when it is
// not known.
func architectureOf(platform string) *architecture {
	parts := strings.Split(platform, "/")
	if len(parts) < 2 || parts[0] != "linux" {
		return nil
	}
	i := slices.IndexFunc(architectures, func(a architecture) bool { return a.goarch == parts[1] })
	if i < 0 {
		return nil
	}
	return &architectures[i]
}

// translation turns names of one architecture into those of another; the zero
// value turns nothing.
type translation struct{ from, to *architecture }

func newTranslation(from, to string) translation {
	t := translation{architectureOf(from), architectureOf(to)}
	if t.from == nil || t.to == nil || t.from == t.to {
		return translation{}
	}
	return t
}

// names are what a file name may be called on the other architecture, the
// likeliest first; nil when it says nothing of one.
func (t translation) names(name string) []string {
	if t.from == nil {
		return nil
	}
	if i := slices.Index(t.from.loaders, name); i >= 0 {
		return []string{t.to.loaders[i]}
	}
	var out []string
	add := func(from, to string) {
		if s, ok := replaceWord(name, from, to); ok && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	f, to := t.from, t.to
	add(triplets(f, name), triplets(to, name))
	add("linux-"+f.node, "linux-"+to.node)
	add(f.uname, to.uname)
	add(f.debian, to.debian)
	add(f.node, to.node)
	for _, spelling := range append([]string{f.uname, f.debian}, f.also...) {
		add(spelling, to.uname)
		add(spelling, to.debian)
	}
	if name == "lib64" { // where only some have their loader
		out = append(out, "lib")
	} else if name == "lib" {
		out = append(out, "lib64")
	}
	return out
}

// triplets is the multiarch name as it stands in name: ARM's has the ABI in it.
func triplets(a *architecture, name string) string {
	if a.goarch != "arm" {
		if strings.Contains(name, "-linux-musl") {
			return a.triplet + "-musl"
		}
		return a.triplet + "-gnu"
	}
	if strings.Contains(name, "-linux-musl") {
		return a.triplet + "-musleabihf"
	}
	return a.triplet + "-gnueabihf"
}

// replaceWord replaces from in name where no letter or digit goes on before or
// behind it.
func replaceWord(name, from, to string) (string, bool) {
	for at := 0; ; {
		i := strings.Index(name[at:], from)
		if i < 0 {
			return "", false
		}
		i += at
		end := i + len(from)
		if (i == 0 || !isWord(name[i-1])) && (end == len(name) || !isWord(name[end])) {
			return name[:i] + to + name[end:], true
		}
		at = i + 1
	}
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
