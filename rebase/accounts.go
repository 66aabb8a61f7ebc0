package rebase

import (
	"slices"
	"strings"
)

// FindingAccounts: merged accounts share a number, or one has two.
const FindingAccounts = "account-conflict"

// sameLines says whether two files have the same lines in any order.
func sameLines(a, b []byte) bool {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}
