package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pare-image/pare/rebase"
)

const (
	fleetSize = 20
	// What a fleet and an image may cost; see issue 5.
	fleetRequests = 160
)

// testOtherRelease moves an application to a base of another release, which
// cannot go well: pare says why, others do it.
func (r *rebasing) testOtherRelease(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	r.logf = t.Logf
	s := must[*source](t, "making the image")(r.makeSource(ctx, &curlApp))
	m := move{s.registryRef(), r.old.ref, r.eleven.ref, ""}
	p, exit, err := r.planRebase(ctx, m, "curl")
	if err != nil {
		t.Fatal(err)
	}
	row := rebaseRow{app: "curl to Debian 11", tool: "pare", exit: exit, note: fmt.Sprintf("refused: %s, %d findings", strings.Join(errorsOf(p), ", "), len(p.Findings))}
	if exit != 3 {
		t.Errorf("exit code %d, want 3: %v", exit, p.Findings)
	}
	for _, want := range []string{rebase.FindingStructure, rebase.FindingUnmet} {
		if !strings.Contains(row.note, want) {
			t.Errorf("no finding %s: %s", want, row.note)
		}
	}
	m.dest = r.registry + "/moved/curl-eleven:1"
	if _, err := r.rebase(ctx, m, "curl"); err == nil {
		t.Error("it was moved")
	}
	if _, err := fetch(ctx, m.dest); err == nil {
		t.Error("something was written")
	}
	r.rows = append(r.rows, row)
	for _, peer := range peers {
		m.dest = r.registry + "/moved/curl-eleven-" + peer.name + ":1"
		row := rebaseRow{app: row.app, tool: peer.name}
		var bad error
		if row.exit, bad = code(r.runPeer(ctx, peer.argv(r.bed, m))); bad != nil {
			t.Error(bad)
		}
		row.note = "what it made: " + r.curlSays(ctx, m.dest)
		r.rows = append(r.rows, row)
	}
}

