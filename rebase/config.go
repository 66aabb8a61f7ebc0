package rebase

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ConfigChange is one thing of the image's config that the new base brings or
// cannot bring.
type ConfigChange struct {
	// Field is its name: "User", "Env PATH", "Labels version".
	Field string `json:"field"`
	Was   string `json:"was,omitempty"` // compact JSON; "" for nothing
	Now   string `json:"now,omitempty"`
	// Base is what the new base has, where that is not what the image gets:
	// both changed it, and the image's stays.
	Base string `json:"base,omitempty"`
}

// configOrders are the orders in which tools write the members of "config":
// Docker's and BuildKit's (Go structs), and go-containerregistry's.
var configOrders = [][]string{
	{
		"Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "ExposedPorts", "Tty", "OpenStdin", "StdinOnce",
		"Env", "Cmd", "Healthcheck", "ArgsEscaped", "Image", "Volumes", "WorkingDir", "Entrypoint", "NetworkDisabled", "MacAddress",
		"OnBuild", "Labels", "StopSignal", "StopTimeout", "Shell",
	},
	{
		"User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "ArgsEscaped",
		"Healthcheck", "OnBuild", "StopTimeout", "Shell",
	},
	{
		"AttachStderr", "AttachStdin", "AttachStdout", "Cmd", "Healthcheck", "Domainname", "Entrypoint", "Env", "Hostname", "Image",
		"Labels", "OnBuild", "OpenStdin", "StdinOnce", "Tty", "User", "Volumes", "WorkingDir", "ExposedPorts", "ArgsEscaped",
		"NetworkDisabled", "MacAddress", "StopSignal", "Shell",
	},
}

// orderOf is the order that the members of d are in already.
func orderOf(d *document) []string {
	for _, order := range configOrders {
		if slices.IsSortedFunc(d.members, func(a, b member) int {
			return slices.Index(order, a.key) - slices.Index(order, b.key)
		}) {
			return order
		}
	}
	return nil
}

// ofBuild are fields about the host that built an image, not about running it.
var ofBuild = []string{
	"Hostname", "Domainname", "Image", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce", "MacAddress", "OnBuild",
}

// configMerge merges the "config" objects of old base, image and new base,
// field by field: what the image left as the old base had it becomes the new
// base's.
type configMerge struct {
	old, app, base *document
	changes        []ConfigChange
	order          []string
}

// merge changes m.app.
func (m *configMerge) merge() error {
	m.order = orderOf(m.app)
	fields := map[string]bool{}
	for _, d := range []*document{m.old, m.app, m.base} {
		for _, f := range d.members {
			fields[f.key] = true
		}
	}
	for _, f := range slices.Sorted(maps.Keys(fields)) {
		var err error
		switch f {
		case "Env":
			err = m.mergeEnv()
		case "Labels", "ExposedPorts", "Volumes":
			err = m.mergeMap(f)
		case "Cmd": // with Entrypoint: one means nothing without the other
		case "Entrypoint":
			m.mergeProgram()
		default:
			if !slices.Contains(ofBuild, f) {
				m.mergeField(f)
			}
		}
		if err != nil {
			return fmt.Errorf("merging %s of the config: %w", f, err)
		}
	}
	if !fields["Entrypoint"] {
		m.mergeProgram()
	}
	return nil
}

func (m *configMerge) mergeField(f string) {
	o, a, n := canonical(m.old.get(f)), canonical(m.app.get(f)), canonical(m.base.get(f))
	switch {
	case a == n:
	case a == o:
		m.take(f)
	case n != o:
		m.changes = append(m.changes, ConfigChange{Field: f, Was: a, Now: a, Base: n})
	}
}

// take gives the image the new base's field.
func (m *configMerge) take(f string) {
	m.changes = append(m.changes, ConfigChange{Field: f, Was: canonical(m.app.get(f)), Now: canonical(m.base.get(f))})
	if n := canonical(m.base.get(f)); n != "" {
		m.app.set(f, json.RawMessage(n), m.order) //nolint:errcheck // it is JSON
	} else {
		m.app.remove(f)
	}
}

// mergeProgram takes Entrypoint and Cmd together.
func (m *configMerge) mergeProgram() {
	pair := func(d *document) string { return canonical(d.get("Entrypoint")) + " " + canonical(d.get("Cmd")) }
	o, a, n := pair(m.old), pair(m.app), pair(m.base)
	switch {
	case a == n:
	case a == o:
		for _, f := range []string{"Entrypoint", "Cmd"} {
			if canonical(m.app.get(f)) != canonical(m.base.get(f)) {
				m.take(f)
			}
		}
	case n != o && strings.TrimSpace(n) != "":
		m.changes = append(m.changes, ConfigChange{Field: "Entrypoint, Cmd", Was: a, Now: a, Base: n})
	}
}

