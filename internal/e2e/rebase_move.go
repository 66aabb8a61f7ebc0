package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pare-image/pare/rebase"
)

// base is an image that others stand on, in the registry.
type base struct {
	ref    string // by digest
	layout string // directory, with sourceTag
	image  v1.Image
	*contents
}

// base takes one that testdata/run has made from docker to the registry.
func (b *bed) base(ctx context.Context, tag string) (*base, error) {
	id, err := stdout(ctx, nil, append(slices.Clone(b.dockerCLI), "image", "inspect", "--format", "{{.Id}}", "pare-test/debian:"+tag)...)
	if err != nil {
		return nil, err
	}
	a := &app{name: "debian-" + tag}
	if _, err := b.docker(ctx, "tag", "pare-test/debian:"+tag, "pare-test/"+a.name); err != nil {
		return nil, err
	}
	s := &source{id: strings.TrimSpace(string(id)), repo: b.registry + "/bases/" + tag}
	if err := b.save(ctx, a, s); err != nil {
		return nil, err
	}
	if s.image, s.digest, err = fromLayout(s.layout, sourceTag); err != nil {
		return nil, err
	}
	if _, err = output(ctx, "skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", s.ociRef(), "docker://"+s.repo+":now"); err != nil {
		return nil, err
	}
	c, err := contentsOfImage(ctx, s.image)
	return &base{s.registryRef(), s.layout, s.image, c}, err
}

// changes are the packages of the new base that the old one does not have, or
// has at another version.
func (n *base) changes(old *base) []pkg {
	var out []pkg
	had := old.installed()
	for key, p := range n.installed() {
		if had[key].version != p.version {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b pkg) int { return strings.Compare(a.name, b.name) })
	return out
}

// rebaseArgs are the arguments of a move; cache is a directory below this
// run's.
func (b *bed) rebaseArgs(m move, cache string, flags ...string) []string {
	args := []string{
		"rebase", m.image, "--from", m.from, "--onto", m.onto, "--insecure", b.registry, "--progress", "quiet",
		"--cache-dir", filepath.Join(b.run, "rebase-cache", cache),
	}
	if m.dest != "" {
		args = append(args, "-o", m.dest)
	}
	return append(args, flags...)
}

// planRebase has pare plan a move. That the plan forbids it is no error.
func (b *bed) planRebase(ctx context.Context, m move, cache string, flags ...string) (*rebase.Plan, int, error) {
	out, err := b.runPare(ctx, append(b.rebaseArgs(m, cache, flags...), "--plan", "--json")...)
	exit, err := code(err)
	if err != nil {
		return nil, 0, err
	}
	var p rebase.Plan
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		return nil, exit, fmt.Errorf("reading the plan: %w", err)
	}
	return &p, exit, nil
}

// rebase has pare move an image, and returns the digest of what it made.
func (b *bed) rebase(ctx context.Context, m move, cache string, flags ...string) (v1.Hash, error) {
	out, err := b.runPare(ctx, b.rebaseArgs(m, cache, flags...)...)
	if err != nil {
		return v1.Hash{}, err
	}
	return lastDigest(out)
}

// errorsOf are the names of the plan's errors, each once, sorted.
func errorsOf(p *rebase.Plan) []string {
	var out []string
	for _, f := range p.Findings {
		if f.Severity == rebase.SeverityError {
			out = append(out, f.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fetch opens an image of the registry.
func fetch(ctx context.Context, ref string) (v1.Image, error) {
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	return remote.Image(r, remote.WithContext(ctx))
}
