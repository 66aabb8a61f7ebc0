package e2e

import (
	"archive/tar"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/layers"
)

// contents are an image's files as far as packages know them: every path's
// type, the digests of files by which packages list them, and dpkg's database.
type contents struct {
	nodes map[string]node
	md5   map[string]string
	db    map[string]string // below /var/lib/dpkg
}

func newContents() *contents {
	return &contents{nodes: map[string]node{}, md5: map[string]string{}, db: map[string]string{}}
}

func (c *contents) file(p string, r io.Reader) error {
	h := md5.New()
	c.nodes[p] = node{mode: unix.S_IFREG}
	if name, ok := strings.CutPrefix(p, "/var/lib/dpkg/"); ok {
		b, err := io.ReadAll(io.TeeReader(r, h))
		if err != nil {
			return err
		}
		c.db[name] = string(b)
	} else if _, err := io.Copy(h, r); err != nil {
		return err
	}
	c.md5[p] = hex.EncodeToString(h.Sum(nil))
	return nil
}

// export reads what docker has of an image, by docker's own means.
func (b *bed) export(ctx context.Context, image string) (c *contents, err error) {
	id, err := stdout(ctx, nil, append(slices.Clone(b.dockerCLI), "create", image, "true")...)
	if err != nil {
		return nil, err
	}
	name := strings.TrimSpace(string(id))
	defer func() {
		_, rerr := b.docker(ctx, "rm", name)
		err = errors.Join(err, rerr)
	}()
	dir, err := b.scratch("export")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "tar")
	if _, err := b.docker(ctx, "export", "--output", file, name); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return contentsOfTar(f)
}

func contentsOfTar(r io.Reader) (*contents, error) {
	c := newContents()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		p := path.Clean("/" + h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			if err := c.file(p, tr); err != nil {
				return nil, err
			}
		case tar.TypeLink:
			at := path.Clean("/" + h.Linkname)
			c.nodes[p], c.md5[p] = c.nodes[at], c.md5[at]
		case tar.TypeSymlink:
			c.nodes[p] = node{mode: unix.S_IFLNK, link: h.Linkname}
		case tar.TypeDir:
			c.nodes[p] = node{mode: unix.S_IFDIR}
		}
	}
}

// contentsOfImage reads layers: what another tool has made may be nothing that
// an engine takes.
func contentsOfImage(ctx context.Context, img v1.Image) (*contents, error) {
	t, err := layers.Open(ctx, img, layers.Options{})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	c := newContents()
	var files []*layers.Inode
	for e := range t.All() {
		if e.Type == layers.Regular {
			files = append(files, e.Inode)
		}
	}
	if err := t.Prefetch(ctx, files); err != nil {
		return nil, err
	}
	for e := range t.All() {
		switch e.Type {
		case layers.Regular:
			if err := c.add(t, e); err != nil {
				return nil, err
			}
		case layers.Symlink:
			c.nodes[e.Path] = node{mode: unix.S_IFLNK, link: e.Linkname}
		case layers.Directory:
			c.nodes[e.Path] = node{mode: unix.S_IFDIR}
		}
	}
	return c, nil
}

func (c *contents) add(t *layers.Tree, e *layers.Entry) error {
	rc, err := t.OpenContent(e.Inode)
	if err != nil {
		return err
	}
	defer rc.Close()
	return c.file(e.Path, rc)
}

// pkg is an installed package as dpkg's status has it.
type pkg struct{ name, arch, version, list string }

// id is by what a package's archive is found.
func (p pkg) id() string { return p.name + " " + p.arch + " " + p.version }

// installed are the packages that the status says are there, by name and
// architecture.
func (c *contents) installed() map[string]pkg {
	out := map[string]pkg{}
	for stanza := range strings.SplitSeq(c.db["status"], "\n\n") {
		f := map[string]string{}
		for line := range strings.SplitSeq(stanza, "\n") {
			if k, v, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, " ") {
				f[k] = v
			}
		}
		if !strings.HasSuffix(f["Status"], " installed") {
			continue
		}
		p := pkg{f["Package"], f["Architecture"], f["Version"], f["Package"]}
		if f["Multi-Arch"] == "same" {
			p.list += ":" + p.arch
		}
		out[p.name+":"+p.arch] = p
	}
	return out
}

