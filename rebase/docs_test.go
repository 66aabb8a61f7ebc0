package rebase

import (
	"os"
	"strings"
	"testing"
)

// The document that users read names every finding and every outcome.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/rebase.md")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{
		FindingAccounts, FindingConfig, FindingConfigUnknown, FindingFixMissing, FindingPackageDatabase, FindingShadowed, FindingUnmet,
		FindingInterpreter, FindingVersion, FindingSymbol,
		Delivered, Shadowed, Newer, Removed,
	}
	for _, c := range checks {
		names = append(names, c.name)
	}
	for _, name := range names {
		if !strings.Contains(string(b), "`"+name+"`") {
			t.Errorf("docs/rebase.md does not name %s", name)
		}
	}
}
