package pkgdb

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Orders are lines of "A < B", "A = B" or "A > B".
func testOrders(t *testing.T, format, orders string) {
	t.Helper()
	signs := map[string]int{"<": -1, "=": 0, ">": 1}
	for line := range strings.Lines(strings.TrimSpace(orders)) {
		f := strings.Fields(line)
		want, known := signs[f[1]]
		if len(f) != 3 || !known {
			t.Fatalf("%q is no order", line)
		}
		if got := cmp.Compare(CompareVersions(format, f[0], f[2]), 0); got != want {
			t.Errorf("%s: got %d", strings.TrimSpace(line), got)
		}
		if got := cmp.Compare(CompareVersions(format, f[2], f[0]), 0); got != -want {
			t.Errorf("%s, asked the other way round: got %d", strings.TrimSpace(line), got)
		}
	}
}

// Cases of deb-version(7) and of dpkg's own tests (lib/dpkg/t/t-version.c).
func TestCompareDpkg(t *testing.T) {
	testOrders(t, "dpkg", `
		1.0 = 1.0
		0:1.0 = 1.0
		1.0-0 = 1.0
		1:0.1 > 2.0
		10:1 > 9:9
		1.0~rc1 < 1.0
		1.0~~ < 1.0~
		1.0~~a < 1.0~
		1.0~ < 1.0
		1.0 < 1.0a
		1.0a < 1.0+
		1.0a > 1.0-1
		1.0-1 < 1.0+b1
		1.2 < 1.10
		1.02 = 1.2
		1.0001 = 1.1
		0.0.0 < 0.0.0a
		1.2.3-1 < 1.2.3-1+deb12u1
		3.0.20-1~deb12u1 < 3.0.22-1~deb12u1
		5.36.0-7+deb12u3 < 5.36.0-7+deb12u4
		1:1.2.13.dfsg-1 > 1.2.13.dfsg-1
		2.36-9+deb12u13 > 2.36-9
		1-2-3 < 1-2-4
		1-2-3 > 1-1-4
		99999999999999999999999 > 99999999999999999999998
		20230311 < 20230311+deb12u1
	`)
}

// Cases of apk's own tests (apk-tools, test/version.data).
func TestCompareApk(t *testing.T) {
	testOrders(t, "apk", `
		2.34 > 0.1.0_alpha
		23_foo > 4_beta
		1.0 < 1.0bc
		0.1.0_alpha = 0.1.0_alpha
		0.1.0_alpha2 > 0.1.0_alpha
		0.1.0_alpha < 2.2.39-r1
		1.0.4-r3 < 1.0.4-r4
		1.1 > 1.1_alpha1
		1.2 < 1.3_alpha
		1.3_alpha2 < 1.3_alpha3
		2.3.0b-r1 < 2.3.0b-r2
		0.12 < 0.13_beta1
		3.1_p16 < 3.1_p17
		1.06-r6 < 006
		006 > 1.0.0
		1.2.11 < 1.2.12.1
		4.2.52_p2-r1 < 4.2.52_p4-r2
		1.02.07 < 1.02.10-r1
		2.5.1-r8 < 2.5.1a-r1
		2.9.11_pre20051101-r3 > 2.9.11_pre20051101
		0.9.28-r2 < 0.9.28.1
		1.8.5 < 1.8.5_p2
		1.00_beta2 < 1.39
		021109-r3 < 20060512
		6b-r7 > 1.12-r7
		1.3-r0 < 1.3.1-r0
		1.3_pre1-r1 < 1.3.2
		1.0_p10-r0 > 1.0_p9-r0
		0.1.0_alpha_pre2 < 0.1.0_alpha
		1.0.0_pre20191002222144-r0 < 1.0.0_pre20210530193627-r0
		3.1.4-r1 < 3.1.4-r5
	`)
}

