package pkgdb

import (
	"cmp"
	"strings"
)

// compareDpkg is deb-version(7), "Sorting algorithm", as dpkg has it
// (lib/dpkg/version.c): epochs as numbers, then upstream versions, then
// revisions.
func compareDpkg(a, b string) int {
	ae, au, ar := splitDpkg(a)
	be, bu, br := splitDpkg(b)
	return cmp.Or(compareDigits(ae, be), compareDpkgPart(au, bu), compareDpkgPart(ar, br))
}

// splitDpkg splits [epoch:]upstream[-revision].
func splitDpkg(v string) (epoch, upstream, revision string) {
	v = strings.TrimSpace(v)
	if e, rest, ok := strings.Cut(v, ":"); ok {
		epoch, v = e, rest
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

// compareDpkgPart compares by turns what is no digit, character by character,
// and what is, as numbers.
func compareDpkgPart(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			if c := cmp.Compare(dpkgOrder(a), dpkgOrder(b)); c != 0 {
				return c
			}
			a, b = a[1:], b[1:] // the same, so that neither has ended
		}
		var x, y string
		x, a = cutDigits(a)
		y, b = cutDigits(b)
		if c := compareDigits(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// dpkgOrder is how a text sorts by its first character: "~" before the end, the
// end (and a digit) before letters, letters before all else.
func dpkgOrder(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isLetter(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}
