package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// source is an app's image as it was before: in docker, in an OCI layout and
// in the registry. The last two have one digest.
type source struct {
	id     string // docker's
	layout string // directory; the tag is sourceTag
	digest v1.Hash
	image  v1.Image
	repo   string // HOST:PORT/REPOSITORY
}

const sourceTag = "source"

func (s *source) ociRef() string      { return "oci:" + s.layout + ":" + sourceTag }
func (s *source) registryRef() string { return s.repo + "@" + s.digest.String() }

// makeSource builds a's image and puts it everywhere.
func (b *bed) makeSource(ctx context.Context, a *app) (*source, error) {
	id, err := b.build(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", a.name, err)
	}
	s := &source{id: id, repo: b.registry + "/pare-test/" + a.name}
	if err := b.save(ctx, a, s); err != nil {
		return nil, fmt.Errorf("saving %s: %w", a.name, err)
	}
	if s.image, s.digest, err = fromLayout(s.layout, sourceTag); err != nil {
		return nil, err
	}
	_, err = output(ctx, "skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", s.ociRef(), "docker://"+s.repo+":"+sourceTag)
	return s, err
}

// build runs docker build; docker's own cache makes the second run quick.
func (b *bed) build(ctx context.Context, a *app) (id string, err error) {
	dir, err := b.scratch("context-" + a.name)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := b.buildContext(ctx, a, dir); err != nil {
		return "", err
	}
	args := []string{"build", "--network", "host", "--tag", "pare-test/" + a.name, "--iidfile", filepath.Join(dir, "..", "iid")}
	for _, v := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if os.Getenv(v) != "" {
			args = append(args, "--build-arg", v)
		}
	}
	if _, err := b.docker(ctx, append(args, dir)...); err != nil {
		return "", err
	}
	iid, err := os.ReadFile(filepath.Join(dir, "..", "iid"))
	return strings.TrimSpace(string(iid)), err
}

// buildContext fills dir: the app's directory, the secret, programs, and what
// prepare makes.
func (b *bed) buildContext(ctx context.Context, a *app, dir string) error {
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(b.root, a.context))); err != nil {
		return err
	}
	secret, err := b.secret()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "secret"), secret, 0o600); err != nil {
		return err
	}
	for _, g := range a.goBuild {
		if err := b.goBuild(ctx, g.pkg, filepath.Join(dir, g.name), g.cgo); err != nil {
			return err
		}
	}
	if a.prepare == nil {
		return nil
	}
	return a.prepare(dir)
}

func (b *bed) secret() ([]byte, error) {
	return os.ReadFile(filepath.Join(b.root, "testdata", "images", "secret"))
}

// goBuild builds a program; the same bytes each time.
func (b *bed) goBuild(ctx context.Context, pkg, out string, cgo bool) error {
	env := []string{"CGO_ENABLED=0"}
	if cgo {
		env = []string{"CGO_ENABLED=1"}
	}
	_, err := stdout(ctx, env, "go", "-C", b.root, "build", "-trimpath", "-buildvcs=false", "-o", out, pkg)
	return err
}

// save writes the image to an OCI layout that is kept between runs; the one
// of an earlier build goes.
func (b *bed) save(ctx context.Context, a *app, s *source) error {
	dir := filepath.Join(b.work, "oci", a.name)
	s.layout = filepath.Join(dir, strings.TrimPrefix(s.id, "sha256:"))
	if _, err := os.Stat(s.layout); err == nil {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	half := s.layout + ".half"
	if _, err := output(ctx, "skopeo", "--insecure-policy", "copy", "--src-daemon-host", b.dockerURL,
		"docker-daemon:pare-test/"+a.name+":latest", "oci:"+half+":"+sourceTag); err != nil {
		return err
	}
	if err := b.restoreHealthcheck(ctx, half, s.id); err != nil {
		return err
	}
	return os.Rename(half, s.layout)
}

// restoreHealthcheck puts back what skopeo leaves out because OCI's schema
// does not name it; BuildKit, like others, writes it into OCI images.
func (b *bed) restoreHealthcheck(ctx context.Context, dir, id string) error {
	out, err := stdout(ctx, nil, slices.Concat(b.dockerCLI, []string{"image", "inspect", "--format", "{{json .Config.Healthcheck}}", id})...)
	if err != nil {
		return err
	}
	var h *v1.HealthConfig
	if err := json.Unmarshal(out, &h); err != nil || h == nil {
		return err
	}
	img, _, err := fromLayout(dir, sourceTag)
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.Config.Healthcheck = h
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return err
	}
	return layout.Path(dir).ReplaceImage(img, match.Name(sourceTag), layout.WithAnnotations(map[string]string{refName: sourceTag}))
}

// refName is the annotation that holds a tag in an OCI layout.
const refName = "org.opencontainers.image.ref.name"

// fromLayout reads the image that an OCI layout has under a tag.
func fromLayout(dir, tag string) (v1.Image, v1.Hash, error) {
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	im, err := idx.IndexManifest()
	if err != nil {
		return nil, v1.Hash{}, err
	}
	for _, d := range im.Manifests {
		if d.Annotations[refName] == tag {
			img, err := idx.Image(d.Digest)
			return img, d.Digest, err
		}
	}
	return nil, v1.Hash{}, fmt.Errorf("%s has no tag %q", dir, tag)
}
