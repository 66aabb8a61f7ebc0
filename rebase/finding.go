package rebase

import (
	"cmp"
	"slices"
)

// Severity of a finding.
type Severity string

// The severities. An error forbids the move unless it is allowed by name.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Finding is something about the move that a user has to know or decide.
type Finding struct {
	Name     string   `json:"name"` // stable, kebab-case; what --allow takes
	Severity Severity `json:"severity"`
	Path     string   `json:"path,omitempty"` // quoted when not UTF-8
	// Layer is the layer of the image as it is that brings Path, from 0; nil
	// when none does.
	Layer   *int   `json:"layer,omitempty"`
	Text    string `json:"text"`
	Next    string `json:"next,omitempty"` // what to do about it
	Allowed bool   `json:"allowed,omitempty"`
}

// Forbids says that the finding forbids the move: [Plan.Err] names it.
func (f Finding) Forbids() bool { return f.Severity == SeverityError && !f.Allowed }

// sortFindings puts errors first, then names, then paths, drops duplicates,
// and marks those that are allowed.
func sortFindings(fs []Finding, allow []string) []Finding {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	fs = slices.CompactFunc(fs, func(a, b Finding) bool {
		return a.Severity == b.Severity && a.Name == b.Name && a.Path == b.Path && a.Text == b.Text
	})
	for i := range fs {
		fs[i].Allowed = fs[i].Name != FindingPlatform && slices.Contains(allow, fs[i].Name)
	}
	return fs
}

// maxTold is how many findings of one name people are told; with several times
// as many, all are of one cause.
const maxTold = 10

// Told are the findings to tell people, in their order: of each name the
// first ten, and how many more there are of the names that have more.
func Told(fs []Finding) (told []Finding, more map[string]int) {
	n := map[string]int{}
	more = map[string]int{}
	for _, f := range fs {
		if n[f.Name]++; n[f.Name] <= maxTold {
			told = append(told, f)
		} else {
			more[f.Name]++
		}
	}
	return told, more
}
