//go:build linux

package verify

import (
	"archive/tar"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record"
	"github.com/pare-image/pare/slim/record/builtin"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/probe"
)

func TestMain(m *testing.M) {
	if code, ours := builtin.Reexec(os.Args); ours {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// realEngine is the builtin engine, where it works.
func realEngine(t *testing.T) engine.Engine {
	t.Helper()
	e := builtin.New(builtin.Options{Dir: t.TempDir(), Warn: func(s string) { t.Log(s) }})
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := e.Check(t.Context()); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return e
}

// app is the program of testdata/app, static.
var app = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "app")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "app")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", name, "./testdata/app")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the app: %w: %s", err, out)
	}
	return os.ReadFile(name)
})

// appImage is the image of testdata/app: a server of one page, behind a link,
// that writes a pid file.
func appImage(t *testing.T) v1.Image {
	t.Helper()
	program, err := app()
	if err != nil {
		t.Fatal(err)
	}
	ls, err := testimage.New(t, "-- layer --\ndir run\ndir tmp 01777\nsymlink srv/current => v2\nfile srv/v2/page.html \"<p>hi</p>\"\nfile srv/v2/other.html \"x\"\n").Layers()
	if err != nil {
		t.Fatal(err)
	}
	top, err := testimage.Layer([]testimage.Entry{{Header: tar.Header{Typeflag: tar.TypeReg, Name: "bin/app", Mode: 0o755}, Body: program}}, "none")
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH, Config: v1.Config{Entrypoint: []string{"/bin/app"}}}, append(ls, top)...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func openSubject(t *testing.T, img v1.Image) Subject {
	t.Helper()
	tree, err := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir(), Want: func(string, *layers.Header) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return Subject{Name: Image{Reference: "app", Digest: tree.Digest().String(), Platform: "linux"}, Image: img, Tree: tree}
}

func recordApp(t *testing.T, e engine.Engine, s Subject, paths ...string) *profile.Profile {
	t.Helper()
	spec, err := engine.NewSpec(s.Image, s.Tree, engine.SpecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var w probe.Workload
	for _, p := range paths {
		w.Probes = append(w.Probes, profile.Probe{Kind: profile.ProbeHTTP, Port: 8080, Method: "GET", Path: p})
	}
	id, err := slim.Identify(s.Image)
	if err != nil {
		t.Fatal(err)
	}
	res, err := record.Run(t.Context(), e, spec, id.Image(), record.Options{Workload: w, Until: record.UntilProbes})
	if err != nil {
		t.Fatal(err)
	}
	return res.Profile
}

func slimApp(t *testing.T, s Subject, p *profile.Profile) (v1.Image, error) {
	ctx, o := t.Context(), slim.Options{Granularity: slim.GranularityFile}
	k, err := slim.Select(ctx, s.Tree, p, o)
	if err != nil {
		return nil, err
	}
	plan, err := slim.NewPlan(ctx, s.Tree, p, k, o)
	if err != nil {
		return nil, err
	}
	return slim.Build(ctx, s.Tree, plan, t.TempDir())
}

// A recording of one request makes an image that fails the full check for a
// known reason; repaired, it passes, hardened, twice.
func TestRepairedForReal(t *testing.T) {
	e := realEngine(t)
	source := openSubject(t, appImage(t))
	short, full := recordApp(t, e, source, "/"), recordApp(t, e, source, "/", "/page")
	var reports []*Report
	out, err := RepairLoop(t.Context(), short, 0,
		func(_ context.Context, p *profile.Profile) (v1.Image, error) { return slimApp(t, source, p) },
		func(ctx context.Context, img v1.Image, _ *profile.Profile) (*Report, error) {
			r, err := Run(ctx, Options{Engine: e, Slim: openSubject(t, img), Source: &source, RunSource: true, Profile: full})
			reports = append(reports, r)
			return r, err
		})
	if err != nil {
		t.Fatal(err)
	}
	if out.Rounds != 2 || out.Added != 1 || out.Stuck || !out.Report.OK() {
		t.Errorf("%d rounds, %d added, stuck %v", out.Rounds, out.Added, out.Stuck)
	}
	first := reports[0]
	if first.OK() || first.Workloads[0].Probes[0].OK != true || first.Workloads[0].Probes[1].OK {
		t.Errorf("%+v", first.Workloads)
	}
	var missing []string
	for i := range first.Missing {
		missing = append(missing, first.Missing[i].String())
	}
	want := "/srv/current/page.html -> /srv/v2/page.html (by /bin/app): --keep /srv/current --keep /srv/v2/page.html"
	if fmt.Sprint(missing) != "["+want+"]" {
		t.Errorf("missing %q", missing)
	}
	if got := where(out.Report.Conditions.Writable); fmt.Sprint(got) != "[tmpfs /run]" || out.Report.Conditions.User == "0:0" {
		t.Errorf("%s, user %s", got, out.Report.Conditions.User)
	}
	if t.Failed() {
		var b strings.Builder
		for _, r := range reports {
			r.Write(&b) //nolint:errcheck // a builder
		}
		t.Log(b.String())
	}
}

// Without its tmpfs the app cannot start: the conditions are real.
func TestReadOnlyForReal(t *testing.T) {
	e := realEngine(t)
	source := openSubject(t, appImage(t))
	p := recordApp(t, e, source, "/", "/page")
	img, err := slimApp(t, source, p)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Accesses {
		if p.Accesses[i].Path == "/run/app.pid" {
			p.Accesses[i].Kinds = []profile.Kind{profile.Stat}
		}
	}
	r, err := Run(t.Context(), Options{Engine: e, Slim: openSubject(t, img), Source: &source, Profile: p})
	if err != nil {
		t.Fatal(err)
	}
	if w := r.Workloads[0]; w.Start.OK || !strings.Contains(w.Start.Text, "read-only file system") {
		t.Errorf("%+v", w.Start)
	}
}
