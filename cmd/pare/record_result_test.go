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

// A test suite that fails by itself, and what a crawl left, make a recording
// too short: that is said.
func TestTooShortRecordingsAreSaid(t *testing.T) {
	r := &recorded{Result: &record.Result{
		Notes: []string{"crawling left 3 links"},
		Profile: &profile.Profile{Sessions: []profile.Session{{Probes: []profile.Probe{
			{Kind: profile.ProbeRun, Argv: []string{"./test"}, Answer: profile.Answer{ExitCode: 7}},
			{Kind: profile.ProbeExec, Argv: []string{"false"}, Answer: profile.Answer{ExitCode: 1}}, // may well be meant
		}}}},
	}}
	got := strings.Join(recordWarnings(r), "\n")
	if want := "crawling left 3 links\nrun ./test failed with exit code 7"; !strings.HasPrefix(got, want) || strings.Contains(got, "false") {
		t.Errorf("%q", got)
	}
}
