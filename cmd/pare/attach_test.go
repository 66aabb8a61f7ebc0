package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pare-image/pare/attest"
	"github.com/pare-image/pare/internal/reference"
)

// Attached profiles, in a registry that keeps no list of referrers, in one
// that does and is wrong about their type, and in the one that Debian has.
func TestAttached(t *testing.T) {
	for title, next := range map[string]func(*testing.T) http.Handler{
		"without API": nil,
		"with API": func(*testing.T) http.Handler {
			return registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
		},
		"docker-registry": dockerRegistry,
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			var real http.Handler
			if next != nil {
				real = next(t)
			}
			testscript.Run(t, testscript.Params{
				Dir: "testdata/attach", WorkdirRoot: t.TempDir(), RequireExplicitExec: true,
				Setup: func(env *testscript.Env) error {
					err := setup(env)
					if r, ok := env.Values["registry"].(*testRegistry); ok && real != nil {
						r.next = real
					}
					// The registry outlives a script; repositories do not meet.
					env.Setenv("REPO", env.Getenv("REGISTRY")+"/"+strings.ToLower(filepath.Base(env.WorkDir)))
					return err
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"image": cmdImage, "index": cmdIndex, "files": cmdFiles, "asked": cmdAsked, "field": cmdField, "exit": cmdExit, "raw": cmdRaw,
					"deny": cmdDeny, "forge": cmdForge, "forget": cmdForget,
				},
				Condition: func(cond string) (bool, error) { return title == "with "+strings.ToUpper(cond), nil },
			})
		})
	}
}

// dockerRegistry starts Debian's docker-registry and hands on to it. It knows
// no referrers API.
func dockerRegistry(t *testing.T) http.Handler {
	t.Helper()
	if _, err := exec.LookPath("docker-registry"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI has docker-registry")
		}
		t.Skip("docker-registry is not installed")
	}
	dir := t.TempDir()
	config := fmt.Sprintf("version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: '127.0.0.1:0'}\n", dir)
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker-registry", "serve", file)
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		r.Close()
	})
	return httputil.NewSingleHostReverseProxy(listening(t, r))
}

// listening reads a registry's log until it says where it listens, and then
// to its end.
func listening(t *testing.T, output *os.File) *url.URL {
	t.Helper()
	output.SetReadDeadline(time.Now().Add(30 * time.Second))
	var said []byte
	buf := make([]byte, 4096)
	for {
		n, err := output.Read(buf)
		said = append(said, buf[:n]...)
		if m := regexp.MustCompile(`listening on (127\.0\.0\.1:[1-9]\d*)`).FindSubmatch(said); m != nil {
			output.SetReadDeadline(time.Time{})
			go io.Copy(io.Discard, output)
			return &url.URL{Scheme: "http", Host: string(m[1])}
		}
		if err != nil {
			t.Fatalf("docker-registry does not listen: %v\n%s", err, said)
		}
	}
}

// deny METHOD PATH CODE: the registry answers such requests so from now on.
func cmdDeny(ts *testscript.TestScript, _ bool, args []string) {
	var code int
	_, err := fmt.Sscan(args[2], &code)
	check(ts, err)
	r := registryOf(ts)
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.next
	r.next = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == args[0] && strings.Contains(req.URL.Path, args[1]) {
			w.WriteHeader(code)
			return
		}
		next.ServeHTTP(w, req)
	})
}

// forget FILE: the registry deletes the manifest that the reference in FILE
// names.
func cmdForget(ts *testscript.TestScript, _ bool, args []string) {
	ref, err := name.NewDigest(strings.TrimSpace(ts.ReadFile(args[0])))
	check(ts, err)
	check(ts, remote.Delete(ref))
}

// forged is an artifact that holds anything.
type forged struct{ raw, blob []byte }

func (f forged) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (f forged) RawManifest() ([]byte, error)        { return f.raw, nil }
func (f forged) RawConfigFile() ([]byte, error)      { return []byte("{}"), nil }

func (f forged) LayerByDigest(v1.Hash) (partial.CompressedLayer, error) {
	return static.NewLayer(f.blob, attest.ProfileType), nil
}

// forge FILE REF: attaches a file to an image as if it were a profile of it.
func cmdForge(ts *testscript.TestScript, _ bool, args []string) {
	to := args[1]
	if path, ok := strings.CutPrefix(to, "oci:"); ok {
		to = "oci:" + ts.MkAbs(path)
	}
	ref, err := reference.Parse(to)
	check(ts, err)
	src, err := reference.Open(context.Background(), ref, places(ts))
	check(ts, err)
	defer src.Close()
	f := forged{blob: []byte(ts.ReadFile(args[0]))}
	config, err := partial.Descriptor(static.NewLayer([]byte("{}"), "application/vnd.oci.empty.v1+json"))
	check(ts, err)
	layer, err := partial.Descriptor(static.NewLayer(f.blob, attest.ProfileType))
	check(ts, err)
	f.raw, err = json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: attest.ProfileType,
		Config: *config, Layers: []v1.Descriptor{*layer}, Subject: &src.Descriptor,
	})
	check(ts, err)
	img, err := partial.CompressedToImage(f)
	check(ts, err)
	_, err = reference.Attach(context.Background(), ref, src.Descriptor.Digest, []v1.Image{img}, places(ts))
	check(ts, err)
}
