package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// extracted is an image of Debian packages of any architecture, made without
// running a program of theirs: what dpkg would have noted of them is written
// from the packages.
type extracted struct {
	arch     string // Debian's name, which is Go's for amd64 and arm64
	packages []string
	files    map[string]string // further ones: path in the image -> path here
	config   v1.Config
}

// make writes the image to an OCI layout and returns its reference.
func (x *extracted) make(ctx context.Context, b *bed, name string) (ref string, err error) {
	dir, err := b.scratch("extracted-" + name + "-" + x.arch)
	if err != nil {
		return "", err
	}
	debs, base := filepath.Join(dir, "debs"), filepath.Join(dir, "base.tar")
	if err := os.Mkdir(debs, 0o755); err != nil {
		return "", err
	}
	argv := []string{
		"mmdebstrap", "--variant=extract", "--arch=" + x.arch, "--include=" + strings.Join(x.packages, ","),
		"--extract-hook=copy-out /var/cache/apt/archives " + debs, "bookworm", base,
	}
	// The machine's own sources, where it is a Debian.
	if sources := filepath.Join(b.run, "bookworm.list"); fileSize(sources) > 0 {
		argv = append(argv, sources)
	}
	if _, err := output(ctx, argv...); err != nil {
		return "", err
	}
	if err := x.addFiles(ctx, dir); err != nil {
		return "", err
	}
	img, err := x.image(base, filepath.Join(dir, "top.tar"))
	if err != nil {
		return "", err
	}
	at := filepath.Join(dir, "oci")
	p, err := layout.Write(at, empty.Index)
	if err != nil {
		return "", err
	}
	return "oci:" + at + ":" + name, p.AppendImage(img, layout.WithAnnotations(map[string]string{refName: name}))
}

func fileSize(p string) int64 {
	st, err := os.Stat(p)
	if err != nil {
		return 0
	}
	return st.Size()
}

// addFiles makes the upper layer: dpkg's database, and the further files.
func (x *extracted) addFiles(ctx context.Context, dir string) error {
	top := filepath.Join(dir, "top")
	info := filepath.Join(top, "var/lib/dpkg/info")
	if err := os.MkdirAll(info, 0o755); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(dir, "debs/archives/*.deb"))
	if err != nil || len(debs) == 0 {
		return fmt.Errorf("mmdebstrap left no packages in %s (%v)", dir, err)
	}
	var status bytes.Buffer
	for _, deb := range debs {
		if err := addPackage(ctx, &status, info, deb); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(top, "var/lib/dpkg/status"), status.Bytes(), 0o644); err != nil {
		return err
	}
	for to, from := range x.files {
		to = filepath.Join(top, to)
		content, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return err
		}
	}
	_, err = output(ctx, "tar", "-C", top, "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-cf", filepath.Join(dir, "top.tar"), ".")
	return err
}

// addPackage notes a package as dpkg does: its stanza, and its lists.
func addPackage(ctx context.Context, status *bytes.Buffer, info, deb string) error {
	stanza, err := stdout(ctx, nil, "dpkg-deb", "--field", deb)
	if err != nil {
		return err
	}
	first, rest, _ := bytes.Cut(stanza, []byte("\n"))
	fmt.Fprintf(status, "%s\nStatus: install ok installed\n%s\n", first, rest)
	fields, err := stdout(ctx, nil, "dpkg-deb", "--show", "--showformat=${Package} ${Architecture} ${Multi-Arch}", deb)
	if err != nil {
		return err
	}
	name, more, _ := strings.Cut(string(fields), " ")
	if arch, multi, _ := strings.Cut(more, " "); multi == "same" {
		name += ":" + arch
	}
	list, err := stdout(ctx, nil, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -t`, "sh", deb)
	if err != nil {
		return err
	}
	var lines strings.Builder
	lines.WriteString("/.\n")
	for l := range strings.FieldsFuncSeq(string(list), func(r rune) bool { return r == '\n' }) {
		if l = strings.TrimSuffix(strings.TrimPrefix(l, "."), "/"); l != "" {
			lines.WriteString(l + "\n")
		}
	}
	return os.WriteFile(filepath.Join(info, name+".list"), []byte(lines.String()), 0o644)
}

func (x *extracted) image(tars ...string) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, t := range tars {
		l, err := tarball.LayerFromFile(t, tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return nil, err
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			return nil, err
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config = "linux", x.arch, x.config
	return mutate.ConfigFile(img, config)
}
