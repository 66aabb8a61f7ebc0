package slim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/pare-image/pare/slim/onbase"
)

// Severity of a finding.
type Severity string

// The severities. An error forbids building unless it is allowed by name.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Names of findings: stable, for --allow and for machines.
const (
	FindingBaseAccounts     = onbase.FindingAccounts
	FindingBaseConflict     = onbase.FindingConflict
	FindingBaseDistribution = onbase.FindingDistribution
	FindingBaseElf          = onbase.FindingElf
	FindingBaseLink         = onbase.FindingLink
	FindingBaseStructure    = onbase.FindingStructure

	FindingCannotWrite     = "cannot-write"
	FindingLostEvents      = "lost-events"
	FindingLowPort         = "low-port"
	FindingPackageDatabase = "package-database"
	FindingProfileDrift    = "profile-drift"
	FindingSeveralUsers    = "several-users"
	FindingSourceSBOM      = "source-sbom"
	FindingUnreadable      = "unreadable-by-user"
	FindingUnsafeDrop      = "unsafe-drop"
	FindingUnsafeOwner     = "unsafe-owner"
	FindingUnusedPattern   = "unused-pattern"
)

var findingNames = []string{
	FindingBaseAccounts, FindingBaseConflict, FindingBaseDistribution, FindingBaseElf, FindingBaseLink, FindingBaseStructure,
	FindingCannotWrite, FindingLostEvents, FindingLowPort, FindingPackageDatabase, FindingProfileDrift,
	FindingSeveralUsers, FindingSourceSBOM, FindingUnreadable, FindingUnsafeDrop, FindingUnsafeOwner, FindingUnusedPattern,
}

// FindingNames are the names of all findings, sorted.
func FindingNames() []string { return slices.Clone(findingNames) }

// notAllowed are findings that leave open what would be built, and what
// decides them.
var notAllowed = map[string]string{
	FindingBaseConflict:  "decide whose file counts with --prefer source or --prefer base",
	FindingBaseStructure: "one of both files cannot be there; choose another base",
}

// Finding is something that a user has to know or decide.
type Finding struct {
	Name     string   `json:"name"`
	Severity Severity `json:"severity"`
	Path     string   `json:"path,omitempty"` // quoted when not UTF-8
	Text     string   `json:"text"`
	Next     string   `json:"next,omitempty"` // what to do about it
	Allowed  bool     `json:"allowed,omitempty"`
}

// Risk is something that a recording cannot prove.
type Risk struct {
	Name string `json:"name"`
	Path string `json:"path,omitempty"`
	Text string `json:"text"`
}

// Err returns an error (ErrFindings) that names every finding which forbids
// building; nil when there is none.
func (p *Plan) Err() error {
	var errs []error
	for _, f := range p.Findings {
		if f.Severity != SeverityError || f.Allowed {
			continue
		}
		text := f.Name + ": "
		if f.Path != "" {
			text += strconv.Quote(f.Path) + ": "
		}
		errs = append(errs, errors.New(text+f.Text+"; "+f.Next))
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrFindings, errors.Join(errs...))
}

func sortFindings(fs []Finding, allow []string) []Finding {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Path, b.Path))
	})
	fs = slices.Compact(fs)
	for i := range fs {
		fs[i].Allowed = slices.Contains(allow, fs[i].Name)
	}
	return fs
}

// sortRisks sorts by name; ranks, where a rule gave them, come before path
// and text.
func sortRisks(rs []Risk, ranks map[Risk]int) []Risk {
	slices.SortStableFunc(rs, func(a, b Risk) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(ranks[a], ranks[b]), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(rs)
}
