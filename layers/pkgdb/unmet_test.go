package pkgdb

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/layers"
)

func TestUnmetDpkg(t *testing.T) {
	for _, c := range []struct{ name, status, want string }{
		{"all is there", "a 1 amd64|Depends: b (>= 2), c | d;b 2.1 amd64;d 1 all", ""},
		{"nothing is there", "a 1 amd64|Depends: b (>= 2)", `a Depends b (>= 2): ""`},
		{"too old", "a 1 amd64|Pre-Depends: b (>= 2);b 1.9 amd64", `a Pre-Depends b (>= 2): "1.9"`},
		{"an exact version", "perl 5.36-1 amd64|Depends: perl-base (= 5.36-1);perl-base 5.36-2 amd64", `perl Depends perl-base (= 5.36-1): "5.36-2"`},
		{"no alternative", "a 1 amd64|Depends: b | c (<< 1);c 1 amd64", `a Depends b | c (<< 1): ""`},
		{"provided", "a 1 amd64|Depends: mta;b 1 amd64|Provides: mta", ""},
		{"provided without the version that is wanted", "a 1 amd64|Depends: mta (>= 1);b 1 amd64|Provides: mta", `a Depends mta (>= 1): ""`},
		{"provided with a version", "a 1 amd64|Depends: mta (>= 1);b 1 amd64|Provides: mta (= 1.5)", ""},
		{"of another architecture", "a 1 amd64|Depends: b;b 1 i386", `a Depends b: "1"`},
		{"of another architecture that may serve", "a 1 amd64|Depends: b;b 1 i386|Multi-Arch: foreign", ""},
		{"of any architecture", "a 1 amd64|Depends: b:any;b 1 i386|Multi-Arch: allowed", ""},
		{"of a named architecture", "a 1 amd64|Depends: b:i386;b 1 amd64", `a Depends b:i386: "1"`},
		{"broken by version", "a 2 amd64|Breaks: b (<< 2);b 1 amd64", `a Breaks b (<< 2): "b 1"`},
		{"not broken", "a 2 amd64|Breaks: b (<< 2);b 2 amd64", ""},
		{"conflict with what it provides itself", "a 1 amd64|Conflicts: mta\nProvides: mta", ""},
		{"conflict with what another provides", "a 1 amd64|Conflicts: mta\nProvides: mta;b 1 amd64|Provides: mta", `a Conflicts mta: "b 1"`},
		{"an older operator", "a 1 amd64|Depends: b (< 2);b 2 amd64", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var status strings.Builder
			for p := range strings.SplitSeq(c.status, ";") {
				head, more, _ := strings.Cut(p, "|")
				f := strings.Fields(head)
				fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nVersion: %s\nArchitecture: %s\n%s\n\n", f[0], f[1], f[2], more)
			}
			ps, err := parseStatus([]byte(strings.ReplaceAll(status.String(), "\n\n\n", "\n\n")))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, unmetText(t, "dpkg", ps)); diff != "" {
				t.Errorf("unmet (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnmetApk(t *testing.T) {
	for _, c := range []struct{ name, installed, want string }{
		{"all is there", "P:a\nV:1\nD:so:libx.so.1 b>=2 /bin/sh\n\nP:b\nV:2.1-r0\np:so:libx.so.1=1.0.0\n", ""},
		{"a library is gone", "P:a\nV:1\nD:so:libx.so.1\n\nP:b\nV:2\np:so:libx.so.2=2\n", `a Depends so:libx.so.1: ""`},
		{"too old", "P:a\nV:1\nD:b>=2\n\nP:b\nV:1.9-r3\n", `a Depends b (>= 2): "1.9-r3"`},
		{"about that version", "P:a\nV:1\nD:b~1.9\n\nP:b\nV:1.9.3-r3\n", ""},
		{"not about that version", "P:a\nV:1\nD:b~1.9\n\nP:b\nV:1.90-r3\n", `a Depends b (~ 1.9): "1.90-r3"`},
		{"conflict", "P:a\nV:1\nD:!b\n\nP:b\nV:1\n", `a Conflicts b: "b 1"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ps []*Package
			for _, raw := range stanzas([]byte(c.installed)) {
				p, err := parseApk(raw)
				if err != nil {
					t.Fatal(err)
				}
				ps = append(ps, p)
			}
			if diff := cmp.Diff(c.want, unmetText(t, "apk", ps)); diff != "" {
				t.Errorf("unmet (-want +got):\n%s", diff)
			}
		})
	}
}

// Many packages that all provide and want one name are refused in time.
func TestUnmetIsBounded(t *testing.T) {
	var ps []*Package
	for i := range 4_000 {
		p, _, err := parseStanza(fmt.Appendf(nil, "Package: p%d\nVersion: 1\nArchitecture: all\nProvides: x (= 1)\nConflicts: x (= 2)", i))
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	if _, err := unmet("dpkg", ps); !errors.Is(err, layers.ErrLimit) {
		t.Errorf("not refused: %v", err)
	}
}

func unmetText(t *testing.T, format string, packages []*Package) string {
	t.Helper()
	all, err := unmet(format, packages)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, u := range all {
		lines = append(lines, fmt.Sprintf("%s %s %s: %q", u.Package, u.Kind, u.Want, u.Have))
	}
	return strings.Join(lines, "\n")
}
