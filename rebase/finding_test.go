package rebase

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSortFindings(t *testing.T) {
	w := Finding{Name: "a", Severity: SeverityWarning, Path: "/x", Text: "t"}
	e := Finding{Name: "b", Severity: SeverityError, Path: "/y", Text: "t"}
	first := 3
	at := e
	at.Layer = &first
	allowed := e
	allowed.Allowed = true
	got := sortFindings([]Finding{w, e, at, w}, []string{"b"})
	if diff := cmp.Diff([]Finding{allowed, w}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
