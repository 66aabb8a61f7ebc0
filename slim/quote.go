package slim

import (
	"strconv"
	"unicode/utf8"
)

// quoted is a name fit for people: as it is, or quoted when it is not UTF-8
// or holds anything that a terminal would act on.
func quoted(s string) string {
	q := strconv.Quote(s)
	if utf8.ValidString(s) && len(q) == len(s)+2 {
		return s
	}
	return q
}

// utf8Path is a path as JSON can hold it: as it is, or quoted when it is not
// UTF-8. No path begins with a quote.
func utf8Path(p string) string {
	if utf8.ValidString(p) {
		return p
	}
	return strconv.Quote(p)
}
