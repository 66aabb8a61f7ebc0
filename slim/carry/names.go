package carry

import (
	"path"
	"regexp"
	"strings"
)

// stem is a file name without its versions, which are "#": libicudata.so for
// libicudata.so.72.1, libdb-#.so for libdb-5.3.so, python# for python3.11,
// flask-#.dist-info; "#" alone for a name that is a version. A number is a
// version when it stands between "-", "_" and ".", or behind a letter with a
// dot in it: sha256 and utf8 are names. parts is how many numbers it had.
func stem(name string) (s string, parts int) {
	name, parts = cutLibraryVersion(name)
	var b strings.Builder
	for i := 0; i < len(name); {
		n := versionAt(name, i)
		if n == 0 {
			b.WriteByte(name[i])
			i++
			continue
		}
		parts += 1 + strings.Count(name[i:i+n], ".")
		b.WriteByte('#')
		i += n
	}
	return b.String(), parts
}

var libraryVersion = regexp.MustCompile(`\.so(\.[0-9]+)+$`)

func cutLibraryVersion(name string) (string, int) {
	at := libraryVersion.FindStringIndex(name)
	if at == nil {
		return name, 0
	}
	at[0] += len(".so")
	return name[:at[0]], strings.Count(name[at[0]:], ".")
}

// release is what Python (PEP 440) and Debian put behind a version's numbers.
var release = regexp.MustCompile(`^((a|b|rc|\.?post|\.?dev)[0-9]+)?([+~][A-Za-z0-9]+)?`)

// versionAt is the length of the version that begins at byte i; 0 for none.
func versionAt(name string, i int) int {
	if !isDigit(name[i]) || i > 0 && isDigit(name[i-1]) {
		return 0
	}
	end, dots := i, 0
	for end < len(name) && (isDigit(name[end]) || name[end] == '.' && end+1 < len(name) && isDigit(name[end+1])) {
		if name[end] == '.' {
			dots++
		}
		end++
	}
	if i > 0 && isWord(name[i-1]) && dots == 0 {
		return 0
	}
	end += len(release.FindString(name[end:]))
	if end < len(name) && isWord(name[end]) {
		return 0
	}
	return end - i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isLibrary says that a name is a shared library's.
func isLibrary(name string) bool {
	return strings.HasSuffix(name, ".so") || libraryVersion.MatchString(name)
}

// hasLibraryVersion tells a library from the link without a version by which
// compilers find it, and which may be a linker script.
func hasLibraryVersion(name string) bool { return libraryVersion.MatchString(name) }

// libraryName is what a library is called without any version: libdb for
// libdb-5.3.so and libdb.so.5; "" for other names.
func libraryName(name string) string {
	if !isLibrary(name) {
		return ""
	}
	s, _ := stem(name)
	return strings.TrimRight(strings.TrimSuffix(s, ".so"), "-_.#")
}

var packageVersion = regexp.MustCompile(`-?[0-9]+(\.[0-9]+)*`)

// packageStem is a package's name without versions: libicu for libicu72,
// libpng for libpng16-16t64 (t64 is Debian's mark of a 64-bit time_t),
// python-minimal for python3.11-minimal.
func packageStem(name string) string {
	if t := strings.TrimSuffix(name, "t64"); t != name && t != "" && isDigit(t[len(t)-1]) {
		name = t
	}
	return packageVersion.ReplaceAllString(name, "")
}

const hwcaps = "/glibc-hwcaps/"

// baseline is a library's path without the CPU level for which it is:
// glibc-hwcaps of ld.so(8).
func baseline(p string) (string, bool) {
	before, after, ok := strings.Cut(p, hwcaps)
	if !ok {
		return "", false
	}
	_, rest, ok := strings.Cut(after, "/")
	return before + "/" + rest, ok
}

// isRegenerated says that a file is made of others, by pare or by whoever uses
// it, so that it is nobody's loss.
func isRegenerated(p string) bool { return isCache(p) || path.Clean(p) == "/etc/ld.so.cache" }
