package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pare-image/pare/internal/reference"
	regclient "github.com/pare-image/pare/internal/registry"
	"github.com/pare-image/pare/internal/testimage"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pare": main})
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		WorkdirRoot:         t.TempDir(), // testscript's own choice is left behind
		Setup:               setup,
		RequireExplicitExec: true,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"image": cmdImage, "big": cmdBig, "index": cmdIndex, "join": cmdJoin, "artifact": cmdArtifact, "rot": cmdRot, "lie": cmdLie,
			"start": cmdStart, "signal": cmdSignal, "exited": cmdExited, "tmpfs": cmdTmpfs, "files": cmdFiles, "stall": cmdStall, "asked": cmdAsked,
			"field": cmdField, "exit": cmdExit, "raw": cmdRaw, "guard": cmdGuard, "elf": cmdELF, "unaware": cmdUnaware,
			"manifest": cmdManifest, "forge": cmdForge,
		},
	})
}

// setup gives each script a home and scratch space of its own, and a registry.
func setup(env *testscript.Env) error {
	for _, d := range []string{"home", "tmp", "cache"} {
		if err := os.Mkdir(filepath.Join(env.WorkDir, d), 0o700); err != nil {
			return err
		}
	}
	r := &testRegistry{next: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	s := httptest.NewUnstartedServer(r)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	env.Defer(func() {
		s.CloseClientConnections()
		s.Close()
	})
	env.Values["registry"] = r
	env.Values["running"] = &running{}
	for k, v := range map[string]string{
		"HOME": "$WORK/home", "TMPDIR": "$WORK/tmp", "XDG_CACHE_HOME": "$WORK/cache", "XDG_RUNTIME_DIR": "$WORK/home",
		"DOCKER_HOST": "unix://$WORK/none.sock", "DOCKER_CONFIG": "$WORK/home/.docker", "REGISTRY": strings.TrimPrefix(s.URL, "http://"),
	} {
		env.Setenv(k, strings.ReplaceAll(v, "$WORK", env.WorkDir))
	}
	return nil
}

// testRegistry can be told to fall silent, or to want a password.
type testRegistry struct {
	mu       sync.Mutex
	next     http.Handler
	method   string // of requests that get no answer
	path     string
	password string
	requests []string
}

func (r *testRegistry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, req.Method+" "+req.URL.Path)
	silent := r.method != "" && req.Method == r.method && strings.Contains(req.URL.Path, r.path)
	password := r.password
	r.mu.Unlock()
	if _, pass, _ := req.BasicAuth(); pass != password {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if silent {
		io.Copy(io.Discard, req.Body)
		<-req.Context().Done()
		return
	}
	r.next.ServeHTTP(w, req)
}

func registryOf(ts *testscript.TestScript) *testRegistry {
	return ts.Value("registry").(*testRegistry)
}

// condition [mount]: file systems can be mounted here, as by root.
func condition(cond string) (bool, error) {
	if cond != "mount" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	dir, err := os.MkdirTemp("", "pare-mount")
	if err != nil {
		return false, err
	}
	defer os.Remove(dir)
	if err := exec.Command("mount", "-t", "tmpfs", "none", dir).Run(); err != nil {
		if os.Getenv("CI") != "" {
			return false, fmt.Errorf("CI runs as root, where a full disk can be mounted: %w", err)
		}
		return false, nil
	}
	return true, exec.Command("umount", dir).Run()
}

func check(ts *testscript.TestScript, err error) {
	if err != nil {
		ts.Fatalf("%v", err)
	}
}

func places(ts *testscript.TestScript) reference.Options {
	c, err := regclient.New(regclient.Options{})
	check(ts, err)
	return reference.Options{Registry: c}
}

// parseImage reads an image of internal/testimage's form. As it is a txtar in
// a txtar, each of its lines begins with ">", as of testscript's unquote. A
// section "on FILE" stands for all of another image's. See elfLines too.
func parseImage(ts *testscript.TestScript, file string) v1.Image {
	img, err := testimage.Parse(elfLines(imageText(ts, file)))
	check(ts, err)
	return img
}

var onLine = regexp.MustCompile(`(?m)^-- on (\S+) --$`)

func imageText(ts *testscript.TestScript, file string) string {
	text := strings.ReplaceAll("\n"+ts.ReadFile(file), "\n>", "\n")
	return onLine.ReplaceAllStringFunc(text, func(line string) string {
		return imageText(ts, onLine.FindStringSubmatch(line)[1])
	})
}

func writeTo(ts *testscript.TestScript, to string, img v1.Image, idx v1.ImageIndex) {
	if path, ok := strings.CutPrefix(to, "oci:"); ok {
		to = "oci:" + ts.MkAbs(path)
	} else if kind, path, ok := strings.Cut(to, "-archive:"); ok {
		to = kind + "-archive:" + ts.MkAbs(path)
	}
	r, err := reference.Parse(to)
	check(ts, err)
	_, err = reference.Write(context.Background(), r, img, idx, places(ts))
	check(ts, err)
}

// image FILE REF [docker] [KEY=VALUE...]: makes the image that FILE describes, of
// OCI's media types or of Docker's, with annotations; see [annotations].
func cmdImage(ts *testscript.TestScript, _ bool, args []string) {
	img := parseImage(ts, args[0])
	if len(args) > 2 && args[2] == "docker" {
		img = dockerTyped(ts, img)
	}
	if all := annotations(ts, args[2:]); len(all) > 0 {
		img = mutate.Annotations(img, all).(v1.Image)
	}
	writeTo(ts, args[1], img, nil)
}

// annotations are those of arguments KEY=VALUE; a value @FILE is what is in the
// file.
func annotations(ts *testscript.TestScript, args []string) map[string]string {
	all := map[string]string{}
	for _, arg := range args {
		if key, value, ok := strings.Cut(arg, "="); ok {
			if file, is := strings.CutPrefix(value, "@"); is {
				value = ts.ReadFile(file)
			}
			all[key] = value
		}
	}
	return all
}

// big SIZE REF: makes an image of which /app/data has SIZE bytes that cannot be
// compressed.
func cmdBig(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	check(ts, err)
	body := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(body)
	l, err := testimage.Layer([]testimage.Entry{
		{Header: tar.Header{Typeflag: tar.TypeDir, Name: "app", Mode: 0o755}},
		{Header: tar.Header{Typeflag: tar.TypeReg, Name: "app/data", Mode: 0o644}, Body: body},
		{Header: tar.Header{Typeflag: tar.TypeReg, Name: "app/run", Mode: 0o755}, Body: []byte("run")},
	}, "gzip")
	check(ts, err)
	img, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: v1.Config{Entrypoint: []string{"/app/run"}}}, l)
	check(ts, err)
	writeTo(ts, args[1], img, nil)
}

