package docker

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/sensor"
)

// Where the sensor is in a recorded container: a volume of its own.
const (
	sensorDir    = "/.pare"
	sensorFile   = sensorDir + "/pare"
	sensorConfig = sensorDir + "/config.json"
	sensorOut    = sensorDir + "/out"
)

// creation is the body of ContainerCreate, as far as it is needed.
type creation struct {
	Image       string
	Entrypoint  []string
	Cmd         []string
	Env         []string            `json:",omitempty"`
	WorkingDir  string              `json:",omitempty"`
	User        string              `json:",omitempty"`
	Labels      map[string]string   `json:",omitempty"`
	Volumes     map[string]struct{} `json:",omitempty"`
	Healthcheck *healthcheck        `json:",omitempty"`
	OpenStdin   bool                `json:",omitempty"`
	StdinOnce   bool                `json:",omitempty"`
	AttachStdin bool                `json:",omitempty"`
	HostConfig  hostConfig
}

type healthcheck struct{ Test []string }

type hostConfig struct {
	NetworkMode    string            `json:",omitempty"`
	ReadonlyRootfs bool              `json:",omitempty"`
	Tmpfs          map[string]string `json:",omitempty"`
	CapAdd         []string          `json:",omitempty"`
	CapDrop        []string          `json:",omitempty"`
	SecurityOpt    []string          `json:",omitempty"`
	Sysctls        map[string]string `json:",omitempty"`
	GroupAdd       []string          `json:",omitempty"`
	DNS            []string          `json:"Dns,omitempty"`
	ExtraHosts     []string          `json:",omitempty"`
	LogConfig      *logConfig        `json:",omitempty"`
}

type logConfig struct {
	Type   string
	Config map[string]string `json:",omitempty"`
}

// newCreation maps what is to be started to what the daemon is told. unset
// are the image's variables; those that s does not have are taken away.
func newCreation(s engine.Spec, image, network, owner string, imageEnv []string, podman bool) creation {
	c := creation{
		Image:      image,
		Entrypoint: s.Argv[:1], Cmd: s.Argv[1:],
		Env:        environment(s.Env, imageEnv),
		WorkingDir: s.Dir,
		User:       fmt.Sprintf("%d:%d", s.User.UID, s.User.GID),
		Labels:     map[string]string{ownerLabel: owner},
		// The workload runs the image's own through Exec.
		Healthcheck: &healthcheck{[]string{"NONE"}},
		HostConfig: hostConfig{
			NetworkMode: network,
			DNS:         s.DNS, ExtraHosts: s.Hosts,
			// Whatever the daemon's default: logs must be readable, and end.
			LogConfig: &logConfig{"json-file", map[string]string{"max-size": "256m", "max-file": "2"}},
		},
	}
	for _, v := range s.Volumes {
		if s.Tree != nil && directory(s.Tree, v) == nil {
			// The daemon would make it root's, and no user could write.
			if c.HostConfig.Tmpfs == nil {
				c.HostConfig.Tmpfs = map[string]string{}
			}
			c.HostConfig.Tmpfs[v] = tmpfs(s, v, podman)
			continue
		}
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[v] = struct{}{}
	}
	for _, g := range s.User.Groups {
		if g != s.User.GID {
			c.HostConfig.GroupAdd = append(c.HostConfig.GroupAdd, strconv.Itoa(g))
		}
	}
	if s.Conditions != nil {
		c.harden(s, podman)
	}
	if s.Sensor != nil {
		c.record(s)
	}
	return c
}

// environment is env, and by name alone what the image sets and env has not:
// the daemon would add it otherwise. (A name without "=" removes it.)
func environment(env, image []string) []string {
	has := map[string]bool{}
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		has[name] = true
	}
	out := slices.Clone(env)
	for _, e := range image {
		if name, _, _ := strings.Cut(e, "="); name != "" && !has[name] {
			has[name] = true
			out = append(out, name)
		}
	}
	return out
}

// harden sets the conditions that a slim image is meant for.
func (c *creation) harden(s engine.Spec, podman bool) {
	h := &c.HostConfig
	h.ReadonlyRootfs = s.Conditions.ReadOnlyRoot
	h.CapDrop = []string{"ALL"}
	h.CapAdd = slices.Clone(s.Conditions.Caps)
	h.SecurityOpt = []string{"no-new-privileges"}
	if s.Network != engine.Host { // the host's own are not for us to set
		h.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": strconv.Itoa(cmp.Or(s.Conditions.PortStart, 1024))}
	}
	for _, dir := range s.Conditions.Tmpfs {
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		h.Tmpfs[path.Clean("/"+dir)] = tmpfs(s, dir, podman)
	}
	maps.DeleteFunc(c.Volumes, func(v string, _ struct{}) bool { _, both := h.Tmpfs[path.Clean(v)]; return both })
}

// record has the sensor start the program; it is root and switches to the
// user itself.
func (c *creation) record(s engine.Spec) {
	c.Entrypoint = []string{sensorFile, "sensor", sensorConfig}
	c.Cmd = nil
	c.User = "0:0"
	c.HostConfig.GroupAdd = nil
	if c.Volumes == nil {
		c.Volumes = map[string]struct{}{}
	}
	c.Volumes[sensorDir] = struct{}{}
	c.HostConfig.CapAdd = append(c.HostConfig.CapAdd, recorderCaps(s)...)
}

// recorderCaps are those that only the sensor gets: it takes them from the
// program.
func recorderCaps(s engine.Spec) []string {
	names := append([]string{"SYS_PTRACE"}, s.Sensor.Caps...)
	var kept []string
	if s.Conditions != nil { // what docker gives otherwise, and a recorder of another user's processes uses
		names = append(names, "SETUID", "SETGID", "SETPCAP", "KILL", "DAC_OVERRIDE", "CHOWN")
		kept = s.Conditions.Caps
	}
	var out []string
	for _, name := range names {
		name = capName(name)
		if !slices.Contains(out, name) && !slices.ContainsFunc(kept, func(k string) bool { return capName(k) == name }) {
			out = append(out, name)
		}
	}
	return out
}

// capName is without CAP_, in capitals.
func capName(name string) string { return strings.TrimPrefix(strings.ToUpper(name), "CAP_") }

// sensorConfigOf is what the sensor reads. The environment is the one that
// the daemon gives it: HOSTNAME comes from there.
func sensorConfigOf(s engine.Spec) sensor.Config {
	return sensor.Config{
		Argv: s.Argv, Dir: s.Dir,
		User:     &sensor.User{UID: s.User.UID, GID: s.User.GID, Groups: s.User.Groups},
		Out:      sensorOut,
		Drop:     recorderCaps(s),
		Syscalls: s.Sensor.Syscalls,
		Engine:   "docker",
	}
}
