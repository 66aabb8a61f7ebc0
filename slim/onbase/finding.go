package onbase

import (
	"cmp"
	"fmt"
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
	FindingAccounts     = "base-accounts"     // an account that the two sides tell differently
	FindingConflict     = "base-conflict"     // a file that both have, and nothing says whose counts
	FindingDistribution = "base-distribution" // packages of two distributions, or of two releases of one
	FindingElf          = "base-elf"          // what a program needs and the source has, and the result would not find
	FindingLink         = "base-link"         // a symlink, or a name, that led somewhere in the source
	FindingStructure    = "base-structure"    // a directory where the base has something else, or the reverse
)

// Finding is something that a user has to know or decide.
type Finding struct {
	Name     string
	Severity Severity
	Path     string // of the output, as bytes; of several, the first
	Text     string
	Next     string // what to do about it
}

// joinFindings sorts findings, and makes one of those that say the same of
// several paths.
func joinFindings(fs []Finding) []Finding {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Text, b.Text), cmp.Compare(a.Path, b.Path))
	})
	fs = slices.Compact(fs)
	var out []Finding
	for i := 0; i < len(fs); {
		n := 1
		for i+n < len(fs) && fs[i+n].Severity == fs[i].Severity && fs[i+n].Name == fs[i].Name && fs[i+n].Text == fs[i].Text {
			n++
		}
		f := fs[i]
		if n > 1 {
			f.Text += fmt.Sprintf(" (and %d more such files)", n-1)
		}
		out = append(out, f)
		i += n
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	return out
}
