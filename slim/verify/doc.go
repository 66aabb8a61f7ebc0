// Package verify proves a slim image: it starts it under the conditions that
// it is meant for, asks what its recording asked, ends it, starts it again,
// and compares what came of it with what came of the source.
//
// The conditions are derived from the slim image and the profile, each with
// its reason ([Derive]). While it runs, the slim image is recorded: what a
// program asked for that the source has and the slim image lacks is reported
// with who asked and what brings it back ([Missing]), and can be joined to
// the profile ([Repair], [RepairLoop]).
package verify

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text is a path as JSON and people can have it: as it is, or quoted when it
// is not UTF-8 or holds anything that a terminal would act on. No path begins
// with a quote.
func Text(p string) string {
	q := strconv.Quote(p)
	if utf8.ValidString(p) && len(q) == len(p)+2 {
		return p
	}
	return q
}

// below says that p is dir or lies under it.
func below(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir) && len(p) > len(dir) && p[len(dir)] == '/'
}

// mounted says that a path lies where runtimes mount file systems of the
// kernel, which is no part of the image.
func mounted(p string) bool {
	return below(p, "/proc") || below(p, "/sys") || below(p, "/dev")
}
