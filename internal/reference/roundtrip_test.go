package reference

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

const twoLayers = `
-- config --
{"Cmd": ["/app"]}
-- layer --
dir etc
file etc/a "one\n"
-- layer gzip --
dir etc
file etc/a "two\n"
file etc/b "three\n"
-- layer zstd --
dir etc
file etc/c "four\n"
`

func testIndex(t *testing.T) v1.ImageIndex {
	t.Helper()
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		img := testimage.New(t, `
-- image --
{"os": "linux", "architecture": "`+arch+`"}
-- layer --
file arch "`+arch+`"
`)
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	return idx
}

// view is every file of an image with its content, read through layers, which
// verifies every digest.
func view(t *testing.T, img v1.Image) map[string]string {
	t.Helper()
	tree, err := layers.Open(t.Context(), img, layers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	out := map[string]string{}
	for e := range tree.All() {
		if e.Type == layers.Regular {
			b, err := fs.ReadFile(tree, strings.TrimPrefix(e.Path, "/"))
			if err != nil {
				t.Fatal(err)
			}
			out[e.Path] = string(b)
		}
	}
	return out
}

func parse(t *testing.T, text string) Ref {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustWrite(t *testing.T, text string, img v1.Image, idx v1.ImageIndex) Ref {
	t.Helper()
	at, err := Write(t.Context(), parse(t, text), img, idx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func mustOpen(t *testing.T, text string) *Source {
	t.Helper()
	s, err := Open(t.Context(), parse(t, text), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func digestOf(t *testing.T, m interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	h, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// names lists what is in a directory and below, so that what was left shows.
func names(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if p != dir {
			rel, _ := filepath.Rel(dir, p)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	want := map[string]string{"/etc/a": "two\n", "/etc/b": "three\n", "/etc/c": "four\n"}
	for _, kind := range []Kind{OCI, OCIArchive, DockerArchive} {
		for _, tag := range []string{"", ":app:v1"} {
			t.Run(string(kind)+tag, func(t *testing.T) {
				dir := t.TempDir()
				img := testimage.New(t, twoLayers)
				at := mustWrite(t, string(kind)+":"+dir+"/x"+tag, img, nil)
				if got := names(t, dir); slices.ContainsFunc(got, func(n string) bool { return strings.Contains(n, "pare-") }) {
					t.Errorf("left behind: %q", got)
				}
				for _, name := range []string{string(kind) + ":" + dir + "/x" + tag, at.String(), string(kind) + ":" + dir + "/x"} {
					s := mustOpen(t, name)
					if got := view(t, s.Image); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s holds %v, want %v", name, got, want)
					}
					if s.Descriptor.Digest != at.Digest || digestOf(t, s.Image) != at.Digest {
						t.Errorf("%s has digest %s, written as %s", name, s.Descriptor.Digest, at)
					}
				}
				if kind != DockerArchive && at.Digest != digestOf(t, img) {
					t.Errorf("digest %s, the image's is %s", at.Digest, digestOf(t, img))
				}
			})
		}
	}
}

func TestRoundTripIndex(t *testing.T) {
	idx := testIndex(t)
	for _, kind := range []Kind{OCI, OCIArchive} {
		t.Run(string(kind), func(t *testing.T) {
			name := string(kind) + ":" + t.TempDir() + "/x:multi"
			at := mustWrite(t, name, nil, idx)
			if at.Digest != digestOf(t, idx) {
				t.Errorf("digest %s, the index's is %s", at.Digest, digestOf(t, idx))
			}
			s := mustOpen(t, name)
			items, err := layers.WalkIndex(s.Index)
			if err != nil || len(items) != 2 {
				t.Fatalf("%d items, %v", len(items), err)
			}
			for _, i := range items {
				img, err := i.Image()
				if err != nil {
					t.Fatal(err)
				}
				if got := view(t, img)["/arch"]; got != i.Platform.Architecture {
					t.Errorf("%s holds %q", i.Platform, got)
				}
				// One platform by its digest.
				one := mustOpen(t, fmt.Sprintf("%s:%s@%s", kind, parse(t, name).Path, i.Descriptor.Digest))
				if one.Image == nil || digestOf(t, one.Image) != i.Descriptor.Digest {
					t.Errorf("by digest: %+v", one)
				}
			}
		})
	}
	for _, kind := range []Kind{DockerArchive, DockerDaemon} {
		dir := t.TempDir()
		to := string(kind) + ":app"
		if kind == DockerArchive {
			to = string(kind) + ":" + dir + "/x"
		}
		_, err := Write(t.Context(), parse(t, to), nil, idx, Options{})
		if !errors.Is(err, ErrDestination) || !strings.Contains(err.Error(), "--platform") {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// The same image gives the same bytes of an archive, whatever was there.
func TestArchivesAreDeterministic(t *testing.T) {
	for _, kind := range []Kind{OCIArchive, DockerArchive} {
		var all [][]byte
		for range 2 {
			file := t.TempDir() + "/x"
			for range 2 { // the second time over the first
				mustWrite(t, string(kind)+":"+file+":app:v1", testimage.New(t, twoLayers), nil)
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, b)
			}
		}
		for _, b := range all[1:] {
			if !slices.Equal(b, all[0]) {
				t.Errorf("%s: other bytes", kind)
			}
		}
	}
}

// Other tags of a layout stay, and what we do not know of its index.
func TestLayoutKeepsOthers(t *testing.T) {
	dir := t.TempDir() + "/x"
	mustWrite(t, "oci:"+dir+":one", testimage.New(t, twoLayers), nil)
	index := filepath.Join(dir, indexFile)
	b, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(index, []byte(strings.Replace(string(b), `"schemaVersion":2`, `"schemaVersion":2,"annotations":{"x":"y"}`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	small := testimage.New(t, "-- layer --\nfile a \"a\"\n")
	mustWrite(t, "oci:"+dir+":two", small, nil)
	mustWrite(t, "oci:"+dir+":two", testimage.New(t, "-- layer --\nfile a \"b\"\n"), nil)
	mustWrite(t, "oci:"+dir, small, nil) // without a tag
	if got := view(t, mustOpen(t, "oci:"+dir+":one").Image)["/etc/a"]; got != "two\n" {
		t.Errorf("one holds %q", got)
	}
	if got := view(t, mustOpen(t, "oci:"+dir+":two").Image)["/a"]; got != "b" {
		t.Errorf("two holds %q", got)
	}
	b, err = os.ReadFile(index)
	if err != nil || !strings.Contains(string(b), `"annotations":{"x":"y"}`) || strings.Count(string(b), `"two"`) != 1 {
		t.Errorf("index %s, %v", b, err)
	}
	_, err = Open(t.Context(), parse(t, "oci:"+dir), Options{})
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `say which: "one", "two"`) {
		t.Errorf("without a tag: %v", err)
	}
}

func TestLayoutWritersAtOnce(t *testing.T) {
	dir := t.TempDir() + "/x"
	mustWrite(t, "oci:"+dir+":t0", testimage.New(t, twoLayers), nil)
	errs := make(chan error)
	const n = 8
	for i := range n {
		img := testimage.New(t, fmt.Sprintf("-- layer --\nfile a %q\n", fmt.Sprint(i)))
		go func() {
			_, err := Write(t.Context(), Ref{Kind: OCI, Path: dir, Name: fmt.Sprintf("t%d", i+1)}, img, nil, Options{})
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for i := range n + 1 {
		mustOpen(t, fmt.Sprintf("oci:%s:t%d", dir, i))
	}
}

// A blob that is there but damaged is written again.
func TestLayoutRepairsBlob(t *testing.T) {
	dir := t.TempDir() + "/x"
	img := testimage.New(t, twoLayers)
	mustWrite(t, "oci:"+dir+":one", img, nil)
	blobs, err := filepath.Glob(dir + "/blobs/sha256/*")
	if err != nil || len(blobs) != 5 {
		t.Fatal(blobs, err)
	}
	for _, b := range blobs {
		if err := os.WriteFile(b, []byte("damaged"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite(t, "oci:"+dir+":two", img, nil)
	view(t, mustOpen(t, "oci:"+dir+":two").Image)
}

// liar is a layer whose blob is not what its digest says.
func liar(t *testing.T) v1.Image {
	t.Helper()
	good := static.NewLayer([]byte("good"), types.OCILayer)
	img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), lying{good})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

type lying struct{ v1.Layer }

func (l lying) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("bad!")), nil
}
func (l lying) Uncompressed() (io.ReadCloser, error) { return l.Compressed() }

// endless is a layer that cancels the context when a part of it has been
// written, which is the worst time.
type endless struct {
	v1.Layer
	cancel context.CancelFunc
}

func (l endless) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(&endlessReader{l.cancel, 0}), nil
}
func (l endless) Uncompressed() (io.ReadCloser, error) { return l.Compressed() }

type endlessReader struct {
	cancel context.CancelFunc
	n      int
}

func (r *endlessReader) Read(p []byte) (int, error) {
	if r.n += len(p); r.n > 1<<20 {
		r.cancel()
	}
	return len(p), nil
}

// Whatever goes wrong in the middle, what was there is as it was, and nothing
// else is.
func TestFailureLeavesNothing(t *testing.T) {
	for _, kind := range []Kind{OCI, OCIArchive, DockerArchive} {
		for _, before := range []string{"nothing", "an image"} {
			for _, fault := range []string{"a wrong blob", "cancelled"} {
				t.Run(fmt.Sprintf("%s over %s, %s", kind, before, fault), func(t *testing.T) {
					dir := t.TempDir()
					to := string(kind) + ":" + dir + "/x:app:v1"
					if before != "nothing" {
						mustWrite(t, to, testimage.New(t, twoLayers), nil)
					}
					was := names(t, dir)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					img := liar(t)
					if fault == "cancelled" {
						var err error
						img, err = mutate.AppendLayers(testimage.New(t, twoLayers), endless{static.NewLayer([]byte("x"), types.OCILayer), cancel})
						if err != nil {
							t.Fatal(err)
						}
					}
					_, err := Write(ctx, parse(t, to), img, nil, Options{})
					if fault == "cancelled" && !errors.Is(err, context.Canceled) || fault != "cancelled" && !errors.Is(err, layers.ErrMismatch) {
						t.Errorf("error %v", err)
					}
					if got := names(t, dir); !slices.Equal(got, was) {
						t.Errorf("left %q, before %q", got, was)
					}
					if before != "nothing" {
						if got := view(t, mustOpen(t, to).Image)["/etc/b"]; got != "three\n" {
							t.Errorf("the image that was there holds %q", got)
						}
					}
				})
			}
		}
	}
}

// A new layout beside tags of another: blobs that were moved before the index
// could be written are taken away again.
func TestLayoutRollsBack(t *testing.T) {
	dir := t.TempDir() + "/x"
	mustWrite(t, "oci:"+dir+":one", testimage.New(t, twoLayers), nil)
	index := filepath.Join(dir, indexFile)
	if err := os.WriteFile(index, []byte("{no JSON"), 0o644); err != nil {
		t.Fatal(err)
	}
	was := names(t, dir)
	if _, err := Write(t.Context(), parse(t, "oci:"+dir+":two"), testimage.New(t, "-- layer --\nfile a \"a\"\n"), nil, Options{}); err == nil {
		t.Error("no error")
	}
	if got := names(t, dir); !slices.Equal(got, was) {
		t.Errorf("left %q, before %q", got, was)
	}
}

func TestDestinationRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("text", "not an archive at all")
	write("other/file", "x")
	write("v2/oci-layout", `{"imageLayoutVersion":"2.0.0"}`)
	img := testimage.New(t, twoLayers)
	mustWrite(t, "oci-archive:"+dir+"/oci.tar:one", img, nil)
	mustWrite(t, "docker-archive:"+dir+"/docker.tar:one", img, nil)
	was := names(t, dir)
	for to, want := range map[string]string{
		"oci:DIR/none/x":                  "make it first",
		"oci-archive:DIR/none/x":          "make it first",
		"docker-archive:DIR/none/x":       "make it first",
		"oci:DIR/text":                    "not a directory",
		"oci:DIR/other":                   "other than an OCI layout",
		"oci:DIR/v2":                      `version "2.0.0"`,
		"oci-archive:DIR/text":            "exists and is no oci-archive",
		"docker-archive:DIR/text":         "exists and is no docker-archive",
		"docker-archive:DIR/oci.tar":      "exists and is no docker-archive",
		"docker-archive:DIR/other":        "exists and is no docker-archive",
		"oci-archive:DIR/oci.tar:two":     `also holds "one"`,
		"oci-archive:DIR/oci.tar":         `also holds "one"`,
		"docker-archive:DIR/docker.tar:b": `also holds "one:latest"`,
		"oci:DIR/new@sha256:" + hex64:     "give a tag",
		"docker-daemon:sha256:" + hex64:   "give a tag",
		"host/a@sha256:" + hex64:          "give a tag",
	} {
		r := parse(t, strings.Replace(to, "DIR", dir, 1))
		err := CheckDestination(t.Context(), r, false, Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", to, err, want)
		}
	}
	if got := names(t, dir); !slices.Equal(got, was) {
		t.Errorf("left %q, before %q", got, was)
	}
	for _, to := range []string{"oci-archive:DIR/oci.tar:one", "docker-archive:DIR/docker.tar:one", "oci:DIR/new", "oci-archive:DIR/new:x"} {
		if err := CheckDestination(t.Context(), parse(t, strings.Replace(to, "DIR", dir, 1)), false, Options{}); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// An archive that is named by a symlink is replaced, and the link stays.
func TestWriteThroughSymlink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/real", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/real/f", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real/f", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, "oci-archive:"+dir+"/link", testimage.New(t, twoLayers), nil)
	if to, err := os.Readlink(dir + "/link"); err != nil || to != "real/f" {
		t.Errorf("the link is %q, %v", to, err)
	}
	view(t, mustOpen(t, "oci-archive:"+dir+"/real/f").Image)
}

// skopeo reads all that we write, and we read all that it writes.
func TestSkopeo(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("skopeo is not installed")
	}
	dir := t.TempDir()
	img := testimage.New(t, strings.Replace(twoLayers, "-- layer zstd --", "-- layer none --", 1))
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), skopeo, append([]string{"--insecure-policy", "--tmpdir", dir}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("skopeo %q: %v\n%s", args, err, out)
		}
	}
	want := fmt.Sprint(view(t, img))
	for _, kind := range []string{"oci", "oci-archive", "docker-archive"} {
		ours, theirs := kind+":"+dir+"/ours-"+kind+":app:v1", kind+":"+dir+"/theirs-"+kind+":app:v1"
		mustWrite(t, ours, img, nil)
		run("inspect", ours)
		run("copy", ours, theirs)
		s := mustOpen(t, theirs)
		if got := fmt.Sprint(view(t, s.Image)); got != want {
			t.Errorf("%s holds %s, want %s", theirs, got, want)
		}
	}
	idx := testIndex(t)
	mustWrite(t, "oci:"+dir+"/idx:v1", nil, idx)
	run("copy", "--all", "oci:"+dir+"/idx:v1", "oci:"+dir+"/idx2:v1")
	got, err := layers.WalkIndex(mustOpen(t, "oci:"+dir+"/idx2:v1").Index)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := layers.WalkIndex(idx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ours { // skopeo writes an index of its own over them
		if len(got) != len(ours) || got[i].Descriptor.Digest != ours[i].Descriptor.Digest {
			t.Fatalf("skopeo read %+v, want %+v", got, ours)
		}
	}
}
