package rebase

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The document that users read names every finding and every outcome.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/rebase.md")
	if err != nil {
		t.Fatal(err)
	}
	allowed := FindingNames()
	if !slices.IsSorted(allowed) {
		t.Errorf("the names are not sorted: %q", allowed)
	}
	names := append(allowed, FindingPlatform, Delivered, Shadowed, Newer, Removed)
	for _, c := range checks {
		if !slices.Contains(names, c.name) {
			t.Errorf("%s is no name of a finding", c.name)
		}
	}
	for _, name := range names {
		if !strings.Contains(string(b), "`"+name+"`") {
			t.Errorf("docs/rebase.md does not name %s", name)
		}
	}
}
