package main

import (
	"strings"
	"testing"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record"
)

// TestFindingsOfTheRecorderAreSaid, each on a line of its own.
func TestFindingsOfTheRecorderAreSaid(t *testing.T) {
	r := &recorded{Result: &record.Result{Profile: &profile.Profile{Sessions: []profile.Session{{
		Findings: []profile.Finding{{Name: "own-listener", By: "/bin/\x1b[2Jx", Count: 3, Text: "got EBUSY"}},
	}}}}}
	got := strings.Join(recordWarnings(r), "\n")
	if !strings.HasPrefix(got, "got EBUSY (") || !strings.Contains(got, "3 times") || strings.ContainsAny(got, "\x1b\n") {
		t.Errorf("%q", got)
	}
}
