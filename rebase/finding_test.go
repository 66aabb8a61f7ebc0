package rebase

import (
	"errors"
	"fmt"
	"strings"
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

func TestTold(t *testing.T) {
	var fs []Finding
	for i := range 13 {
		fs = append(fs, Finding{Name: "a", Severity: SeverityError, Path: fmt.Sprintf("/%02d", i), Text: "t", Next: "n"})
	}
	fs = append(fs, Finding{Name: "b", Severity: SeverityError, Text: "t", Next: "n"})
	told, more := Told(fs)
	if diff := cmp.Diff(append(fs[:10:10], fs[13]), told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"a": 3}, more); diff != "" {
		t.Errorf("more (-want +got):\n%s", diff)
	}
	err := (&Plan{Findings: fs}).Err()
	if !errors.Is(err, ErrFindings) {
		t.Fatalf("error %v", err)
	}
	for text, want := range map[string]bool{`"/09"`: true, `"/10"`: false, "a: and 3 more": true, "b: t; n": true} {
		if strings.Contains(err.Error(), text) != want {
			t.Errorf("%q in the error: %v, want %v: %v", text, !want, want, err)
		}
	}
}
