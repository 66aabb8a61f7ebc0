package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/slim"
)

// slimmed is what pare made of a source, in an OCI layout and in the registry.
type slimmed struct {
	granularity string // auto or file; also the tag
	layout      string
	repo        string
	digest      v1.Hash
	image       v1.Image
	plan        *slim.Plan
	took        time.Duration
}

func (s *slimmed) ociRef() string      { return "oci:" + s.layout + ":" + s.granularity }
func (s *slimmed) registryRef() string { return s.repo + "@" + s.digest.String() }

// pareTemp is where pare's temporary files go: none may be left.
func (b *bed) pareTemp() string { return filepath.Join(b.run, "tmp") }

// runPare runs the binary under test, with a cache of this run; out is what it
// wrote to stdout.
func (b *bed) runPare(ctx context.Context, args ...string) (out string, err error) {
	if err := os.MkdirAll(b.pareTemp(), 0o755); err != nil {
		return "", err
	}
	env := []string{"XDG_CACHE_HOME=" + filepath.Join(b.run, "cache"), "TMPDIR=" + b.pareTemp()}
	o, err := stdout(ctx, env, append([]string{b.pare}, args...)...)
	return strings.TrimSpace(string(o)), err
}

// importProfile makes one profile of a recording's traces. The container's
// first program is in its working directory before strace sees it.
func (b *bed) importProfile(ctx context.Context, a *app, s *source, traces []string) (file string, err error) {
	dir, err := b.scratch("profile-" + a.name)
	if err != nil {
		return "", err
	}
	config, err := s.image.ConfigFile()
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "profile.json")
	args := []string{"profile", "import", "--format", "strace", "--image", s.ociRef(), "--progress", "quiet", "-o", file}
	if dir := config.Config.WorkingDir; dir != "" {
		args = append(args, "--cwd", dir)
	}
	_, err = b.runPare(ctx, append(args, traces...)...)
	return file, err
}

// slim runs pare slim and puts the result everywhere: at granularity auto
// from registry to registry, else from one OCI layout to another.
func (b *bed) slim(ctx context.Context, a *app, s *source, profile, granularity string) (*slimmed, error) {
	dir, err := b.scratch(filepath.Join("slim-"+a.name, granularity))
	if err != nil {
		return nil, err
	}
	r := &slimmed{granularity: granularity, layout: filepath.Join(dir, "oci"), repo: s.repo}
	from, to := s.ociRef(), r.ociRef()
	if granularity == "auto" {
		from, to = s.registryRef(), s.repo+":auto"
	}
	began := time.Now()
	plan := filepath.Join(dir, "plan.json")
	out, err := b.runPare(ctx, append(b.slimArgs(a, from, to, profile, granularity), "--plan", plan)...)
	if err != nil {
		return nil, err
	}
	r.took = time.Since(began)
	if r.digest, err = lastDigest(out); err != nil {
		return nil, err
	}
	if err := b.spread(ctx, r); err != nil {
		return nil, err
	}
	var found v1.Hash
	if r.image, found, err = fromLayout(r.layout, granularity); err != nil {
		return nil, err
	}
	if found != r.digest {
		return nil, fmt.Errorf("pare slim said %s, the layout has %s", r.digest, found)
	}
	r.plan, err = readPlan(plan)
	return r, err
}

func (b *bed) slimArgs(a *app, from, to, profile, granularity string) []string {
	args := []string{"slim", from, "-p", profile, "-o", to, "--granularity", granularity, "--insecure", b.registry, "--progress", "quiet"}
	return append(args, a.slimArgs...)
}

// spread copies the result to where it is not yet. Blobs and manifest stay as
// they are, so the digest does too.
func (b *bed) spread(ctx context.Context, r *slimmed) error {
	registry := "docker://" + r.repo + ":" + r.granularity
	from, to := r.ociRef(), registry
	if r.granularity == "auto" {
		from, to = registry, r.ociRef()
	}
	_, err := output(ctx, "skopeo", "--insecure-policy", "copy", "--preserve-digests",
		"--src-tls-verify=false", "--dest-tls-verify=false", from, to)
	return err
}

