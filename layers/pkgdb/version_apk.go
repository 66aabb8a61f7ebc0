package pkgdb

import (
	"cmp"
	"slices"
	"strings"
)

// apkPart is a kind of part of an apk version; their order is the order in
// which parts may follow each other.
type apkPart int

const (
	apkInvalid apkPart = iota - 1
	apkDigitOrZero
	apkDigit
	apkLetter
	apkSuffix
	apkSuffixNumber
	apkRevision
	apkEnd
)

// Suffixes sort by their place here; those before the version without any
// suffix, and those behind it.
var (
	apkBefore = []string{"alpha", "beta", "pre", "rc"}
	apkBehind = []string{"cvs", "svn", "git", "hg", "p"}
)

// compareApk compares DIGITS{.DIGITS}[LETTER]{_SUFFIX[DIGITS]}[-rDIGITS] as
// apk does (apk-tools, src/version.c; apk-package(5)): part by part, until two
// differ in kind or value.
func compareApk(a, b string) int {
	x, y := apkReader{rest: a, next: apkDigit}, apkReader{rest: b, next: apkDigit}
	for x.next == y.next && x.next != apkEnd && x.next != apkInvalid {
		if c := x.read().compare(y.read()); c != 0 {
			return c
		}
	}
	if x.next == y.next {
		return 0
	}
	// The longer version is the newer one, unless it goes on with a suffix
	// that comes before: 1.0_rc1 is older than 1.0.
	switch {
	case x.next == apkSuffix && x.peek().place < 0:
		return -1
	case y.next == apkSuffix && y.peek().place < 0:
		return 1
	}
	return cmp.Compare(y.next, x.next)
}

// apkValue is what a part sorts by: its place first, then its digits.
type apkValue struct {
	place  int
	digits string
}

func (v apkValue) compare(w apkValue) int {
	return cmp.Or(cmp.Compare(v.place, w.place), compareDigits(v.digits, w.digits))
}

// apkReader takes a version apart.
type apkReader struct {
	rest string
	next apkPart // kind of the part that rest begins with
}

func (r apkReader) peek() apkValue { return r.read() }

// read takes the next part, and finds the kind of the one behind it.
func (r *apkReader) read() apkValue {
	var v apkValue
	kind := r.next
	switch {
	case r.rest == "":
		r.next = apkEnd
		return v
	case kind == apkDigitOrZero && r.rest[0] == '0':
		// Zeros before digits: the more of them, the older (1.001 < 1.01 < 1.1).
		zeros := len(r.rest) - len(strings.TrimLeft(r.rest, "0"))
		v.place, r.rest = -zeros, r.rest[zeros:]
		if r.next = apkDigit; r.rest == "" {
			r.next = apkEnd
		}
		return v
	case kind == apkLetter:
		v.place, r.rest = int(r.rest[0]), r.rest[1:]
	case kind == apkSuffix:
		if v.place, r.rest, kind = cutSuffix(r.rest); kind == apkInvalid {
			r.next = apkInvalid
			return v
		}
	default:
		v.digits, r.rest = cutDigits(r.rest)
	}
	r.advance(kind)
	return v
}

// cutSuffix takes the name of a suffix; its place is below 0 for those that
// come before the version without it.
func cutSuffix(s string) (place int, rest string, kind apkPart) {
	begins := func(name string) bool { return strings.HasPrefix(s, name) }
	if i := slices.IndexFunc(apkBefore, begins); i >= 0 {
		return i - len(apkBefore), s[len(apkBefore[i]):], apkSuffix
	}
	if i := slices.IndexFunc(apkBehind, begins); i >= 0 {
		return i, s[len(apkBehind[i]):], apkSuffix
	}
	return -1, s, apkInvalid
}

// advance finds what follows a part of kind, and takes what separates it.
func (r *apkReader) advance(kind apkPart) {
	c := at(r.rest, 0)
	digits := kind == apkDigit || kind == apkDigitOrZero
	switch {
	case r.rest == "":
		r.next = apkEnd
		return
	case digits && 'a' <= c && c <= 'z':
		r.next = apkLetter
		return
	case kind == apkLetter && isDigit(c):
		r.next = apkDigit
		return
	case kind == apkSuffix && isDigit(c):
		r.next = apkSuffixNumber
		return
	}
	separators := []struct {
		text string
		next apkPart
	}{{".", apkDigitOrZero}, {"_", apkSuffix}, {"-r", apkRevision}}
	r.next = apkInvalid
	for _, s := range separators {
		rest, ok := strings.CutPrefix(r.rest, s.text)
		if !ok {
			continue
		}
		back := s.next < kind
		if allowed := digits && s.next == apkDigitOrZero || kind == apkSuffixNumber && s.next == apkSuffix; !back || allowed {
			r.rest, r.next = rest, s.next
		}
		return
	}
}
