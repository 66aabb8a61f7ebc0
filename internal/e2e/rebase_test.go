package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/rebase"
)

// rebasing is what the moves of TestRebase have in common.
type rebasing struct {
	*bed
	proxy            *countingProxy
	old, tls, eleven *base // as released; patched, with OpenSSL; Debian 11
	changes          []pkg // of tls against old
	rows             []rebaseRow
	cases            []caseRow
	fleets           []rebaseRow
	timings          []string
}

// TestRebase moves real applications from a Debian as it was released to a
// patched one, and holds what comes of it to what pare rebase promises. Two
// other tools do the same beside it.
func TestRebase(t *testing.T) {
	b, set := testBed(t)
	if set != "full" {
		return // it needs images that CI does not make
	}
	r := newRebasing(t, b)
	defer r.proxy.stop()
	for _, a := range movingApps() {
		t.Run(a.name, func(t *testing.T) {
			b.logf = t.Logf
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
			defer cancel()
			r.testMove(ctx, t, &a)
		})
	}
	t.Run("another release", r.testOtherRelease)
	t.Run("cases", r.testCases)
	t.Run("fleet", r.testFleet)
	t.Run("one", r.testOne)
	text := rebaseTable(r.rows) + fleetTable(r.fleets) + casesTable(r.cases) + timingsText(r.timings)
	t.Logf("\n%s", text)
	if err := b.addToReport(text); err != nil {
		t.Error(err)
	}
}

func newRebasing(t *testing.T, b *bed) *rebasing {
	ctx := t.Context()
	r := &rebasing{bed: b, proxy: must[*countingProxy](t, "starting the proxy")(startProxy(b.registry))}
	b.registry = r.proxy.addr
	r.old = must[*base](t, "the old base")(b.base(ctx, "bookworm-release"))
	r.tls = must[*base](t, "the new base")(b.base(ctx, "bookworm-tls"))
	r.eleven = must[*base](t, "the base of another release")(b.base(ctx, "bullseye"))
	r.changes = r.tls.changes(r.old)
	if len(r.changes) < 3 {
		t.Fatalf("the new base changes %d packages: too few to show anything", len(r.changes))
	}
	t.Logf("the new base changes %d packages: %v", len(r.changes), r.changes)
	return r
}

// movedApp is one application in all that is made of it.
type movedApp struct {
	*moving
	source   *source
	before   *contents
	debs     map[string]sums
	unmoved  []map[string][]string // what is untrue of image and base before
	layerSet map[string]bool
}

func (r *rebasing) testMove(ctx context.Context, t *testing.T, a *moving) {
	began := time.Now()
	m := &movedApp{moving: a, source: must[*source](t, "making the image")(r.makeSource(ctx, &a.app))}
	m.before = must[*contents](t, "reading the image")(contentsOfImage(ctx, m.source.image))
	m.debs = must[map[string]sums](t, "fetching packages")(r.archives(ctx, r.packagesToKnow(m.before)))
	for _, c := range []*contents{m.before, r.old.contents, r.tls.contents} {
		m.unmoved = append(m.unmoved, c.untrue(m.debs))
	}
	m.layerSet = must[map[string]bool](t, "listing layers")(layersOf(m.source.image, r.old.image, r.tls.image))
	t.Logf("%s, built, pushed and read in %.0f s", m.source.registryRef(), time.Since(began).Seconds())

	plan := r.testPlan(ctx, t, m)
	r.testShadow(ctx, t, m, plan)
	r.timeChecks(ctx, t, m)
	t.Run("moved", func(t *testing.T) { r.testPlain(ctx, t, m) })
	t.Run("fixed", func(t *testing.T) { r.testFixed(ctx, t, m) })
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			mv := r.move(m, p.name)
			row := r.count(t, m, p.name, func() error { return r.runPeer(ctx, p.argv(r.bed, mv)) })
			r.judge(ctx, t, m, &row, mv.dest)
			r.rows = append(r.rows, row)
		})
	}
	t.Logf("all in %.0f s", time.Since(began).Seconds())
}