// sums are files and their digests, as a package lists them.
type sums map[string]string

func parseSums(text string) sums {
	out := sums{}
	for line := range strings.Lines(text) {
		if sum, p, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  "); ok {
			out["/"+p] = sum
		}
	}
	return out
}

// lacks are the files of a package that are not there as it lists them.
func (c *contents) lacks(s sums) []string {
	var out []string
	for p, sum := range s {
		if c.md5[resolve(c.nodes, p)] != sum {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// untrue are the packages whose version, as it is reported, is not that of the
// bytes that are there, with the files that are not: of packages whose archive
// is known by what is in it, of others by what the image says of them.
func (c *contents) untrue(debs map[string]sums) map[string][]string {
	out := map[string][]string{}
	for key, p := range c.installed() {
		listed := parseSums(c.db["info/"+p.list+".md5sums"])
		truth, known := debs[p.id()]
		if !known {
			truth = listed
		}
		gone := c.lacks(truth)
		if known && !maps.Equal(truth, listed) {
			gone = append(gone, "/var/lib/dpkg/info/"+p.list+".md5sums")
		}
		if gone != nil {
			out[key] = gone
		}
	}
	return out
}

// besides leaves out what other images have too; what is left is by package
// and file.
func besides(is map[string][]string, was ...map[string][]string) map[string][]string {
	out := map[string][]string{}
	for key, files := range is {
		for _, f := range files {
			if !slices.ContainsFunc(was, func(w map[string][]string) bool { return slices.Contains(w[key], f) }) {
				out[key] = append(out[key], f)
			}
		}
	}
	return out
}

// undelivered are those of packages whose files, as their archives have them,
// are not all there.
func (c *contents) undelivered(all []pkg, debs map[string]sums) []string {
	var out []string
	for _, p := range all {
		if len(c.lacks(debs[p.id()])) > 0 {
			out = append(out, p.name)
		}
	}
	slices.Sort(out)
	return out
}

// archives has what packages hold, from the packages themselves, as apt
// fetches them; they are kept between runs.
func (b *bed) archives(ctx context.Context, want []pkg) (map[string]sums, error) {
	dir := filepath.Join(b.work, "debs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	have, err := readArchives(ctx, dir)
	if err != nil {
		return nil, err
	}
	var lacking []string
	for _, p := range want {
		if have[p.id()] == nil {
			lacking = append(lacking, p.name+"="+p.version)
		}
	}
	if lacking == nil {
		return have, nil
	}
	slices.Sort(lacking)
	argv := slices.Concat([]string{
		"run", "--rm", "--network", "host", "--volume", dir + ":/debs", "--workdir", "/debs", "pare-test/debian:bookworm-tls", "sh", "-c",
		`apt-get -q -o Acquire::Retries=3 update && apt-get -q -o Acquire::Retries=3 download "$@"`, "sh",
	}, slices.Compact(lacking))
	if _, err := b.docker(ctx, argv...); err != nil {
		return nil, err
	}
	return readArchives(ctx, dir)
}

func readArchives(ctx context.Context, dir string) (map[string]sums, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return nil, err
	}
	out := map[string]sums{}
	for _, f := range files {
		id, err := stdout(ctx, nil, "dpkg-deb", "--show", "--showformat=${Package} ${Architecture} ${Version}", f)
		if err != nil {
			return nil, err
		}
		list, err := stdout(ctx, nil, "dpkg-deb", "--info", f, "md5sums")
		if err != nil {
			return nil, err
		}
		s := parseSums(string(list))
		if len(s) == 0 {
			return nil, fmt.Errorf("%s lists no files", f)
		}
		out[string(id)] = s
	}
	return out, nil
}
