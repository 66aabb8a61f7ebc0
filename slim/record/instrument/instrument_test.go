package instrument

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/pare-image/pare/internal/testelf"
	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/sensor"
)

// static is a program that fits most of the test images.
var static = testelf.File{Class: 2, Machine: uint16(elf.EM_X86_64), Type: uint16(elf.ET_EXEC)}

func section(f testelf.File) *io.SectionReader {
	b := f.Bytes()
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

func open(t *testing.T, img v1.Image) *layers.Tree {
	t.Helper()
	tree, err := layers.Open(t.Context(), img, layers.Options{Want: WantContent, Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// instrument makes the image, which other tools must take.
func instrument(t *testing.T, img v1.Image, o Options) (v1.Image, *layers.Tree) {
	t.Helper()
	if o.Sensor == nil {
		o.Sensor = section(static)
	}
	o.Dir = t.TempDir()
	out, err := Image(t.Context(), img, open(t, img), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(out); err != nil {
		t.Error(err)
	}
	return out, open(t, out)
}

const accounts = `
-- layer --
dir etc
file etc/passwd "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\nbare:x:7:7:::\n"
file etc/group "root:x:0:\nadm:x:4:root\napp:x:1001:\nssl:x:110:app,www\n"
`

// want is the config that runtimes get, and what the sensor reads: JSON that
// names what differs from the source's.
func TestConfig(t *testing.T) {
	const sensorArgv = `"/pare/pare","sensor","/pare/config.json","--"`
	for _, c := range []struct{ name, config, want, user string }{
		{
			"entrypoint and command", `{"Entrypoint":["/app/run","-v"],"Cmd":["serve"]}`,
			`{"Entrypoint":[` + sensorArgv + `,"/app/run","-v"],"Cmd":["serve"]}`, "0:0 [0 4]",
		},
		{
			"command only", `{"Cmd":["gunicorn","app"],"WorkingDir":"/app"}`,
			`{"Entrypoint":[` + sensorArgv + `],"Cmd":["gunicorn","app"],"WorkingDir":"/app"}`, "0:0 [0 4]",
		},
		{
			"entrypoint only", `{"Entrypoint":["nginx","-g","daemon off;"],"StopSignal":"SIGQUIT"}`,
			`{"Entrypoint":[` + sensorArgv + `,"nginx","-g","daemon off;"],"StopSignal":"SIGQUIT"}`, "0:0 [0 4]",
		},
		{
			"the shell form", `{"Entrypoint":["/bin/sh","-c","exec app $MODE"],"Cmd":["x"]}`,
			`{"Entrypoint":[` + sensorArgv + `,"/bin/sh","-c","exec app $MODE"],"Cmd":["x"]}`, "0:0 [0 4]",
		},
		{
			"a user by name, with groups and a home", `{"Entrypoint":["/a"],"User":"app","Env":["A=b"]}`,
			`{"Entrypoint":[` + sensorArgv + `,"/a"],"Env":["A=b","HOME=/home/app"]}`, "1000:1001 [110 1001]",
		},
		{
			"a user and a group by name, and a home of the image's", `{"Entrypoint":["/a"],"User":"app:ssl","Env":["HOME=/srv"]}`,
			`{"Entrypoint":[` + sensorArgv + `,"/a"],"Env":["HOME=/srv"]}`, "1000:110 [110]",
		},
		{
			"a number that nobody has", `{"Entrypoint":["/a"],"User":"65532:65532"}`,
			`{"Entrypoint":[` + sensorArgv + `,"/a"],"Env":["HOME=/"]}`, "65532:65532 [65532]",
		},
		{
			"root by name", `{"Entrypoint":["/a"],"User":"root"}`,
			`{"Entrypoint":[` + sensorArgv + `,"/a"]}`, "0:0 [0 4]",
		},
		{
			"ports, volumes, labels, environment", `{"Entrypoint":["/a"],"ExposedPorts":{"80/tcp":{}},"Volumes":{"/data":{}},"Labels":{"a":"b"},"Env":["PATH=/bin"],"Shell":["/bin/bash","-c"],"OnBuild":["RUN x"]}`,
			`{"Entrypoint":[` + sensorArgv + `,"/a"],"ExposedPorts":{"80/tcp":{}},"Volumes":{"/data":{}},"Labels":{"a":"b"},"Env":["PATH=/bin"],"Shell":["/bin/bash","-c"],"OnBuild":["RUN x"]}`, "0:0 [0 4]",
		},
		{
			"a health check's program", `{"Cmd":["/a"],"Healthcheck":{"Test":["CMD","curl","-f","localhost"],"Interval":2000000000,"Retries":2}}`,
			`{"Entrypoint":[` + sensorArgv + `],"Cmd":["/a"],"Healthcheck":{"Test":["CMD","/pare/pare","sensor","exec","/pare/config.json","--","curl","-f","localhost"],"Interval":2000000000,"Retries":2}}`, "0:0 [0 4]",
		},
		{
			"a health check for the shell", `{"Cmd":["/a"],"Healthcheck":{"Test":["CMD-SHELL","curl -f $URL || exit 1"]}}`,
			`{"Entrypoint":[` + sensorArgv + `],"Cmd":["/a"],"Healthcheck":{"Test":["CMD","/pare/pare","sensor","exec","/pare/config.json","--","/bin/sh","-c","curl -f $URL || exit 1"]}}`, "0:0 [0 4]",
		},
		{
			"a health check for a shell of the image's", `{"Cmd":["/a"],"Shell":["/bin/bash","-ec"],"Healthcheck":{"Test":["CMD-SHELL","check"]}}`,
			`{"Entrypoint":[` + sensorArgv + `],"Cmd":["/a"],"Shell":["/bin/bash","-ec"],"Healthcheck":{"Test":["CMD","/pare/pare","sensor","exec","/pare/config.json","--","/bin/bash","-ec","check"]}}`, "0:0 [0 4]",
		},
		{
			"no health check", `{"Cmd":["/a"],"Healthcheck":{"Test":["NONE"]}}`,
			`{"Entrypoint":[` + sensorArgv + `],"Cmd":["/a"],"Healthcheck":{"Test":["NONE"]}}`, "0:0 [0 4]",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := testimage.New(t, accounts+"-- config --\n"+c.config)
			out, tree := instrument(t, src, Options{})
			var want v1.Config
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			if want.Labels == nil {
				want.Labels = map[string]string{}
			}
			id, err := slim.Identify(src)
			if err != nil {
				t.Fatal(err)
			}
			want.Labels[LabelSource] = id.Digest.String()
			want.User = "0:0"
			config, err := out.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, config.Config); d != "" {
				t.Errorf("config (-want +got):\n%s", d)
			}
			got := readConfig(t, tree)
			if user := fmt.Sprintf("%d:%d %d", got.User.UID, got.User.GID, got.User.Groups); user != c.user {
				t.Errorf("the sensor switches to %s, want %s", user, c.user)
			}
		})
	}
}

func readConfig(t *testing.T, tree *layers.Tree) sensor.Config {
	t.Helper()
	e, ok := tree.Lookup("/pare/config.json")
	if !ok {
		t.Fatal("no /pare/config.json")
	}
	b, err := tree.ReadContent(e.Inode, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var c sensor.Config
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// What the sensor is told: a profile that it writes is taken for one of the
// source.
func TestSensorConfig(t *testing.T) {
	src := testimage.New(t, accounts+"-- config --\n"+`{"Cmd":["/a"],"User":"app","WorkingDir":"/srv"}`)
	_, tree := instrument(t, src, Options{Syscalls: true})
	id, err := slim.Identify(src)
	if err != nil {
		t.Fatal(err)
	}
	got := readConfig(t, tree)
	want := sensor.Config{
		Argv: []string{}, User: &sensor.User{UID: 1000, GID: 1001, Groups: []int{110, 1001}},
		UserIfRoot: true, Drop: []string{"DAC_READ_SEARCH", "SYS_ADMIN", "SYS_PTRACE"},
		Out: "/pare/out", OutFromEnv: true, Syscalls: true, Engine: "instrument",
		Image: profile.Image{Digest: id.Digest.String(), Config: id.Config.String(), Platform: "linux/amd64"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("config.json (-want +got):\n%s", d)
	}
	p := &profile.Profile{Image: got.Image, Accesses: []profile.Access{{Path: "/a", Exists: true, Kinds: []profile.Kind{profile.Exec}}}}
	if err := slim.Check(p, id); err != nil {
		t.Errorf("slim refuses a profile of the instrumented image: %v", err)
	}
}

func TestFiles(t *testing.T) {
	src := testimage.New(t, accounts+"-- config --\n"+`{"Cmd":["/a"],"User":"app"}`)
	out, tree := instrument(t, src, Options{})
	var got []string
	for e := range tree.All() {
		if strings.HasPrefix(e.Path, "/pare") {
			got = append(got, fmt.Sprintf("%s %s %04o %d:%d", e.Path, e.Type, e.Mode, e.UID, e.GID))
		}
	}
	want := []string{"/pare directory 0755 0:0", "/pare/config.json file 0644 0:0", "/pare/out directory 1777 0:0", "/pare/pare file 0755 0:0"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	e, _ := tree.Lookup("/pare/pare")
	if b, err := tree.ReadContent(e.Inode, 1<<20); err != nil || !bytes.Equal(b, static.Bytes()) {
		t.Errorf("/pare/pare is not the sensor: %v", err)
	}
	before, after := layerDigests(t, src), layerDigests(t, out)
	if len(after) != len(before)+1 || !slices.Equal(before, after[:len(before)]) {
		t.Errorf("layers %s became %s", before, after)
	}
}

func layerDigests(t *testing.T, img v1.Image) []string {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, l := range m.Layers {
		out = append(out, string(l.MediaType)+" "+l.Digest.String())
	}
	return out
}

// The source's kind of manifest stays: a registry or runtime that takes one
// kind only has taken the source.
func TestMediaTypes(t *testing.T) {
	src := testimage.New(t, accounts+"-- config --\n"+`{"Cmd":["/a"]}`)
	docker := mutate.ConfigMediaType(mutate.MediaType(src, types.DockerManifestSchema2), types.DockerConfigJSON)
	for _, c := range []struct {
		img                     v1.Image
		manifest, config, layer types.MediaType
	}{
		{src, types.OCIManifestSchema1, types.OCIConfigJSON, types.OCILayer},
		{docker, types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerLayer},
	} {
		out, _ := instrument(t, c.img, Options{})
		m, err := out.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if m.MediaType != c.manifest || m.Config.MediaType != c.config || m.Layers[len(m.Layers)-1].MediaType != c.layer {
			t.Errorf("%s became %s with %s and %s", c.manifest, m.MediaType, m.Config.MediaType, m.Layers[len(m.Layers)-1].MediaType)
		}
	}
}

func TestTwice(t *testing.T) {
	src := testimage.New(t, accounts+"-- image --\n"+`{"os":"linux","architecture":"amd64","created":"2024-02-29T12:00:00.5Z","config":{"Cmd":["/a"],"Labels":{"a":"1","b":"2"}}}`)
	digest := func(o Options) v1.Hash {
		out, _ := instrument(t, src, o)
		d, err := out.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := digest(Options{})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if again := digest(Options{}); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	at := time.Unix(1, 0)
	if other := digest(Options{Created: &at}); other == first {
		t.Error("another time gives the same image")
	}
}

func TestRefused(t *testing.T) {
	const fine = accounts + "-- config --\n" + `{"Cmd":["/a"]}`
	other := func(change func(*testelf.File)) *testelf.File {
		f := static
		change(&f)
		return &f
	}
	for _, c := range []struct {
		name, image string
		sensor      *testelf.File
		is          error
		says        string
	}{
		{"nothing to start", accounts, nil, engine.ErrNoProgram, "no entrypoint and no command"},
		{"an empty entrypoint", accounts + "-- config --\n" + `{"Entrypoint":[""],"Cmd":["/a"]}`, nil, engine.ErrNoProgram, ""},
		{"something at /pare", accounts + "symlink pare -> opt/pare\n-- config --\n" + `{"Cmd":["/a"]}`, nil, ErrRefused, "it has a symlink /pare"},
		{"a volume below /pare", accounts + "-- config --\n" + `{"Cmd":["/a"],"Volumes":{"/srv/../pare/x\u001b":{}}}`, nil, ErrRefused, `its volume "/pare/x\x1b"`},
		{"an unknown user", accounts + "-- config --\n" + `{"Cmd":["/a"],"User":"ghost"}`, nil, nil, `the image's user "ghost"`},
		{"another system", accounts + "-- image --\n" + `{"os":"windows","architecture":"amd64","config":{"Cmd":["a"]}}`, nil, ErrRefused, "amd64 and arm64"},
		{"a machine without a sensor", accounts + "-- image --\n" + `{"os":"linux","architecture":"s390x","config":{"Cmd":["a"]}}`, nil, ErrRefused, "linux/s390x"},
		{"a sensor for another machine", accounts + "-- image --\n" + `{"os":"linux","architecture":"arm64","config":{"Cmd":["a"]}}`, nil, ErrSensor, "EM_X86_64, the image for linux/arm64; give the statically linked pare of linux/arm64 with --sensor"},
		{"a dynamic sensor", fine, other(func(f *testelf.File) { f.Interp = "/lib64/ld-linux-x86-64.so.2" }), ErrSensor, "linked dynamically"},
		{"a sensor that needs a library", fine, other(func(f *testelf.File) { f.Needed = []string{"libc.so.6"} }), ErrSensor, `linked dynamically ("libc.so.6")`},
		{"an object file", fine, other(func(f *testelf.File) { f.Type = uint16(elf.ET_REL) }), ErrSensor, "not a program"},
		{"a 32-bit program", fine, other(func(f *testelf.File) { f.Class, f.Machine = 1, uint16(elf.EM_386) }), ErrSensor, "EM_386"},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := testimage.New(t, c.image)
			program := section(static)
			if c.sensor != nil {
				program = section(*c.sensor)
			}
			refused(t, img, program, c.is, c.says)
		})
	}
	t.Run("an instrumented image", func(t *testing.T) {
		out, _ := instrument(t, testimage.New(t, fine), Options{})
		refused(t, out, section(static), ErrRefused, "it records itself already")
	})
	t.Run("a script as sensor", func(t *testing.T) {
		script := strings.NewReader("#!/bin/sh\n")
		refused(t, testimage.New(t, fine), io.NewSectionReader(script, 0, script.Size()), ErrSensor, "no program for Linux")
	})
}

func refused(t *testing.T, img v1.Image, program *io.SectionReader, is error, says string) {
	t.Helper()
	_, err := Image(t.Context(), img, open(t, img), Options{Sensor: program, Dir: t.TempDir()})
	if err == nil || is != nil && !errors.Is(err, is) || !strings.Contains(err.Error(), says) {
		t.Errorf("error %v, want %v with %q", err, is, says)
	}
}