var digestForm = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// lastDigest finds the digest in what pare slim printed.
func lastDigest(out string) (v1.Hash, error) {
	all := digestForm.FindAllString(out, -1)
	if len(all) == 0 {
		return v1.Hash{}, fmt.Errorf("pare slim printed no digest: %q", out)
	}
	return v1.NewHash(all[len(all)-1])
}

// readPlan reads pare's own account of what it did.
func readPlan(file string) (*slim.Plan, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return slim.ReadPlan(f)
}

// again slims once more under other circumstances, with an empty cache, and
// wants the same digest.
func (b *bed) again(ctx context.Context, a *app, s *source, profile string, r *slimmed) error {
	dir, err := b.scratch(filepath.Join("slim-"+a.name, r.granularity+"-again"))
	if err != nil {
		return err
	}
	env := []string{"GOMAXPROCS=1", "TZ=Asia/Tokyo", "LANG=tr_TR.UTF-8", "HOME=" + dir, "TMPDIR=" + dir, "XDG_CACHE_HOME=" + filepath.Join(dir, "cache")}
	argv := append([]string{"sh", "-c", `umask 077; cd /; exec "$@"`, "sh", b.pare},
		b.slimArgs(a, s.ociRef(), "oci:"+filepath.Join(dir, "oci")+":again", profile, r.granularity)...)
	out, err := stdout(ctx, env, argv...)
	if err != nil {
		return err
	}
	d, err := lastDigest(string(out))
	if err == nil && d != r.digest {
		err = fmt.Errorf("built twice: %s, then %s", r.digest, d)
	}
	return err
}

var numericUser = regexp.MustCompile(`^[1-9][0-9]*:[0-9]+$`)

// checkUser wants the image to say a numeric user that is not root, and the
// container to be one.
func (c *container) checkUser(ctx context.Context, img v1.Image) error {
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	if !numericUser.MatchString(config.Config.User) {
		return fmt.Errorf("the image's user is %q, not UID:GID other than root", config.Config.User)
	}
	if c.app.ready == nil {
		return nil // it has ended
	}
	out, err := c.engine(ctx, "inspect", "--format", "{{.State.Pid}}", c.name)
	if err != nil {
		return err
	}
	status, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(out), "status"))
	if err != nil {
		return err
	}
	uid, gid, _ := strings.Cut(config.Config.User, ":")
	for key, id := range map[string]string{"Uid": uid, "Gid": gid} {
		want := fmt.Sprintf("\n%s:\t%s\t%s\t%s\t%s\n", key, id, id, id, id)
		if !bytes.Contains(status, []byte(want)) {
			return fmt.Errorf("the container's process is not %s", config.Config.User)
		}
	}
	return nil
}

// checkHealth waits until docker calls the container healthy, if the image
// says how it can tell.
func (c *container) checkHealth(ctx context.Context, img v1.Image) error {
	config, err := img.ConfigFile()
	if err != nil || config.Config.Healthcheck == nil {
		return err
	}
	return poll(ctx, 2*time.Minute, "docker to call it healthy", func(ctx context.Context) error {
		out, err := c.engine(ctx, "inspect", "--format", "{{json .State.Health}}", c.name)
		if err == nil && !strings.Contains(out, `"Status":"healthy"`) {
			err = errors.New(strings.TrimSpace(out))
		}
		return err
	})
}

// works runs the image as docker pulls it from the registry, with every check.
func (b *bed) works(ctx context.Context, a *app, r *slimmed) error {
	if _, err := b.docker(ctx, "pull", "--quiet", r.registryRef()); err != nil {
		return err
	}
	c, err := b.start(ctx, a, r.registryRef(), false)
	defer c.remove()
	if err != nil {
		return err
	}
	if err := c.waitReady(ctx, 2*time.Minute); err != nil {
		return err
	}
	err = errors.Join(c.check(ctx), c.checkUser(ctx, r.image), c.checkHealth(ctx, r.image))
	if err != nil || a.ready == nil {
		return err
	}
	code, err := c.stop(ctx)
	if err == nil && code == 137 {
		err = fmt.Errorf("it did not stop on the image's signal within 30 s: %s", c.lastWords())
	}
	return err
}
