package main

import (
	"strings"
	"testing"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/slim"
)

// A name or a note with a newline does not become a line of its own.
func TestNamesForgeNoLine(t *testing.T) {
	const forged = "\n/bin/sh: dropped"
	reason := slim.Reason{Rule: forged, From: forged, Note: forged}
	p := &slim.Plan{
		User:     slim.User{From: forged},
		Findings: []slim.Finding{{Name: forged, Path: forged, Text: forged, Next: forged}},
		Risks:    []slim.Risk{{Name: forged, Path: forged, Text: forged}},
	}
	p.Source.Digest, p.Source.Platform = forged, forged
	p.Summary.ByRule = []slim.RuleShare{{Rule: forged}}
	p.Summary.DroppedByOwner = []slim.OwnerShare{{Package: forged}}
	for name, text := range map[string]string{
		"kept": whyText(slim.Explanation{
			Path: forged, Kept: true, Package: forged, Others: []slim.Reason{reason}, Chain: []slim.Step{{Reason: reason}},
		}),
		"dropped":  whyText(slim.Explanation{Path: forged, Dropped: forged}),
		"summary":  summary(p, []string{"", "source", "slim", ""}),
		"plan":     planText(p),
		"next":     slimNext(slimCommand{image: forged, slim: slimFlags{profiles: []string{forged}}}, reference.Ref{}),
		"nextPlan": slimNext(slimCommand{plan: forged}, reference.Ref{}),
	} {
		if strings.Contains(text, forged) {
			t.Errorf("%s: %s", name, text)
		}
	}
}
