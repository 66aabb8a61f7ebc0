package verify

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
)

// Conditions are those that a slim image is meant for, each with its reason:
// its own user, a read-only root with exactly the writable places that the
// profile calls for, no capability but those proved needed, no new
// privileges, the runtime's default seccomp profile, and ports below 1024
// closed, unless the profile shows one bound.
type Conditions struct {
	User                  string       `json:"user"` // "UID:GID"
	ReadOnlyRoot          bool         `json:"readOnlyRoot"`
	NoNewPrivileges       bool         `json:"noNewPrivileges"`
	UnprivilegedPortStart int          `json:"unprivilegedPortStart"`
	Writable              []Writable   `json:"writable"`
	Caps                  []Capability `json:"caps"`
	// Unmet is what the recorded workload did and cannot do here. It is no
	// verdict: many programs do without.
	Unmet []Unmet `json:"unmet"`
}

// Overrides are conditions that the user asks for; the zero value is good.
type Overrides struct {
	Tmpfs        []string // directories, in the place of what is derived
	Volumes      []string // likewise, with the image's content
	Caps         []string // by name, "CAP_" or not
	WritableRoot bool
	// Missing are paths that were dropped on purpose: that they, or what is
	// below them, are missing is said and no difference.
	Missing []string
}

var capName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,40}$`)

// Derive says under which conditions the slim image t is to run, from its
// config and its profile. It is deterministic.
func Derive(t *layers.Tree, p *profile.Profile, o Overrides) (*Conditions, error) {
	id, err := engine.LookupUser(t, t.Config().Config.User)
	if err != nil {
		return nil, err
	}
	c := &Conditions{
		User: fmt.Sprintf("%d:%d", id.UID, id.GID), ReadOnlyRoot: !o.WritableRoot, NoNewPrivileges: true,
		UnprivilegedPortStart: firstUnprivilegedPort, Writable: []Writable{}, Caps: []Capability{}, Unmet: []Unmet{},
	}
	declared, err := engine.Volumes(t.Config().Config.Volumes)
	if err != nil {
		return nil, err
	}
	if !o.WritableRoot {
		ws, unmet := writable(t, p, declared)
		c.Writable, c.Unmet = append(c.Writable, ws...), append(c.Unmet, unmet...)
	}
	for _, v := range declared {
		c.Writable = append(c.Writable, Writable{path: v, Path: Text(v), How: Volume, Reason: "a volume of the image's config"})
	}
	if c.Writable, err = override(t, c.Writable, Tmpfs, "--tmpfs", o.Tmpfs); err != nil {
		return nil, err
	}
	if c.Writable, err = override(t, c.Writable, Volume, "--volume", o.Volumes); err != nil {
		return nil, err
	}
	if id.UID != 0 {
		c.UnprivilegedPortStart = lowestPort(p)
	}
	used, unmet := caps(p, id.UID)
	c.Caps, c.Unmet = append(c.Caps, used...), append(c.Unmet, unmet...)
	return c, c.addCaps(o.Caps)
}

// addCaps adds capabilities that the user names.
func (c *Conditions) addCaps(names []string) error {
	for _, text := range names {
		name := strings.TrimPrefix(strings.ToUpper(text), "CAP_")
		if !capName.MatchString(name) || name == "ALL" {
			return fmt.Errorf("--cap %q: want one capability's name, such as NET_BIND_SERVICE", text)
		}
		if !slices.ContainsFunc(c.Caps, func(k Capability) bool { return k.Name == name }) {
			c.Caps = append(c.Caps, Capability{name, "asked for with --cap"})
		}
	}
	slices.SortFunc(c.Caps, func(a, b Capability) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// engine is what an engine is told, and the volumes beside the image's own.
func (c *Conditions) engine() (*engine.Conditions, []string) {
	out := &engine.Conditions{ReadOnlyRoot: c.ReadOnlyRoot, PortStart: c.UnprivilegedPortStart}
	var volumes []string
	for _, w := range c.Writable {
		if w.How == Tmpfs {
			out.Tmpfs = append(out.Tmpfs, w.path)
		} else {
			volumes = append(volumes, w.path)
		}
	}
	for _, k := range c.Caps {
		out.Caps = append(out.Caps, k.Name)
	}
	return out, volumes
}
