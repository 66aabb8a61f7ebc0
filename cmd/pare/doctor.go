package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/internal/atomicfile"
)

func newDoctorCommand(a *app) *cobra.Command {
	var c doctorCommand
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "say what works on this machine, and why not",
		Long: `doctor looks at what pare's commands use here: scratch space, the cache,
registry credentials and proxies, the kernel's part in recording, the engines
that run images, and strace. What is missing only matters to those who use it, but for scratch
space: without that, exit 3.`,
		Example: "  pare doctor --json",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context(), a, c) },
	}
	c.cache.bind(cmd)
	bindJSON(cmd, &c.json)
	return cmd
}

type doctorCommand struct {
	json  bool
	cache cacheFlags
}

// diagnosis is what one look found.
type diagnosis struct {
	Name string `json:"name"`
	Ok   bool   `json:"ok"`
	Text string `json:"text"`
	// Needed says that nothing works without it.
	Needed bool `json:"needed,omitempty"`
}

func runDoctor(ctx context.Context, a *app, c doctorCommand) error {
	var all []diagnosis
	for _, look := range []func(context.Context, *app, doctorCommand) diagnosis{
		lookScratch, lookCache, lookCredentials, lookProxy, lookRecording, lookBuiltin, lookDocker, lookStrace,
	} {
		all = append(all, look(ctx, a, c))
	}
	var err error
	if c.json {
		err = a.term.json(struct {
			envelope
			Version string      `json:"version"`
			Checks  []diagnosis `json:"checks"`
		}{newEnvelope("doctor"), programVersion(), all})
	} else {
		rows := [][]string{}
		for _, d := range all {
			mark := "ok"
			if !d.Ok {
				mark = "no"
			}
			rows = append(rows, []string{mark, d.Name, d.Text})
		}
		err = a.term.result("%s", columns(rows))
	}
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.Needed && !d.Ok {
			return fmt.Errorf("%w: %s: %s", errCheck, d.Name, d.Text)
		}
	}
	return nil
}

func lookScratch(context.Context, *app, doctorCommand) diagnosis {
	d := diagnosis{Name: "scratch space", Needed: true}
	dir := os.TempDir()
	if err := atomicfile.Try(filepath.Join(dir, "pare")); err != nil {
		d.Text = fmt.Sprintf("%v; set TMPDIR to a directory that this user can write", err)
		return d
	}
	d.Ok, d.Text = true, dir+freeIn(dir)
	return d
}

func freeIn(dir string) string {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return ""
	}
	return fmt.Sprintf(", %s free", size(int64(st.Bavail)*int64(st.Bsize)))
}

func lookCache(_ context.Context, _ *app, c doctorCommand) diagnosis {
	d := diagnosis{Name: "cache"}
	cache, dir, err := c.cache.existing()
	switch {
	case err != nil:
		d.Text = err.Error()
	case cache == nil:
		d.Ok, d.Text = true, dir+", not made yet"
	default:
		info, err := cache.Info()
		d.Ok, d.Text = err == nil, fmt.Sprintf("%s, %s", dir, size(info.Bytes))
		if err != nil {
			d.Text = err.Error()
		}
	}
	return d
}

// lookCredentials looks for Docker's config.json and the helpers that it names.
func lookCredentials(_ context.Context, a *app, _ doctorCommand) diagnosis {
	d := diagnosis{Name: "registry credentials"}
	dir := a.env("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			d.Text = err.Error()
			return d
		}
		dir = filepath.Join(home, ".docker")
	}
	file := filepath.Join(dir, "config.json")
	raw, err := readFile(file, 16<<20)
	if err != nil {
		d.Ok, d.Text = os.IsNotExist(err), "none ("+file+" is not there): registries are asked anonymously"
		if !d.Ok {
			d.Text = err.Error()
		}
		return d
	}
	var config struct {
		Auths       map[string]json.RawMessage `json:"auths"`
		CredsStore  string                     `json:"credsStore"`
		CredHelpers map[string]string          `json:"credHelpers"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		d.Text = fmt.Sprintf("parsing %s: %v", file, err)
		return d
	}
	missing := missingHelpers(config.CredsStore, config.CredHelpers)
	d.Ok, d.Text = true, fmt.Sprintf("%s: %s", file, count(len(config.Auths)+len(config.CredHelpers), "registry entry"))
	if len(missing) > 0 {
		d.Ok, d.Text = false, fmt.Sprintf("%s names helpers that are not installed: %s", file, strings.Join(missing, ", "))
	}
	return d
}

func missingHelpers(store string, helpers map[string]string) []string {
	var missing []string
	for _, h := range helpers {
		missing = append(missing, h)
	}
	if store != "" {
		missing = append(missing, store)
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	missing = slices.DeleteFunc(missing, func(h string) bool {
		_, err := exec.LookPath("docker-credential-" + h)
		return err == nil
	})
	for i, h := range missing {
		missing[i] = printable("docker-credential-" + h)
	}
	return missing
}

func lookProxy(_ context.Context, _ *app, _ doctorCommand) diagnosis {
	req := &http.Request{URL: &url.URL{Scheme: "https", Host: "registry.example"}}
	proxy, err := http.ProxyFromEnvironment(req)
	switch {
	case err != nil:
		return diagnosis{Name: "proxy", Text: err.Error()}
	case proxy == nil:
		return diagnosis{Name: "proxy", Ok: true, Text: "none"}
	}
	return diagnosis{Name: "proxy", Ok: true, Text: proxy.Redacted()}
}

// dockerPatience bounds the wait for an engine that does not answer.
const dockerPatience = 5 * time.Second

func lookDocker(ctx context.Context, a *app, _ doctorCommand) diagnosis {
	d := diagnosis{Name: "docker engine"}
	ctx, cancel := context.WithTimeout(ctx, dockerPatience)
	defer cancel()
	places, err := a.places(&sourceFlags{})
	if err != nil {
		d.Text = err.Error()
		return d
	}
	v, host, err := places.Docker.Version(ctx)
	if err != nil {
		d.Text = err.Error() + podmanSocket(a) + "; only docker-daemon: references and engine docker need it"
		return d
	}
	d.Ok, d.Text = true, fmt.Sprintf("%s at %s", printable(v), host)
	return d
}

// podmanSocket names podman's socket when one is there.
func podmanSocket(a *app) string {
	for _, s := range []string{filepath.Join(a.env("XDG_RUNTIME_DIR"), "podman/podman.sock"), "/run/podman/podman.sock"} {
		if info, err := os.Stat(s); err == nil && info.Mode()&os.ModeSocket != 0 {
			return "; podman has one: DOCKER_HOST=unix://" + s
		}
	}
	return ""
}

func lookStrace(context.Context, *app, doctorCommand) diagnosis {
	d := diagnosis{Name: "strace"}
	path, err := exec.LookPath("strace")
	if err != nil {
		d.Text = "not installed; recordings can be made elsewhere (docs/profile.md)"
		return d
	}
	d.Ok, d.Text = true, path
	return d
}
