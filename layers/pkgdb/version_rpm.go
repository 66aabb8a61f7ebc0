package pkgdb

import (
	"cmp"
	"strings"
)

// compareRPM compares [epoch:]version[-release] as rpm does (rpmVersionCompare
// of lib/rpmver.c, rpmvercmp of rpmio/rpmvercmp.c); rpm-version(7). A release
// that one side does not name is no difference.
func compareRPM(a, b string) int {
	ae, av, ar := splitRPM(a)
	be, bv, br := splitRPM(b)
	c := cmp.Or(compareDigits(ae, be), compareRPMPart(av, bv))
	if c == 0 && ar != "" && br != "" {
		c = compareRPMPart(ar, br)
	}
	return c
}

func splitRPM(v string) (epoch, version, release string) {
	if digits, rest := cutDigits(v); strings.HasPrefix(rest, ":") {
		epoch, v = digits, rest[1:]
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

// compareRPMPart compares segments of digits and of letters, whatever
// separates them. "~" sorts before everything, the end included; "^" after the
// end, but before what continues in another way.
func compareRPMPart(a, b string) int {
	for a != "" || b != "" {
		a, b = trimSeparators(a), trimSeparators(b)
		x, y := at(a, 0), at(b, 0)
		switch {
		case x == '~' && y == '~', x == '^' && y == '^':
			a, b = a[1:], b[1:]
			continue
		case x == '~':
			return -1
		case y == '~':
			return 1
		case x == '^' && y == 0, y == '^' && x != 0:
			return 1
		case x == '^' || y == '^':
			return -1
		case x == 0 || y == 0:
			return cmp.Compare(len(a), len(b))
		case isDigit(x) != isDigit(y):
			if isDigit(x) { // numbers are newer than letters
				return 1
			}
			return -1
		}
		var c int
		if c, a, b = compareSegment(a, b); c != 0 {
			return c
		}
	}
	return 0
}

// compareSegment compares the runs of digits, or of letters, that both begin
// with, and returns what is behind them.
func compareSegment(a, b string) (c int, restA, restB string) {
	if isDigit(a[0]) {
		x, restA := cutDigits(a)
		y, restB := cutDigits(b)
		return compareDigits(x, y), restA, restB
	}
	x, y := letters(a), letters(b)
	return strings.Compare(x, y), a[len(x):], b[len(y):]
}

func letters(s string) string {
	i := 0
	for isLetter(at(s, i)) {
		i++
	}
	return s[:i]
}

func trimSeparators(s string) string {
	return strings.TrimLeftFunc(s, func(r rune) bool {
		return r > 0x7f || !isLetter(byte(r)) && !isDigit(byte(r)) && r != '~' && r != '^'
	})
}
