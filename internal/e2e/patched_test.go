package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// patched are apps that are slimmed as their distribution was released, and
// whose slim image is then moved onto the patched one.
var patched = []string{"nginx", "python"}

// patchedFile is of a package that was patched since, and that both load.
const patchedFile = "/usr/lib/x86_64-linux-gnu/libssl.so.3"

// TestPatched rebases slim images, which stand on scratch, through what they
// were made of: without a new recording, the patched library arrives and the
// full check passes.
func TestPatched(t *testing.T) {
	eachNamed(t, patched, 30*time.Minute, testPatched)
}

func testPatched(ctx context.Context, t *testing.T, b *bed, now app) {
	released := asReleased(now)
	a := &released
	old := must[string](t, "publishing the base as released")(b.publish(ctx, "pare-test/legacy:bookworm-release"))
	onto := must[string](t, "publishing the patched base")(b.publish(ctx, "pare-test/legacy:bookworm"))
	s := must[*source](t, "making the image")(b.makeSource(ctx, a))
	r := must[*recording](t, "preparing")(b.newRecording(a, s, b.recorders(a)[0]))
	profile := must[string](t, "recording it")(r.full(ctx))
	before := must[*slimmed](t, "slimming it")(r.slim(ctx, "released", profile, "--granularity", "auto"))

	dest := r.source.repo + ":patched"
	args := []string{"rebase", before.registryRef(), "-p", profile, "--from", old, "--onto", onto, "-o", dest, "--insecure", b.registry, "--progress", "quiet"}
	began := time.Now()
	out := must[string](t, "moving it")(b.runPare(ctx, args...))
	took := time.Since(began)
	after := &slimmed{granularity: "patched", layout: r.file("oci-patched"), repo: r.source.repo, digest: must[v1.Hash](t, "reading what it said")(lastDigest(out))}
	after.image = must[v1.Image](t, "fetching the result")(b.fetch(ctx, after))
	if err := b.works(ctx, a, after); err != nil {
		t.Error(err)
	}
	base := must[v1.Image](t, "fetching the patched base")(b.fetchRef(ctx, onto, r.file("oci-base")))
	want := must[string](t, "reading the patched library")(fileIn(base, patchedFile))
	had := must[string](t, "reading the old library")(fileIn(before.image, patchedFile))
	got := must[string](t, "reading the library that arrived")(fileIn(after.image, patchedFile))
	if want == had {
		t.Fatalf("%s was not patched: this tests nothing", patchedFile)
	}
	if got != want {
		t.Errorf("%s is %s, in the patched base %s", patchedFile, got, want)
	}
	again := must[string](t, "moving it once more")(b.runPare(ctx, append(args, "-o", dest+"-again")...))
	if d := must[v1.Hash](t, "reading what it said")(lastDigest(again)); d != after.digest {
		t.Errorf("moved twice: %s, then %s", after.digest, d)
	}
	t.Logf("moved and slimmed again in %.1f s", took.Seconds())
}

// publish puts an image of docker's into the registry; the reference is by
// digest.
func (b *bed) publish(ctx context.Context, name string) (string, error) {
	to := b.registry + "/" + name
	if _, err := output(ctx, "skopeo", "--insecure-policy", "copy", "--src-daemon-host", b.dockerURL, "--dest-tls-verify=false",
		"docker-daemon:"+name, "docker://"+to); err != nil {
		return "", err
	}
	digest, err := stdout(ctx, nil, "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://"+to)
	repo, _, _ := strings.Cut(to[len(b.registry):], ":")
	return b.registry + repo + "@" + strings.TrimSpace(string(digest)), err
}

// fetch copies a slim image from the registry to its layout.
func (b *bed) fetch(ctx context.Context, s *slimmed) (v1.Image, error) {
	return b.fetchRef(ctx, s.registryRef(), s.layout)
}

func (b *bed) fetchRef(ctx context.Context, ref, dir string) (v1.Image, error) {
	_, err := output(ctx, "skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "docker://"+ref, "oci:"+dir+":fetched")
	if err != nil {
		return nil, err
	}
	img, _, err := fromLayout(dir, "fetched")
	return img, err
}

// fileIn is the sha256 of a regular file of an image.
func fileIn(img v1.Image, path string) (string, error) {
	archive := mutate.Extract(img)
	defer archive.Close()
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("the image has no %s", path)
		}
		if err != nil {
			return "", err
		}
		if filepath.Join("/", h.Name) != path {
			continue
		}
		var content bytes.Buffer
		if _, err := io.Copy(&content, r); err != nil {
			return "", err
		}
		return fmt.Sprintf("sha256:%x", sha256.Sum256(content.Bytes())), nil
	}
}