// packagesToKnow are those whose archives are to be looked into: what the new
// base changes, as both bases and the image have it.
func (r *rebasing) packagesToKnow(image *contents) []pkg {
	var out []pkg
	for _, p := range r.changes {
		key := p.name + ":" + p.arch
		out = append(out, p)
		for _, c := range []*contents{r.old.contents, image} {
			if q, ok := c.installed()[key]; ok {
				out = append(out, q)
			}
		}
	}
	return out
}

func (r *rebasing) move(m *movedApp, dest string) move {
	return move{m.source.registryRef(), r.old.ref, r.tls.ref, r.registry + "/moved/" + m.name + "-" + dest + ":1"}
}

// testPlan wants no finding that forbids the move besides those that are true.
func (r *rebasing) testPlan(ctx context.Context, t *testing.T, m *movedApp) *rebase.Plan {
	mv := r.move(m, "")
	mv.dest = ""
	p, exit, err := r.planRebase(ctx, mv, m.name)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(p.Repairs, func(x rebase.Repair) bool { return x.Name == rebase.RepairPackages }) {
		t.Errorf("the image's layers carry a package database, and it is not repaired: %v", p.Repairs)
	}
	if got := errorsOf(p); !slices.Equal(got, m.refused) || (exit == 3) != (m.refused != nil) {
		t.Errorf("exit code %d, findings that forbid the move %q, want %q: %v", exit, got, m.refused, p.Findings)
	}
	return p
}

// carried is the upper layer that has the image's own libssl, and its path
// there.
func (r *rebasing) carried(ctx context.Context, img v1.Image) (layer int, ok bool, err error) {
	t, err := layers.Open(ctx, img, layers.Options{})
	if err != nil {
		return 0, false, err
	}
	defer t.Close()
	config, err := r.old.image.ConfigFile()
	if err != nil {
		return 0, false, err
	}
	res, err := t.Resolve("/usr/lib/x86_64-linux-gnu/libssl.so.3")
	if err != nil || res.Entry.Layer < len(config.RootFS.DiffIDs) {
		return 0, false, nil //nolint:nilerr // it has none of its own
	}
	return res.Entry.Layer, true, nil
}

// testShadow wants the image's own OpenSSL, where it has one, to be named as
// what keeps the new base's from arriving.
func (r *rebasing) testShadow(ctx context.Context, t *testing.T, m *movedApp, p *rebase.Plan) {
	layer, carries, err := r.carried(ctx, m.source.image)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Packages, func(c rebase.PackageChange) bool { return c.Name == "libssl3:amd64" })
	if i < 0 {
		t.Fatalf("the plan does not know that the new base brings libssl3: %v", p.Packages)
	}
	c := p.Packages[i]
	shadowed := c.Outcome == rebase.Shadowed && c.Layer != nil && *c.Layer == layer && strings.HasPrefix(c.Path, "/usr/lib/x86_64-linux-gnu/")
	switch {
	case carries && !shadowed:
		t.Errorf("layer %d carries libssl3, and the plan says %+v", layer, c)
	case !carries && c.Outcome != rebase.Delivered:
		t.Errorf("the image has no libssl3 of its own, and the plan says %+v", c)
	}
	mv := r.move(m, "required")
	for _, x := range []struct {
		flags []string
		want  int
	}{
		{slices.Concat(m.flags, []string{"--require-fix", "openssl"}), map[bool]int{true: 3}[carries]},
		{m.fixing(), map[bool]int{true: 3}[m.torn != ""]},
		{m.allowing(), 0},
	} {
		_, err := r.rebase(ctx, mv, m.name, x.flags...)
		if got, err := code(err); err != nil || got != x.want {
			t.Errorf("%q: exit code %d, want %d (%v)", x.flags, got, x.want, err)
		}
	}
	t.Logf("carries libssl3: %v, in layer %d; the plan: %s", carries, layer, c.Outcome)
}