// Cases of rpm's own tests (tests/rpmvercmp.at, tests/rpmdepmatch.at), and
// what epochs and releases add.
func TestCompareRPM(t *testing.T) {
	testOrders(t, "rpm", `
		1.0 = 1.0
		2.0.1a > 2.0.1
		5.5p1 < 5.5p2
		5.5p10 > 5.5p1
		10xyz < 10.1xyz
		xyz10 < xyz10.1
		xyz.4 < 8
		xyz.4 < 2
		5.5p2 < 5.6p1
		6.0.rc1 > 6.0
		10a2 < 10b2
		1.0aa > 1.0a
		10.0001 = 10.1
		10.0001 < 10.0039
		4.999.9 < 5.0
		2_0 = 2.0
		a+ = a_
		+ = _
		1.0~rc1 < 1.0
		1.0~rc1~git123 < 1.0~rc1
		1.0^ > 1.0
		1.0^git1 < 1.0^git2
		1.0^git1 < 1.01
		1.0^20160101 < 1.0.1
		1.0^20160102 > 1.0^20160101^git1
		1.0~rc1^git1 > 1.0~rc1
		1.0^git1 > 1.0^git1~pre
		1:1.0-1 > 2.0-1
		0:1.0-1 = 1.0-1
		1.0-2 > 1.0-1
		1.0 = 1.0-1
		3.0.7-27.el9 < 3.0.7-28.el9_4
	`)
}

// dpkg itself is asked about pairs that random edits make.
func TestCompareAgainstDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("dpkg is not installed")
	}
	pairs := 4000
	if testing.Short() {
		pairs = 60 // each takes two processes
	}
	r := rand.New(rand.NewPCG(1, 2))
	var script strings.Builder
	var asked [][2]string
	for range pairs {
		a := randomDpkg(r)
		b := editVersion(r, a)
		asked = append(asked, [2]string{a, b})
		fmt.Fprintf(&script, "dpkg --compare-versions '%s' lt '%s' && echo -1 || { dpkg --compare-versions '%s' gt '%s' && echo 1 || echo 0; }\n", a, b, a, b)
	}
	cmd := exec.CommandContext(t.Context(), "sh")
	cmd.Stdin = strings.NewReader(script.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Fields(string(out))
	if len(answers) != pairs {
		t.Fatalf("%d answers to %d questions", len(answers), pairs)
	}
	seen := map[string]int{}
	for i, p := range asked {
		seen[answers[i]]++
		if got := fmt.Sprint(cmp.Compare(CompareVersions("dpkg", p[0], p[1]), 0)); got != answers[i] {
			t.Errorf("%s and %s: got %s, dpkg says %s", p[0], p[1], got, answers[i])
		}
	}
	for _, answer := range []string{"-1", "0", "1"} {
		if seen[answer] < max(1, pairs/100) {
			t.Errorf("only %d pairs of %d have the answer %s", seen[answer], pairs, answer)
		}
	}
}

// randomDpkg makes a version that dpkg takes without a warning.
func randomDpkg(r *rand.Rand) string {
	v := fmt.Sprint(r.IntN(3))
	for range 1 + r.IntN(6) {
		v += []string{".", "~", "+", "a", "rc", "deb", "0", "1", "10", "007", "Z"}[r.IntN(11)]
	}
	if r.IntN(3) == 0 {
		v = fmt.Sprintf("%d:%s", r.IntN(3), v)
	}
	if r.IntN(2) == 0 {
		v += fmt.Sprintf("-%d", r.IntN(3))
		v += []string{"", "~bpo1", "+deb12u1", "ubuntu2", ".1"}[r.IntN(5)]
	}
	return v
}

// editVersion changes a version a little, so that the two are close.
func editVersion(r *rand.Rand, v string) string {
	at := 1 + r.IntN(len(v))
	for strings.Contains(v[at:], ":") {
		at++ // epochs stay numbers
	}
	insert := []string{"", "0", "~", "+", "a", ".", "1"}[r.IntN(7)]
	cut := min(len(v), at+r.IntN(2))
	return v[:at] + insert + v[cut:]
}

// An order is only one when it does not contradict itself, whatever the text.
func FuzzCompareVersions(f *testing.F) {
	f.Add("1:1.0~rc1-2", "1.0_alpha2-r3", "1.0^git1-1")
	f.Add("", "~", "^")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, format := range []string{"dpkg", "apk", "rpm"} {
			order := func(x, y string) int { return cmp.Compare(CompareVersions(format, x, y), 0) }
			if order(a, a) != 0 || order(a, b) != -order(b, a) {
				t.Errorf("%s: %q and %q: %d, %d", format, a, b, order(a, b), order(b, a))
			}
			if format == "dpkg" && order(a, b) <= 0 && order(b, c) <= 0 && order(a, c) > 0 {
				t.Errorf("%s: %q <= %q <= %q, and %q > %q", format, a, b, c, a, c)
			}
		}
	})
}