// curlSays is what curl says of itself in an image, or why it does not.
func (r *rebasing) curlSays(ctx context.Context, ref string) string {
	out, err := r.docker(ctx, "run", "--rm", "--network", "none", "--entrypoint", "curl", ref, "--version")
	if err != nil {
		out = err.Error()
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := lines[0]
	if err != nil {
		last = lines[len(lines)-1]
	}
	return fmt.Sprintf("%.120q", last)
}

// testFleet moves twenty images of one application in one go, and lets others
// do it one by one.
func (r *rebasing) testFleet(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	r.logf = t.Logf
	refs, layers := r.makeFleet(ctx, t)
	dir := must[string](t, "preparing")(r.scratch("fleet"))
	lock := filepath.Join(dir, "pare.lock")
	must[string](t, "writing a lock file")(r.runPare(ctx, "rebase", "--bases", lock, "--onto", r.old.ref, "--insecure", r.registry, "--progress", "quiet"))
	for n, run := range []string{"pare, one process, first", "pare, one process"} {
		list := filepath.Join(dir, "images")
		var lines strings.Builder
		for i, ref := range refs {
			fmt.Fprintf(&lines, "%s %s/fleet/moved-%d:%d\n", ref, r.registry, n, i)
		}
		if err := os.WriteFile(list, []byte(lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		row := r.count(t, &movedApp{moving: &moving{app: app{name: "fleet of 20"}}, layerSet: layers}, run, func() error {
			_, err := r.runPare(ctx, "rebase", "--images", list, "--bases", lock, "--onto", r.tls.ref,
				"--insecure", r.registry, "--progress", "quiet", "--cache-dir", filepath.Join(r.run, "rebase-cache", "fleet"))
			return err
		})
		r.fleets = append(r.fleets, row)
		t.Logf("%s: %v", run, row.traffic.kinds)
	}
	if n := r.fleets[len(r.fleets)-1].traffic.requests; n > fleetRequests {
		t.Errorf("%d requests, at most %d", n, fleetRequests)
	}
	for _, peer := range peers {
		row := r.count(t, &movedApp{moving: &moving{app: app{name: "fleet of 20"}}, layerSet: layers}, peer.name+", one by one", func() error {
			var errs []error
			for i, ref := range refs {
				m := move{ref, r.old.ref, r.tls.ref, fmt.Sprintf("%s/fleet/moved-%s:%d", r.registry, peer.name, i)}
				errs = append(errs, r.runPeer(ctx, peer.argv(r.bed, m)))
			}
			return errors.Join(errs...)
		})
		r.fleets = append(r.fleets, row)
	}
}

// makeFleet puts images of three layers into one repository.
func (r *rebasing) makeFleet(ctx context.Context, t *testing.T) (refs []string, known map[string]bool) {
	images, known := r.fleetImages(ctx, t, fleetSize)
	for i, img := range images {
		ref := fmt.Sprintf("%s/fleet/app:%d", r.registry, i)
		if err := remote.Write(must[name.Reference](t, "naming")(name.ParseReference(ref)), img, remote.WithContext(ctx)); err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	return refs, known
}

// fleetImages are n images of three layers: the base, one of packages, and one
// of their own. known are the digests of the layers of all, and of the bases.
func (r *rebasing) fleetImages(ctx context.Context, t *testing.T, n int) (images []v1.Image, known map[string]bool) {
	s := must[*source](t, "making the image")(r.makeSource(ctx, &curlApp))
	from := must[v1.Image](t, "opening it")(fetch(ctx, s.registryRef()))
	all := must[[]v1.Layer](t, "its layers")(from.Layers())
	config := must[*v1.ConfigFile](t, "its config")(from.ConfigFile())
	for i := range n {
		own := must[v1.Layer](t, "making a layer")(layerOf([]piece{{name: "srv/"}, {name: "srv/number", content: fmt.Sprint(i), mode: 0o644}}))
		img := must[v1.Image](t, "stacking")(mutate.AppendLayers(emptyOCI(), append(all[:2:2], own)...))
		c := must[*v1.ConfigFile](t, "its config")(img.ConfigFile()).DeepCopy()
		c.Architecture, c.OS, c.Config = config.Architecture, config.OS, config.Config
		c.History = append(madeLayers(config.History)[:2:2], v1.History{CreatedBy: "the test"}) // regctl looks at it
		images = append(images, must[v1.Image](t, "configuring")(mutate.ConfigFile(img, c)))
	}
	return images, must[map[string]bool](t, "listing layers")(layersOf(append(images[:n:n], r.old.image, r.tls.image)...))
}

// madeLayers are the lines of a history that made layers.
func madeLayers(all []v1.History) []v1.History {
	return slices.DeleteFunc(slices.Clone(all), func(h v1.History) bool { return h.EmptyLayer })
}

// timeChecks measures, with warm indexes, what the checks of this image's move
// take, and all of a plan.
func (r *rebasing) timeChecks(ctx context.Context, t *testing.T, m *movedApp) {
	env := []string{
		"PARE_BENCH_IMAGES=" + strings.Join([]string{m.source.layout, r.old.layout, r.tls.layout}, ":"),
		"PARE_BENCH_CACHE=" + filepath.Join(r.run, "rebase-cache", "bench"),
	}
	out, err := stdout(ctx, env, "go", "-C", r.root, "test", "-run", "^$", "-bench", "^BenchmarkMove$", "-benchtime", "1x", "-count", "7", "./rebase")
	if err != nil {
		t.Error(err)
		return
	}
	for _, name := range []string{"checks", "plan"} {
		ms, err := mediansOf(string(out), "BenchmarkMove/"+name)
		if err != nil {
			t.Error(err)
			continue
		}
		r.timings = append(r.timings, fmt.Sprintf("%s\t%s\t%s", m.name, name, ms))
	}
}