// testPlain moves without further wishes: what the image carries, it keeps.
func (r *rebasing) testPlain(ctx context.Context, t *testing.T, m *movedApp) {
	cold := r.move(m, "plain")
	var digest v1.Hash
	row := r.count(t, m, "pare, first", func() (err error) {
		digest, err = r.rebase(ctx, cold, m.name+"-first", m.flags...)
		return err
	})
	r.judge(ctx, t, m, &row, cold.dest)
	r.rows = append(r.rows, row)
	if len(row.untrue) > 0 {
		t.Errorf("packages that are not what they are said to be: %v", row.untrue)
	}

	again := r.move(m, "plain-again")
	var second v1.Hash
	row = r.count(t, m, "pare", func() (err error) {
		second, err = r.rebase(ctx, again, m.name, m.flags...)
		return err
	})
	r.judge(ctx, t, m, &row, again.dest)
	r.rows = append(r.rows, row)
	r.holdToTraffic(t, m, &row)
	if second != digest {
		t.Errorf("moved twice: %s, then %s", digest, second)
	}
	// What stands there already stays.
	done := move{cold.dest, r.old.ref, r.tls.ref, r.registry + "/moved/" + m.name + "-done:1"}
	if out, err := r.runPare(ctx, "rebase", done.image, "--onto", done.onto, "-o", done.dest, "--insecure", r.registry, "--progress", "quiet"); err != nil || !strings.HasSuffix(out, digest.String()) {
		t.Errorf("moved once more: %s, %v; want %s", out, err, digest)
	}
	back := move{cold.dest, r.tls.ref, r.old.ref, r.registry + "/moved/" + m.name + "-back:1"}
	if got, err := r.rebase(ctx, back, m.name); err != nil || got != m.source.digest {
		t.Errorf("moved back: %s, %v; want %s", got, err, m.source.digest)
	}
}

// fixing are the flags that let the new base's fixes arrive, and want
// OpenSSL's.
func (m *movedApp) fixing() []string {
	flags := []string{"--drop-shadow", "--require-fix", "openssl"}
	for _, p := range m.held {
		flags = append(flags, "--hold", p)
	}
	return flags
}

// allowing is fixing with what is torn by that allowed by name.
func (m *movedApp) allowing() []string {
	if m.torn == "" {
		return m.fixing()
	}
	return append(m.fixing(), "--allow", rebase.FindingUnmet)
}

// testFixed moves so that the new base's fixes arrive, and looks at the result
// from all sides.
func (r *rebasing) testFixed(ctx context.Context, t *testing.T, m *movedApp) {
	mv := r.move(m, "fixed")
	digest := must[v1.Hash](t, "moving")(r.rebase(ctx, mv, m.name, m.allowing()...))
	repo := strings.TrimSuffix(mv.dest, ":1")
	ref := repo + "@" + digest.String()
	img := must[v1.Image](t, "opening the result")(fetch(ctx, ref))
	row := rebaseRow{app: m.name, tool: "pare --drop-shadow", layers: len(must[*v1.Manifest](t, "reading it")(img.Manifest()).Layers)}
	for _, step := range []struct {
		name string
		run  func() error
	}{
		{"it works", func() error { return r.worksAsBefore(ctx, &m.app, ref, img) }},
		{"versions are true", func() error {
			c, err := r.export(ctx, ref)
			if err != nil {
				return err
			}
			r.judgeContents(m, &row, c)
			if len(row.untrue) > 0 || !slices.Equal(row.undelivered, m.held) {
				return fmt.Errorf("not what they are said to be: %v; of the new base's packages not there: %q, want %q", row.untrue, row.undelivered, m.held)
			}
			return nil
		}},
		{"dpkg and apt are content", func() error {
			is, err := r.dpkgSays(ctx, ref)
			if err != nil {
				return err
			}
			was, err := r.dpkgSays(ctx, m.source.id)
			if err != nil {
				return err
			}
			is = slices.DeleteFunc(is, func(l string) bool { return slices.Contains(was, l) })
			if m.torn != "" {
				if is, err = besidesTorn(is, m.torn); err != nil {
					return err
				}
			}
			if len(is) > 0 {
				return fmt.Errorf("they say, and did not before: %q", is)
			}
			return nil
		}},
		{"other tools take it", func() error { return r.otherToolsTake(ctx, &m.app, repo, digest) }},
	} {
		t.Run(step.name, func(t *testing.T) {
			if err := step.run(); err != nil {
				row.failed = append(row.failed, step.name)
				t.Error(err)
			}
		})
	}
	r.rows = append(r.rows, row)
	if _, err := r.docker(ctx, "rmi", "--force", ref); err != nil {
		t.Error(err)
	}
}

