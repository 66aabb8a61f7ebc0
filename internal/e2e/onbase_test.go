package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/slim/verify"
)

// testBase is a base that apps are slimmed onto.
type testBase struct {
	name string
	// image is docker's; "" is made of packages, see testdata/images/distroless.
	image, suite, packages string
	dpkg                   bool // it has dpkg to ask
}

// bases are what all apps run on.
var bases = []testBase{
	{name: "distroless", suite: "bookworm", packages: "base-files netbase tzdata ca-certificates libc6 libssl3 media-types"},
	{name: "debian", image: "pare-test/debian:bookworm", dpkg: true},
}

// unfit are bases that are refused, and what is said of them.
var unfit = []struct {
	testBase
	want []string
}{
	{testBase{name: "older", suite: "bullseye", packages: "base-files tzdata libc6 libssl1.1"}, []string{"base-conflict", "base-elf", `"GLIBC_2.`, "libc.so.6"}},
	{testBase{name: "musl", suite: "bookworm", packages: "musl"}, []string{"is a program for glibc", "the base has musl"}},
}

// onBases are dynamic programs: what a base with a C library is for.
var onBases = []string{"gocgo", "java", "nginx", "node", "nodenative", "perl", "php", "postgres", "pynative", "python", "redis", "ruby", "shell"}

// TestBase slims onto bases: the full check passes, nothing that the base has
// is carried twice, and dpkg finds nothing to say. Bases that cannot serve are
// refused with the reason named.
func TestBase(t *testing.T) {
	eachNamed(t, onBases, 40*time.Minute, testBases)
}

func testBases(ctx context.Context, t *testing.T, b *bed, on app) {
	a := &on
	s := must[*source](t, "making the image")(b.makeSource(ctx, a))
	r := must[*recording](t, "preparing")(b.newRecording(a, s, b.recorders(a)[0]))
	profile := must[string](t, "recording it")(r.full(ctx))
	for _, base := range bases {
		t.Run(base.name, func(t *testing.T) { testOnBase(ctx, t, r, profile, base) })
	}
	for _, base := range unfit {
		t.Run(base.name, func(t *testing.T) {
			ref := must[string](t, "making the base")(b.makeBase(ctx, base.testBase))
			_, err := r.slim(ctx, base.name, profile, "--base", ref, "--granularity", "auto")
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 3 {
				t.Fatalf("it was not refused: %v", err)
			}
			for _, want := range base.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("it does not say %q: %v", want, err)
				}
			}
			t.Log(firstLines(err.Error(), 12))
		})
	}
}

func firstLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[:min(n, len(lines))], "\n")
}

func testOnBase(ctx context.Context, t *testing.T, r *recording, profile string, on testBase) {
	ref := must[string](t, "making the base")(r.bed.makeBase(ctx, on))
	plan := r.file(on.name + ".plan")
	args := []string{"--base", ref, "--granularity", "auto", "--plan", plan}
	s := must[*slimmed](t, "slimming it")(r.slim(ctx, on.name, profile, args...))
	if err := r.bed.works(ctx, r.app, s); err != nil {
		t.Error(err)
	}
	base := must[v1.Image](t, "fetching the base")(r.bed.fetchRef(ctx, ref, r.file("oci-base-"+on.name)))
	carried := must[int64](t, "comparing it with the base")(checkCarried(s.image, base))
	again := must[*slimmed](t, "slimming it once more")(r.slim(ctx, on.name+"-again", profile, args...))
	if again.digest != s.digest {
		t.Errorf("slimmed twice: %s, then %s", s.digest, again.digest)
	}
	if report := must[*verify.Report](t, "verifying")(r.verify(ctx, s, profile, r.whole()...)); !report.OK() {
		t.Errorf("pare verify says that it differs: %s", words(report))
	}
	if on.dpkg {
		if err := r.checkDpkg(ctx, s); err != nil {
			t.Error(err)
		}
	}
	p, err := readPlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	sum := p.Summary
	t.Logf("%s MB of source; %s MB in all, %s of them the base's; %s MB carried as stored; %d entries of the base stand for the source's, %d are hidden",
		mb(sum.SourceBytes), mb(sum.KeptBytes), mb(sum.BaseBytes), mb(carried), sum.SharedEntries, sum.OverEntries)
	for _, f := range p.Findings {
		t.Logf("%s: %s: %s", f.Name, f.Path, f.Text)
	}
}

