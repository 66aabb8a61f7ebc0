package onbase

import (
	"cmp"
	"slices"
)

// Severity of a finding.
type Severity string

// The severities. An error forbids building unless it is allowed by name.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Names of findings: stable, for people and for machines.
const (
	FindingAccounts  = "base-accounts"  // an account that the two sides tell differently
	FindingConflict  = "base-conflict"  // a file that both have, and nothing says whose counts
	FindingElf       = "base-elf"       // a library that the source has and the result would not find
	FindingLink      = "base-link"      // a symlink that led somewhere in the source
	FindingStructure = "base-structure" // a directory where the base has something else, or the reverse
)

// Finding is something that a user has to know or decide.
type Finding struct {
	Name     string
	Severity Severity
	Path     string // of the output, as bytes
	Text     string
	Next     string // what to do about it
}

func sortFindings(fs []Finding) []Finding {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(fs)
}
