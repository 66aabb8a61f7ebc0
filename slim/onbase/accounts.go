package onbase

import "github.com/pare-image/pare/layers/accounts"

// MergeAccounts is a file of users or groups of an image on a base, see
// [accounts.File.Join]. nil is a file that is not there.
func MergeAccounts(f accounts.File, base, source []byte) ([]byte, []Finding) {
	merged, conflicts := f.Join(base, source)
	var out []Finding
	for _, c := range conflicts {
		x := Finding{Name: FindingAccounts, Severity: SeverityWarning, Path: f.Path, Text: c.Text, Next: "have the source use a number that the base does not"}
		if c.Twice {
			x.Severity, x.Next = SeverityError, "give the account the base's number when the source is built, or choose another base"
		}
		out = append(out, x)
	}
	return merged, out
}
