package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pare-image/pare/slim/verify"
)

// demonstrate is make demo: one real image recorded, slimmed and checked, in
// a few lines. The result stays in the work directory.
func demonstrate(ctx context.Context, b *bed, w io.Writer) error {
	a := apps["nginx"]
	dir := filepath.Join(b.work, "demo")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	say := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

	say("1  build   nginx on Debian as people deploy it (testdata/images/nginx)")
	s, err := b.makeSource(ctx, &a)
	if err != nil {
		return err
	}
	say("2  record  pare record IMAGE -o profile.json --run CHECK   (%d behaviours, no daemon)", len(a.checks))
	rec, err := b.newRecording(&a, s, b.recorders(&a)[0])
	if err != nil {
		return err
	}
	made, err := rec.full(ctx)
	if err != nil {
		return err
	}
	profile := filepath.Join(dir, "profile.json")
	if err := copyFile(made, profile); err != nil {
		return err
	}
	say("3  slim    pare slim IMAGE -p profile.json -o oci:DIR:slim %s", strings.Join(a.slimArgs, " "))
	r, err := b.slimDemo(ctx, &a, s, profile, dir)
	if err != nil {
		return err
	}
	say("4  verify  pare verify oci:DIR:slim -p profile.json --source IMAGE")
	report, err := rec.verify(ctx, r, profile)
	if err != nil {
		return err
	}
	if !report.OK() {
		return fmt.Errorf("pare verify says that it differs: %s", words(report))
	}
	say("           as %s, read-only root, %s, %s", report.Conditions.User, writablePlaces(report), capabilities(report))
	say("5  docker  the slim image runs there and does the same")
	if err := b.works(ctx, &a, r); err != nil {
		return fmt.Errorf("the slim image does not work: %w", err)
	}
	secret, err := b.secret()
	if err != nil {
		return err
	}
	if err := checkSecret(s.image, r.image, secret); err != nil {
		return err
	}
	return demoResult(w, &a, s, r, dir)
}

// slimDemo writes the result to dir: an OCI layout, an archive for docker
// load, and the plan that says why each file is there.
func (b *bed) slimDemo(ctx context.Context, a *app, s *source, profile, dir string) (*slimmed, error) {
	r := &slimmed{granularity: "slim", layout: filepath.Join(dir, "oci"), repo: s.repo}
	began := time.Now()
	plan := filepath.Join(dir, "plan.json")
	out, err := b.runPare(ctx, append(b.slimArgs(a, s.ociRef(), r.ociRef(), profile, "auto"), "--plan", plan)...)
	if err != nil {
		return nil, err
	}
	r.took = time.Since(began)
	if r.digest, err = lastDigest(out); err != nil {
		return nil, err
	}
	if _, err := b.runPare(ctx, b.slimArgs(a, s.ociRef(), "docker-archive:"+filepath.Join(dir, "nginx-slim.tar")+":pare-demo/nginx:slim", profile, "auto")...); err != nil {
		return nil, err
	}
	if err := b.spread(ctx, r); err != nil {
		return nil, err
	}
	if r.image, _, err = fromLayout(r.layout, "slim"); err != nil {
		return nil, err
	}
	r.plan, err = readPlan(plan)
	return r, err
}

// writablePlaces says what of the file system was left writable.
func writablePlaces(r *verify.Report) string {
	var out []string
	for _, w := range r.Conditions.Writable {
		out = append(out, w.How+" "+w.Path)
	}
	return strings.Join(out, ", ")
}

// capabilities says which were left.
func capabilities(r *verify.Report) string {
	out := "no capability"
	for i, c := range r.Conditions.Caps {
		if i == 0 {
			out = "no capability but "
		} else {
			out += ", "
		}
		out += c.Name
	}
	return out
}

func demoResult(w io.Writer, a *app, s *source, r *slimmed, dir string) error {
	config, err := s.image.ConfigFile()
	if err != nil {
		return err
	}
	before := config.Config.User
	if before == "" {
		before = "root"
	}
	p := r.plan.Summary
	var b strings.Builder
	columns(&b, func(w io.Writer) {
		fmt.Fprintln(w, "\n\tbefore\tafter")
		fmt.Fprintf(w, "content of files\t%s MB\t%s MB\n", mb(p.SourceBytes), mb(p.KeptBytes))
		fmt.Fprintf(w, "as stored (gzip)\t%s MB\t%s MB\n", mb(packed(s.image)), mb(packed(r.image)))
		fmt.Fprintf(w, "files, directories, links\t%d\t%d kept, %d dropped\n", p.SourceEntries, p.KeptEntries, p.DroppedEntries)
		fmt.Fprintf(w, "packages a scanner sees\t%d\t%d\n", p.SourcePackages, p.KeptPackages)
		fmt.Fprintf(w, "runs as\t%s\t%d:%d\n", before, r.plan.User.UID, r.plan.User.GID)
		fmt.Fprintf(w, "the deleted secret\tin a layer\tnowhere\n")
		fmt.Fprintf(w, "behaviours that work\t%d of %[1]d\t%[1]d of %[1]d\n", len(a.checks))
	})
	fmt.Fprint(w, b.String())
	fmt.Fprintf(w, `
pare slim took %.1f s. The result is
  %s
  %s
  docker-archive:%s
Run it:
  docker load -i %[4]s
  docker run --rm -p 8080:80 --sysctl net.ipv4.ip_unprivileged_port_start=0 pare-demo/nginx:slim
Ask why a file is there:
  bin/pare why %[5]s /usr/sbin/nginx
`, r.took.Seconds(), r.ociRef(), r.digest, filepath.Join(dir, "nginx-slim.tar"), filepath.Join(dir, "plan.json"))
	return nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}
