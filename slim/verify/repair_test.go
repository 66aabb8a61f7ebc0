package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
)

func digestOf(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

// lacking is the report of a run that missed a path of missingSource.
func lacking(t *testing.T, p string) *Report {
	source, slim := subject(t, missingSource), subject(t, missingSlim)
	return &Report{Missing: FindMissing(slim.Tree, source.Tree, &profile.Profile{}, accesses(notFound(p, profile.Open)), engine.Spec{}, nil)}
}

func TestRepair(t *testing.T) {
	image := profile.Image{Digest: "sha256:1", Platform: "linux/amd64"}
	p, err := Repair(lacking(t, "/etc/alias/conf"), image)
	if err != nil {
		t.Fatal(err)
	}
	a := p.Accesses[0]
	if a.Path != "/etc/alias/conf" || a.Resolved != "/etc/app/conf" || !a.Exists || !a.Has(profile.Open) || p.Image != image || p.Sessions[0].Engine != "verify" {
		t.Errorf("%+v", p)
	}
	again, _ := Repair(lacking(t, "/etc/alias/conf"), image)
	u, err := profile.Union(p, again, &profile.Profile{Image: image, Accesses: []profile.Access{notFound("/etc/alias/conf", profile.Open)}})
	if err != nil || len(u.Sessions) != 1 || len(u.Accesses) != 1 || !u.Accesses[0].Exists {
		t.Errorf("%v: the union is %+v", err, u)
	}
	hidden := []Missing{{HiddenBy: "/run", access: found("/run/x", profile.Open)}}
	if p, err := Repair(&Report{Missing: hidden}, image); p != nil || err != nil {
		t.Errorf("hidden by a tmpfs: %+v, %v", p, err)
	}
	if p, err := Repair(&Report{}, image); p != nil || err != nil {
		t.Errorf("nothing missing: %+v, %v", p, err)
	}
}

func TestRepairLoop(t *testing.T) {
	build := func(_ context.Context, p *profile.Profile) (int, error) { return len(p.Accesses), nil }
	run := func(rounds int, paths ...string) (Repaired[int], error) {
		return RepairLoop(t.Context(), &profile.Profile{}, rounds, build, func(_ context.Context, built int, p *profile.Profile) (*Report, error) {
			if built < len(paths) {
				return lacking(t, paths[built]), nil
			}
			return &Report{}, nil
		})
	}
	if r, err := run(0, "/etc/app/conf", "/empty"); err != nil || r.Rounds != 3 || r.Added != 2 || r.Stuck || r.Built != 2 || len(r.Profile.Accesses) != 2 {
		t.Errorf("mended: %+v, %v", r, err)
	}
	if r, err := run(0, "/etc/app/conf", "/etc/app/conf", "/empty"); err != nil || r.Rounds != 2 || !r.Stuck {
		t.Errorf("nothing new: %+v, %v", r, err)
	}
	if r, err := run(1, "/etc/app/conf"); err != nil || r.Rounds != 1 || !r.Stuck {
		t.Errorf("bound: %+v, %v", r, err)
	}
	boom := errors.New("boom")
	_, err := RepairLoop(t.Context(), &profile.Profile{}, 0, build, func(context.Context, int, *profile.Profile) (*Report, error) { return nil, boom })
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}