// index REF FILE... [KEY=VALUE...]: makes an index of images, and of an
// attestation. Annotations are of the index, and of what it says of each image.
func cmdIndex(ts *testscript.TestScript, _ bool, args []string) {
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	said := annotations(ts, args[1:])
	if len(said) > 0 {
		idx = mutate.Annotations(idx, said).(v1.ImageIndex)
	}
	for _, f := range args[1:] {
		if strings.Contains(f, "=") {
			continue
		}
		img := parseImage(ts, f)
		c, err := img.ConfigFile()
		check(ts, err)
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: c.Platform(), Annotations: said}})
	}
	attestation, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), static.NewLayer([]byte("{}"), "application/vnd.in-toto+json"))
	check(ts, err)
	idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: attestation, Descriptor: v1.Descriptor{
		Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
	}})
	writeTo(ts, args[0], nil, idx)
}

// join REF IMAGE...: makes an index of images that there are, written as BuildKit
// writes one.
func cmdJoin(ts *testscript.TestScript, _ bool, args []string) {
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, text := range args[1:] {
		ref, err := reference.Parse(text)
		check(ts, err)
		src, err := reference.Open(context.Background(), ref, places(ts))
		check(ts, err)
		defer src.Close()
		c, err := src.Image.ConfigFile()
		check(ts, err)
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: src.Image, Descriptor: v1.Descriptor{Platform: c.Platform()}})
	}
	m, err := idx.IndexManifest()
	check(ts, err)
	type descriptor struct {
		MediaType types.MediaType   `json:"mediaType"`
		Digest    v1.Hash           `json:"digest"`
		Size      int64             `json:"size"`
		Platform  map[string]string `json:"platform"`
	}
	var all []descriptor
	for _, d := range m.Manifests {
		all = append(all, descriptor{d.MediaType, d.Digest, d.Size, map[string]string{"architecture": d.Platform.Architecture, "os": d.Platform.OS}})
	}
	raw, err := json.MarshalIndent(struct {
		SchemaVersion int64           `json:"schemaVersion"`
		MediaType     types.MediaType `json:"mediaType"`
		Manifests     []descriptor    `json:"manifests"`
	}{m.SchemaVersion, m.MediaType, all}, "", "  ")
	check(ts, err)
	writeTo(ts, args[0], nil, spelled{idx, raw})
}

