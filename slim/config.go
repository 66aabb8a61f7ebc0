package slim

import (
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// configView is the part of the image config that rules read.
type configView struct {
	entrypoint, cmd, shell, healthcheck []string
	workingDir, user                    string
	env                                 map[string]string
	volumes                             []string // sorted
}

func viewConfig(c *v1.ConfigFile) configView {
	v := configView{
		entrypoint: c.Config.Entrypoint, cmd: c.Config.Cmd, shell: c.Config.Shell,
		workingDir: c.Config.WorkingDir, user: c.Config.User,
		env: map[string]string{}, volumes: sortedKeys(c.Config.Volumes),
	}
	if h := c.Config.Healthcheck; h != nil && !slices.Equal(h.Test, []string{"NONE"}) {
		v.healthcheck = h.Test
	}
	for _, kv := range c.Config.Env {
		if k, val, ok := strings.Cut(kv, "="); ok {
			v.env[k] = val
		}
	}
	return v
}

// searchPath is where programs are looked for: PATH, or what runtimes take
// without one.
func (v configView) searchPath() []string {
	p := v.env["PATH"]
	if p == "" {
		p = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return strings.Split(p, ":")
}

// libraryPath is LD_LIBRARY_PATH, split.
func (v configView) libraryPath() []string {
	return strings.FieldsFunc(v.env["LD_LIBRARY_PATH"], func(r rune) bool { return r == ':' || r == ';' })
}

// paths are the absolute directories of a variable such as NODE_PATH.
func (v configView) paths(name string) []string {
	var out []string
	for p := range strings.SplitSeq(v.env[name], ":") {
		if path.IsAbs(p) {
			out = append(out, path.Clean(p))
		}
	}
	return out
}