// count does a move and counts its requests.
func (r *rebasing) count(t *testing.T, m *movedApp, tool string, do func() error) rebaseRow {
	t.Helper()
	row := rebaseRow{app: m.name, tool: tool}
	began := time.Now()
	seen, err := r.proxy.during(do)
	row.took = time.Since(began)
	row.traffic = trafficOf(seen, func(d string) bool { return m.layerSet[d] })
	var bad error
	if row.exit, bad = code(err); bad != nil || err != nil && strings.HasPrefix(tool, "pare") {
		t.Errorf("%s: %v", tool, err)
	}
	return row
}

// judge looks at the image that a tool has made.
func (r *rebasing) judge(ctx context.Context, t *testing.T, m *movedApp, row *rebaseRow, dest string) {
	img, err := fetch(ctx, dest)
	if err != nil {
		t.Logf("%s made nothing that can be read: %v", row.tool, err)
		return
	}
	if manifest, err := img.Manifest(); err == nil {
		row.layers = len(manifest.Layers)
	}
	c, err := contentsOfImage(ctx, img)
	if err != nil {
		t.Logf("%s: %v", row.tool, err)
		return
	}
	r.judgeContents(m, row, c)
}

func (r *rebasing) judgeContents(m *movedApp, row *rebaseRow, c *contents) {
	row.judged = true
	row.untrue = slices.Sorted(maps.Keys(besides(c.untrue(m.debs), m.unmoved...)))
	row.undelivered = c.undelivered(r.changes, m.debs)
}

// What a move may cost besides its layers: the config and the repair layer, two
// requests each, and the manifest; and to look, the registry's challenge and
// what refers to the old image, by the API and by the tag.
const (
	movingRequests  = 5
	lookingRequests = 3
)

// holdToTraffic wants a move with warm indexes to read no layer, to send none
// but its own, and to ask no more than it must.
func (r *rebasing) holdToTraffic(t *testing.T, m *movedApp, row *rebaseRow) {
	if row.traffic.reads > 0 {
		t.Errorf("%d reads of layers, %d bytes", row.traffic.reads, row.traffic.read)
	}
	for d := range row.traffic.uploads {
		if m.layerSet[d] {
			t.Errorf("layer %s was sent", d)
		}
	}
	mounts := row.layers - 1 // all but the repair layer
	if n := row.traffic.toMove(); n > movingRequests+mounts {
		t.Errorf("%d requests to move %d layers: %v", n, mounts, row.traffic.kinds)
	}
	if n := row.traffic.requests - row.traffic.toMove(); n > lookingRequests {
		t.Errorf("%d requests to look: %v", n, row.traffic.kinds)
	}
	t.Logf("requests: %v", row.traffic.kinds)
}

// layersOf are the digests of images' layers.
func layersOf(images ...v1.Image) (map[string]bool, error) {
	out := map[string]bool{}
	var errs []error
	for _, img := range images {
		m, err := img.Manifest()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, l := range m.Layers {
			out[l.Digest.String()] = true
		}
	}
	return out, errors.Join(errs...)
}
