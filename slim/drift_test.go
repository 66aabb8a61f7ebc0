package slim

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
)

// What is gone of the recorded image forbids building where it was used and
// nothing of its kind comes whole.
func TestDrift(t *testing.T) {
	tree := open(t, "\n-- layer --\nfile app/main \"x\"\nfile srv/shop/a.py \"y\"\nfile etc/ssl/certs/a.pem \"ca\"\n")
	from := profile.Image{Digest: "sha256:old", Platform: "linux/amd64"}
	gone := func(path, owner string, inImage, used bool) profile.Gone {
		return profile.Gone{Path: path, Package: owner, InImage: inImage, Used: used, Text: "nothing like it"}
	}
	p := joined(opened("/app/main", "/srv/shop/a.py", "/etc/ssl/certs/a.pem"), &profile.Profile{Derived: []profile.Derivation{{From: from, Gone: []profile.Gone{
		gone("/usr/lib/libx.so.1", "libx1 1", true, true), gone("/usr/lib/liby.so.1", "libx1 1", true, true), gone("/usr/lib/seen", "libx1 1", true, false),
		gone("/srv/shop/b.py", "", true, true), gone("/etc/ssl/certs/b.pem", "", true, true), gone("/var/x", "", false, true), gone(`"/usr/\xff"`, "", true, true),
	}}}})
	plan := planned(t, tree, p, Options{})
	var got []string
	for _, f := range plan.Findings {
		if f.Name == FindingProfileDrift {
			got = append(got, string(f.Severity)+" "+f.Path+" "+f.Text)
		}
	}
	had, was := "the recorded image had it, this one does not: nothing like it", "it existed when the workload ran, and is not in this image: nothing like it"
	want := []string{
		`error "/usr/\xff" ` + had, "error /usr/lib/libx.so.1 " + had + "; so are 1 more of libx1 1",
		"warning /etc/ssl/certs/b.pem " + had + "; so are 1 more", "warning /usr/lib/seen " + had, "warning /var/x " + was,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	if err := plan.Err(); !errors.Is(err, ErrFindings) || !strings.Contains(err.Error(), FindingProfileDrift) {
		t.Errorf("built all the same: %v", err)
	}
	if err := planned(t, tree, p, Options{Allow: []string{FindingProfileDrift}}).Err(); err != nil {
		t.Errorf("allowed, and yet %v", err)
	}
	file := planned(t, tree, p, Options{Granularity: GranularityFile})
	if !slices.ContainsFunc(file.Findings, func(f Finding) bool { return f.Severity == SeverityError && f.Path == "/srv/shop/b.py" }) {
		t.Errorf("by file, a file of the application is missed: %+v", file.Findings)
	}
}

// A derived profile is a risk until it was verified.
func TestDerivedRisk(t *testing.T) {
	tree := open(t, "\n-- layer --\nfile app/main \"x\"\n")
	for _, verified := range []bool{false, true} {
		p := joined(opened("/app/main"), &profile.Profile{Derived: []profile.Derivation{{From: profile.Image{Digest: "sha256:old", Platform: "linux/amd64"}, Verified: verified}}})
		plan := planned(t, tree, p, Options{})
		marked := slices.ContainsFunc(plan.Risks, func(r Risk) bool {
			return r.Name == "derived-profile" && strings.Contains(r.Text, "sha256:old (linux/amd64)")
		})
		if marked == verified {
			t.Errorf("verified %t: risks %+v", verified, plan.Risks)
		}
		if d := cmp.Diff(p.Derived, plan.Profile.Derived); d != "" {
			t.Errorf("the plan says otherwise (-profile +plan):\n%s", d)
		}
	}
}
