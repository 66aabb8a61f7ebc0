package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// drifting are the apps that a profile of last week is tried on.
var drifting = []string{"python"}

// TestDrift does what teams do that record weekly and build hourly: an app is
// recorded as its distribution was released, then rebuilt on the patched one
// with another source file, and slimmed with the old profile.
func TestDrift(t *testing.T) {
	eachNamed(t, drifting, 30*time.Minute, testDrift)
}

func testDrift(ctx context.Context, t *testing.T, b *bed, now app) {
	old := asReleased(now)
	was := must[*source](t, "making the image of last week")(b.makeSource(ctx, &old))
	via := b.recorders(&old)[0]
	profile := must[string](t, "recording it")(must[*recording](t, "preparing")(b.newRecording(&old, was, via)).full(ctx))

	now = changed(now)
	is := must[*source](t, "making the image of today")(b.makeSource(ctx, &now))
	if was.digest == is.digest {
		t.Fatal("both images are the same")
	}
	r := must[*recording](t, "preparing")(b.newRecording(&now, is, via))
	_, err := r.slim(ctx, "refused", profile)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("a profile of another image was taken without being asked to: %v", err)
	}
	plan := filepath.Join(r.dir, "drift.json")
	s := must[*slimmed](t, "slimming with last week's profile")(r.slim(ctx, "drift", profile, "--reuse-profile", "--granularity", "auto", "--plan", plan))
	text := string(must[[]byte](t, "reading the plan")(os.ReadFile(plan)))
	for _, want := range []string{"libssl3", "3.0."} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan does not tell of %s", want)
		}
	}
	if err := b.works(ctx, &now, s); err != nil {
		t.Error(err)
	}
}

// asReleased is an app on the distribution as it was released.
func asReleased(a app) app {
	return variant(a, "released", func(dir string) error {
		return edit(filepath.Join(dir, "Dockerfile"), "FROM pare-test/legacy:bookworm", "FROM pare-test/legacy:bookworm-release")
	})
}

// changed is an app with one more line in a source file, and one more file.
func changed(a app) app {
	return variant(a, "today", func(dir string) error {
		const file = "app/shop/__init__.py"
		src, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		src = append(src, "\nfrom . import release  # noqa: E402,F401\n"...)
		return errors.Join(os.WriteFile(filepath.Join(dir, file), src, 0o644),
			os.WriteFile(filepath.Join(dir, "app/shop/release.py"), []byte("NUMBER = 2\n"), 0o644))
	})
}

// variant is an app whose build context differs.
func variant(a app, name string, change func(dir string) error) app {
	prepare := a.prepare
	a.origin = a.name
	a.name += "-" + name
	a.prepare = func(dir string) error {
		if prepare != nil {
			if err := prepare(dir); err != nil {
				return err
			}
		}
		return change(dir)
	}
	return a
}

// edit replaces text in a file, which must have it once.
func edit(file, from, to string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if n := bytes.Count(b, []byte(from)); n != 1 {
		return fmt.Errorf("%s has %q %d times", file, from, n)
	}
	return os.WriteFile(file, bytes.Replace(b, []byte(from), []byte(to), 1), 0o644)
}
