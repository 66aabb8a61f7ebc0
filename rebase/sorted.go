package rebase

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// sortedKeys are a map's keys in order, for everything that bytes or text
// come out of.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// utf8Path is a path as JSON can hold it: as it is, or quoted when it is not
// UTF-8. No path begins with a quote.
func utf8Path(p string) string {
	if utf8.ValidString(p) {
		return p
	}
	return strconv.Quote(p)
}
