package slim

import (
	"cmp"
	"maps"
	"slices"
)

// sortedKeys are a map's keys in order, for everything that bytes or text
// come out of.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
