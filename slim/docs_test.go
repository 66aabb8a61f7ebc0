package slim

import (
	"os"
	"strings"
	"testing"
)

// The document that users read names every rule, group and finding.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	names := append(GroupNames(), findingNames...)
	for _, r := range rules() {
		if !strings.HasPrefix(r.name, "group:") {
			names = append(names, r.name)
		}
	}
	if len(names) < 20 {
		t.Fatalf("only %d names: %q", len(names), names)
	}
	for _, name := range names {
		if !strings.Contains(string(b), "`"+name+"`") {
			t.Errorf("docs/rules.md does not name %s", name)
		}
	}
}