// spelled is an index to the letter.
type spelled struct {
	index
	raw []byte
}

// index has a name that is none of its methods'.
type index interface{ v1.ImageIndex }

func (s spelled) RawManifest() ([]byte, error) { return s.raw, nil }
func (s spelled) Size() (int64, error)         { return int64(len(s.raw)), nil }
func (s spelled) Digest() (v1.Hash, error)     { return partial.Digest(s) }

// artifact REF: makes a manifest that is no image.
func cmdArtifact(ts *testscript.TestScript, _ bool, args []string) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json")
	writeTo(ts, args[0], img, nil)
}

// layerBlobs are the files of a layout's only image's layers.
func layerBlobs(ts *testscript.TestScript, dir string) []string {
	s, err := reference.Open(context.Background(), reference.Ref{Kind: reference.OCI, Path: ts.MkAbs(dir)}, reference.Options{})
	check(ts, err)
	defer s.Close()
	m, err := s.Image.Manifest()
	check(ts, err)
	var out []string
	for _, l := range m.Layers {
		out = append(out, filepath.Join(ts.MkAbs(dir), "blobs/sha256", l.Digest.Hex))
	}
	return out
}

// rot DIR N: flips a bit in the middle of layer N of a layout.
func cmdRot(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	check(ts, err)
	file := layerBlobs(ts, args[0])[n]
	b, err := os.ReadFile(file)
	check(ts, err)
	b[len(b)/2] ^= 1
	check(ts, os.WriteFile(file, b, 0o644))
}

// lie FILE REF: makes the image, with the diffID of its last layer wrong.
func cmdLie(ts *testscript.TestScript, _ bool, args []string) {
	img := parseImage(ts, args[0])
	ls, err := img.Layers()
	check(ts, err)
	c, err := img.ConfigFile()
	check(ts, err)
	last := len(ls) - 1
	ls[last] = testimage.Lie(ls[last], v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}, nil)
	img, err = testimage.Image(c, ls...)
	check(ts, err)
	writeTo(ts, args[1], img, nil)
}

// running is the one pare that a script has started and not waited for.
type running struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

func runningOf(ts *testscript.TestScript) *running { return ts.Value("running").(*running) }

// start ARGS...: starts pare in the background.
func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	r := runningOf(ts)
	*r = running{}
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "pare")); err == nil && r.cmd == nil {
			// Politely, so that on a busy machine it does not get far before
			// the test has seen what it waits for.
			r.cmd = exec.Command("nice", append([]string{"-n", "19", filepath.Join(dir, "pare")}, args...)...)
		}
	}
	r.cmd.Dir = ts.Getenv("WORK")
	r.cmd.Stderr = &r.stderr
	for _, k := range []string{"HOME", "TMPDIR", "XDG_CACHE_HOME", "DOCKER_CONFIG", "PATH"} {
		r.cmd.Env = append(r.cmd.Env, k+"="+ts.Getenv(k))
	}
	check(ts, r.cmd.Start())
}

// signal INT|TERM [GLOB]: sends a signal to what was started; with GLOB at a
// moment at which a file of that name is there, and the program stands still.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	p := runningOf(ts).cmd.Process
	sig := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[args[0]]
	if len(args) == 1 {
		check(ts, p.Signal(sig))
		return
	}
	there := func() bool {
		m, err := filepath.Glob(ts.MkAbs(args[1]))
		check(ts, err)
		return len(m) > 0
	}
	wait(ts, "a file "+args[1]+" that stays", func() bool {
		if !there() {
			return false
		}
		check(ts, p.Signal(syscall.SIGSTOP))
		if there() {
			return true
		}
		check(ts, p.Signal(syscall.SIGCONT)) // it was there for a moment only
		return false
	})
	check(ts, p.Signal(sig))
	check(ts, p.Signal(syscall.SIGCONT))
}