// makeBase puts a base into the registry; the reference is by digest.
func (b *bed) makeBase(ctx context.Context, on testBase) (string, error) {
	if on.image != "" {
		return b.publish(ctx, on.image)
	}
	name := "pare-test/base-" + on.name + ":" + on.suite
	args := []string{"build", "--network", "host", "--tag", name, "--build-arg", "SUITE=" + on.suite, "--build-arg", "PACKAGES=" + on.packages}
	if _, err := b.docker(ctx, append(args, filepath.Join(b.root, "testdata/images/distroless"))...); err != nil {
		return "", err
	}
	return b.publish(ctx, name)
}

// kept is a file as a layer has it.
type kept struct {
	mode     int64
	uid, gid int
	time     int64
	size     int64
	sum      [sha256.Size]byte
}

// checkCarried holds that an image has the base's own layers, and above them
// no file that is there already. It returns what is above, as stored.
func checkCarried(img, base v1.Image) (int64, error) {
	lower, err := base.Layers()
	if err != nil {
		return 0, err
	}
	all, err := img.Layers()
	if err != nil {
		return 0, err
	}
	if len(all) <= len(lower) {
		return 0, fmt.Errorf("%d layers, and the base has %d", len(all), len(lower))
	}
	have, contents := map[string]kept{}, map[[sha256.Size]byte]string{}
	var errs []error
	var stored int64
	for i, l := range all {
		if i < len(lower) {
			errs = append(errs, sameLayer(l, lower[i]))
		}
		files, err := filesIn(l)
		if err != nil {
			return 0, err
		}
		if i >= len(lower) {
			size, err := l.Size()
			errs = append(errs, err)
			stored += size
		}
		for name, f := range files {
			switch first, known := contents[f.sum]; {
			case i < len(lower):
				have[name], contents[f.sum] = f, name
			case have[name] == f:
				errs = append(errs, fmt.Errorf("%s is carried, and the base has it", name))
			case known && f.size > 4096 && strings.Contains(path.Base(name), ".so"):
				errs = append(errs, fmt.Errorf("%s is carried, and the base has it as %s", name, first))
			}
		}
	}
	return stored, errors.Join(errs...)
}

func sameLayer(a, b v1.Layer) error {
	x, err := a.Digest()
	if err != nil {
		return err
	}
	y, err := b.Digest()
	if err == nil && x != y {
		err = fmt.Errorf("layer %s is not the base's %s", x, y)
	}
	return err
}

// filesIn are the regular files of a layer, by path.
func filesIn(l v1.Layer) (map[string]kept, error) {
	r, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := map[string]kept{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, archive); err != nil {
			return nil, err
		}
		out[path.Join("/", h.Name)] = kept{h.Mode & 0o7777, h.Uid, h.Gid, h.ModTime.Unix(), h.Size, [sha256.Size]byte(sum.Sum(nil))}
	}
}

// checkDpkg asks the base's own dpkg what it thinks of the result: nothing to
// audit, and nothing to verify that the source did not have.
func (r *recording) checkDpkg(ctx context.Context, s *slimmed) error {
	ask := func(image, command string) (string, error) {
		out, err := r.bed.docker(ctx, "run", "--rm", "--network", "none", "--user", "0:0", "--entrypoint", "sh", image, "-c", command+"; :")
		return strings.TrimSpace(out), err
	}
	audit, err := ask(s.registryRef(), "dpkg --audit")
	if err != nil {
		return err
	}
	if audit != "" {
		return fmt.Errorf("dpkg --audit: %s", audit)
	}
	before, err := ask(r.source.id, "dpkg --verify")
	if err != nil {
		return err
	}
	after, err := ask(s.registryRef(), "dpkg --verify")
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(after) {
		if !bytes.Contains([]byte(before+"\n"), []byte(strings.TrimSpace(line)+"\n")) {
			errs = append(errs, fmt.Errorf("dpkg --verify: %s", strings.TrimSpace(line)))
		}
	}
	return errors.Join(errs...)
}
