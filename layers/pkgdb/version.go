package pkgdb

import (
	"cmp"
	"strings"
)

// CompareVersions says which of two versions of a package is the later one,
// by the rules of the database's format ("dpkg", "status.d", "apk", "rpm"):
// below 0 when a is older, 0 when they are the same, above 0 when a is newer.
// Any text is taken; what is no version of that format sorts somewhere, always
// in the same place.
func CompareVersions(format, a, b string) int {
	switch format {
	case "apk":
		return compareApk(a, b)
	case "rpm":
		return compareRPM(a, b)
	}
	return compareDpkg(a, b)
}

// isDigit and isLetter are those of ASCII alone, whatever the locale.
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// at is the i-th byte of s, 0 behind its end: as C's strings have it.
func at(s string, i int) byte {
	if i < len(s) {
		return s[i]
	}
	return 0
}

// cutDigits splits s behind the digits that it begins with.
func cutDigits(s string) (digits, rest string) {
	i := 0
	for isDigit(at(s, i)) {
		i++
	}
	return s[:i], s[i:]
}

// compareDigits compares runs of digits as numbers of any size.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