// exited CODE: waits for what was started; its stderr is in the file
// stderr.txt.
func cmdExited(ts *testscript.TestScript, _ bool, args []string) {
	r := runningOf(ts)
	late := time.AfterFunc(30*time.Second, func() { r.cmd.Process.Kill() })
	r.cmd.Wait()
	late.Stop()
	check(ts, os.WriteFile(ts.MkAbs("stderr.txt"), r.stderr.Bytes(), 0o644))
	if got := fmt.Sprint(r.cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s\n%s", got, args[0], r.stderr.String())
	}
}

// wait polls: what is waited for is another process's doing.
func wait(ts *testscript.TestScript, what string, done func() bool) {
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			ts.Fatalf("waited 30 s for %s", what)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// asked METHOD PATH: waits until the registry has had such a request.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	r := registryOf(ts)
	seen := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.ContainsFunc(r.requests, func(s string) bool {
			return strings.HasPrefix(s, args[0]+" ") && strings.Contains(s, args[1])
		})
	}
	if neg {
		if seen() {
			ts.Fatalf("the registry had a request %q", args)
		}
		return
	}
	wait(ts, fmt.Sprintf("a request %q", args), seen)
}

// stall METHOD PATH: the registry does not answer such requests; without
// arguments it does again.
func cmdStall(ts *testscript.TestScript, _ bool, args []string) {
	r := registryOf(ts)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.method, r.path = "", ""
	if len(args) == 2 {
		r.method, r.path = args[0], args[1]
	}
	r.requests = nil
}

// guard PASSWORD: the registry wants it from now on.
func cmdGuard(ts *testscript.TestScript, _ bool, args []string) {
	r := registryOf(ts)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.password = args[0]
}

// tmpfs DIR OPTIONS: mounts a file system of its own.
func cmdTmpfs(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	check(ts, os.MkdirAll(dir, 0o755))
	check(ts, ts.Exec("mount", "-t", "tmpfs", "-o", args[1], "none", dir))
	ts.Defer(func() { exec.Command("umount", "-l", dir).Run() })
}

// files DIR [NAME...]: DIR holds exactly these, so that what was left shows.
func cmdFiles(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	check(ts, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, slices.Sorted(slices.Values(args[1:]))) {
		ts.Fatalf("%s holds %q, want %q", args[0], got, args[1:])
	}
}

// field FILE PATH VALUE: a field of a JSON document, by its keys with dots
// between; keys of lists are numbers, and LEN is a list's length.
func cmdField(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	check(ts, json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for key := range strings.SplitSeq(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			if _, ok := at[key]; !ok {
				ts.Fatalf("no %q in %q", key, slices.Sorted(maps.Keys(at)))
			}
			v = at[key]
		case []any:
			if key == "LEN" {
				v = len(at)
				continue
			}
			n, err := strconv.Atoi(key)
			if err != nil || n >= len(at) {
				ts.Fatalf("no %q in a list of %d", key, len(at))
			}
			v = at[n]
		default:
			ts.Fatalf("nothing in %v", v)
		}
	}
	if got := fmt.Sprint(v); (got == args[2]) == neg {
		ts.Fatalf("%s is %s, want %s", args[1], got, args[2])
	}
}

// exit CODE COMMAND...: runs a command, whose exit code is CODE; its output is
// that of the last command.
func cmdExit(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	check(ts, err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if ee, ok := err.(*exec.ExitError); ok {
		got = ee.ExitCode()
	} else {
		check(ts, err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// raw stdout|stderr|FILE: fails when there is a byte that a terminal would act on.
func cmdRaw(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	i := bytes.IndexFunc([]byte(text), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == 0x202e })
	if (i >= 0) != neg {
		ts.Fatalf("a raw byte at %d: %q", i, text[max(0, i-20):min(len(text), i+20)])
	}
}