// three are a field's values in the three documents.
func three[T any](m *configMerge, f string) (o, a, n T, err error) {
	for _, d := range []struct {
		from *document
		to   *T
	}{{m.old, &o}, {m.app, &a}, {m.base, &n}} {
		if raw := d.from.get(f); raw != nil {
			if err := json.Unmarshal(raw, d.to); err != nil {
				return o, a, n, err
			}
		}
	}
	return o, a, n, nil
}

// mergeMap merges objects by key.
func (m *configMerge) mergeMap(f string) error {
	o, a, n, err := three[map[string]json.RawMessage](m, f)
	if err != nil {
		return err
	}
	merged := map[string]json.RawMessage{}
	maps.Copy(merged, a)
	keys := map[string]bool{}
	for _, x := range []map[string]json.RawMessage{o, a, n} {
		for k := range x {
			keys[k] = true
		}
	}
	before := len(m.changes)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		// {} is a value here: it says that the port or the volume is there.
		was, is, comes := string(o[k]), string(a[k]), string(n[k])
		switch {
		case is == comes:
		case is == was:
			m.changes = append(m.changes, ConfigChange{Field: f + " " + k, Was: is, Now: comes})
			if merged[k] = n[k]; comes == "" {
				delete(merged, k)
			}
		case comes != was:
			m.changes = append(m.changes, ConfigChange{Field: f + " " + k, Was: is, Now: is, Base: comes})
		}
	}
	if len(m.changes) == before || maps.EqualFunc(merged, a, func(x, y json.RawMessage) bool { return string(x) == string(y) }) {
		return nil
	}
	if len(merged) == 0 {
		m.app.remove(f)
		return nil
	}
	return m.app.set(f, merged, m.order)
}

// mergeEnv merges variables by name, and PATH by its elements. The new base's
// come first, as in an image that is built on it.
func (m *configMerge) mergeEnv() error {
	o, a, n, err := three[[]string](m, "Env")
	if err != nil {
		return err
	}
	was, is, comes := variables(o), variables(a), variables(n)
	var out []string
	keep := func(name, value string) { out = append(out, name+"="+value) }
	before := len(m.changes)
	for _, kv := range n {
		name, value, _ := strings.Cut(kv, "=")
		mine, have := is[name]
		old, had := was[name]
		switch {
		case !have && had: // the image took it out
		case !have:
			m.env(name, nil, &value)
			keep(name, value)
		case had && mine == old:
			if mine != value {
				m.env(name, &mine, &value)
			}
			keep(name, value)
		default:
			keep(name, m.mergeVariable(name, old, mine, value, had))
		}
	}
	for _, kv := range a {
		name, value, _ := strings.Cut(kv, "=")
		if _, there := comes[name]; there {
			continue
		}
		if old, had := was[name]; had && old == value {
			m.env(name, &value, nil)
			continue
		}
		out = append(out, kv)
	}
	if len(m.changes) == before || slices.Equal(out, a) {
		return nil
	}
	return m.app.set("Env", out, m.order)
}

// mergeVariable is what a variable becomes that the image set.
func (m *configMerge) mergeVariable(name, old, mine, base string, had bool) string {
	switch {
	case base == old || base == mine:
		return mine
	case name == "PATH" && had:
		if merged := mergePath(old, mine, base); merged != mine {
			m.env(name, &mine, &merged)
			return merged
		}
		return mine
	}
	m.changes = append(m.changes, ConfigChange{Field: "Env " + name, Was: quote(mine), Now: quote(mine), Base: quote(base)})
	return mine
}

func (m *configMerge) env(name string, was, now *string) {
	c := ConfigChange{Field: "Env " + name}
	if was != nil {
		c.Was = quote(*was)
	}
	if now != nil {
		c.Now = quote(*now)
	}
	m.changes = append(m.changes, c)
}

func quote(s string) string {
	b, _ := json.Marshal(s) //nolint:errcheck // a string
	return string(b)
}

// variables are by name; of two, the last counts, as for a process.
func variables(env []string) map[string]string {
	out := map[string]string{}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		out[name] = value
	}
	return out
}

// mergePath is the new base's path with what the image added, before or
// behind, and without what the image took out.
func mergePath(old, app, base string) string {
	o, a, n := strings.Split(old, ":"), strings.Split(app, ":"), strings.Split(base, ":")
	first := slices.IndexFunc(a, func(p string) bool { return slices.Contains(o, p) })
	var before, out, behind []string
	for i, p := range a {
		switch {
		case slices.Contains(o, p) || slices.Contains(n, p):
		case first < 0 || i < first:
			before = append(before, p)
		default:
			behind = append(behind, p)
		}
	}
	for _, p := range n {
		if !slices.Contains(o, p) || slices.Contains(a, p) {
			out = append(out, p)
		}
	}
	return strings.Join(slices.Concat(before, out, behind), ":")
}
