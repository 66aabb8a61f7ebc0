package main

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// What slimmers that copy from a container that has run, or that record users
// by name, are known to lose. What they do not see at all is in
// slim/record/sensor.

const (
	carelessFiles = `-- layer --
dir  app
file app/init.sql "create table"
file app/settings "token is set at start"
file app/log "built\n"
dir  etc
file etc/resolv.conf "nameserver 192.0.2.1\n"
dir  data
file data/a "both"
link data/b => data/a
dir  bin
`
	token = "t0ken-of-the-recording"
	// cap_net_bind_service=ep, as setcap writes it.
	bindService = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// carelessImage is a layout with an image of testdata/careless.
func carelessImage(t *testing.T, user string) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+"/program", "./testdata/careless")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building careless: %v: %s", err, out)
	}
	program := must[[]byte](t)(os.ReadFile(dir + "/program"))
	below := must[[]v1.Layer](t)(must[v1.Image](t)(testimage.Parse(carelessFiles)).Layers())
	file := func(name string, mode int64, records map[string]string) testimage.Entry {
		return testimage.Entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, PAXRecords: records}, Body: program}
	}
	top := must[v1.Layer](t)(testimage.Layer([]testimage.Entry{
		file("bin/careless", 0o755, nil), file("bin/setuid", 0o4755, nil),
		file("bin/capable", 0o755, map[string]string{"SCHILY.xattr.security.capability": bindService}),
	}, "gzip"))
	img := must[v1.Image](t)(testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: v1.Config{
		Entrypoint: []string{"/bin/careless"}, User: user, ExposedPorts: map[string]struct{}{"8080/tcp": {}},
	}}, append(below, top)...))
	path := must[layout.Path](t)(layout.Write(dir+"/source", empty.Index))
	if err := path.AppendImage(img); err != nil {
		t.Fatal(err)
	}
	return dir
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// slimmedByRecording records and slims, and opens the result.
func slimmedByRecording(t *testing.T, dir string, more ...string) (*layers.Tree, *profile.Profile) {
	t.Helper()
	if ok, err := condition("mount"); err != nil || !ok {
		t.Skipf("needs root, to run an image as it is meant: %v", err)
	}
	saved := filepath.Join(dir, "profile.json")
	cmd := exec.Command("pare", "slim", "oci:"+dir+"/source", "-o", "oci:"+dir+"/slim", "--engine", "builtin",
		"--record", "--env", "TOKEN="+token, "--save-profile", saved)
	cmd.Args = append(cmd.Args, more...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "XDG_CACHE_HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p := must[*profile.Profile](t)(profile.Read(must[*os.File](t)(os.Open(saved))))
	index := must[v1.ImageIndex](t)(must[layout.Path](t)(layout.FromPath(dir + "/slim")).ImageIndex())
	img := must[v1.Image](t)(index.Image(must[*v1.IndexManifest](t)(index.IndexManifest()).Manifests[0].Digest))
	tree := must[*layers.Tree](t)(layers.Open(t.Context(), img, layers.Options{}))
	t.Cleanup(func() { tree.Close() })
	return tree, p
}

func TestLostByOthers(t *testing.T) {
	dir := carelessImage(t, "")
	// Not verified: programs with privilege of their own gain none there, and
	// it says so.
	tree, p := slimmedByRecording(t, dir, "--http", "/", "--allow", "cannot-write")

	t.Run("what the run changed is the source's", func(t *testing.T) {
		for name, want := range map[string]string{
			"app/init.sql": "create table", "app/settings": "token is set at start", "app/log": "built\n",
			"etc/resolv.conf": "", // the runtime's own goes over it
		} {
			if got, err := fs.ReadFile(tree, name); err != nil || string(got) != want {
				t.Errorf("%s has %q, %v; want %q", name, got, err, want)
			}
		}
		if _, ok := tree.Lookup("/app/made"); ok {
			t.Error("a file that the recorded program made is in the image")
		}
		for e := range tree.All() {
			if e.Type != layers.Regular {
				continue
			}
			if b := must[[]byte](t)(tree.ReadContent(e.Inode, 64<<20)); bytes.Contains(b, []byte(token)) {
				t.Errorf("%s has a value of the recording's environment", e.Path)
			}
		}
	})
	t.Run("special bits, capabilities and links", func(t *testing.T) {
		if e, ok := tree.Lookup("/bin/setuid"); !ok || e.Mode&0o7777 != 0o4755 {
			t.Errorf("/bin/setuid: %+v", e)
		}
		if e, ok := tree.Lookup("/bin/capable"); !ok || e.Xattrs["security.capability"] != bindService {
			t.Errorf("/bin/capable: %+v", e)
		}
		a, okA := tree.Lookup("/data/a")
		b, okB := tree.Lookup("/data/b")
		if !okA || !okB || a.Inode != b.Inode {
			t.Errorf("/data/a and /data/b: %+v, %+v", a, b)
		}
	})
	t.Run("an image of root gets a user", func(t *testing.T) {
		if got := p.Sessions[0].User; got != "0:0" {
			t.Errorf("recorded as %s", got)
		}
		if got := tree.Config().Config.User; got != "65532:65532" {
			t.Errorf("user %q", got)
		}
	})
}

// TestNumericUser: one that no file names is recorded and run as it is.
func TestNumericUser(t *testing.T) {
	tree, p := slimmedByRecording(t, carelessImage(t, "1234"), "--http", "/ids", "--verify")
	if got := p.Sessions[0].User; got != "1234:0" {
		t.Errorf("recorded as %s", got)
	}
	if got := tree.Config().Config.User; got != "1234:0" && got != "1234" {
		t.Errorf("user %q", got)
	}
}
