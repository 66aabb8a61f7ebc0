package engine

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
)

// ErrNoProgram says that neither the image nor the user names what to start.
var ErrNoProgram = errors.New("the image has no entrypoint and no command; give one after --")

// defaultPath is the PATH that docker gives where the image has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// SpecOptions is what a user may ask of a start; the zero value starts the
// image as its config says, on a network of its own.
type SpecOptions struct {
	// Args, when not empty, stand in the place of the config's Cmd.
	Args []string
	// Env is added ("NAME=value"), in the place of what the image says.
	Env []string
	// User, when not "", stands in the place of the config's.
	User string
	// Volumes are further directories that are to be writable.
	Volumes    []string
	Network    Network // "" is Loopback
	DNS, Hosts []string
	Sensor     *SensorOptions
	Conditions *Conditions
}

// NewSpec says how img is started, by the rules of docker: Entrypoint and Cmd,
// a PATH and a HOME where the config has none, WorkingDir or "/", the user as
// a number, volumes, the stop signal. tree is img, open. The error names what
// of the config cannot be followed.
func NewSpec(img v1.Image, tree *layers.Tree, o SpecOptions) (Spec, error) {
	c := tree.Config().Config
	s := Spec{
		Image: img, Tree: tree,
		Dir:     path.Join("/", c.WorkingDir),
		Network: cmp.Or(o.Network, Loopback), DNS: o.DNS, Hosts: o.Hosts,
		Sensor: o.Sensor, Conditions: o.Conditions,
	}
	args := c.Cmd
	if len(o.Args) > 0 {
		args = o.Args
	}
	if s.Argv = slices.Concat(c.Entrypoint, args); len(s.Argv) == 0 || s.Argv[0] == "" {
		return s, ErrNoProgram
	}
	id, err := LookupUser(tree, cmp.Or(o.User, c.User))
	if err != nil {
		return s, err
	}
	s.User = id.Credential
	s.Env = environment(c.Env, o.Env, id.Home)
	if s.StopSignal, err = ParseSignal(c.StopSignal); err != nil {
		return s, err
	}
	if s.Volumes, err = Volumes(c.Volumes, o.Volumes...); err != nil {
		return s, err
	}
	return s, errors.Join(s.checkNUL(), checkNetwork(s.DNS, s.Hosts))
}

// environment is the image's with the user's changes; a later value of a
// name takes an earlier one's place.
func environment(image, user []string, home string) []string {
	var out []string
	at := map[string]int{}
	set := func(entry string) {
		name, _, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			return
		}
		if i, known := at[name]; known {
			out[i] = entry
			return
		}
		at[name] = len(out)
		out = append(out, entry)
	}
	set("PATH=" + defaultPath)
	for _, entry := range slices.Concat(image, user) {
		set(entry)
	}
	if i, ok := at["HOME"]; !ok || out[i] == "HOME=" {
		set("HOME=" + home)
	}
	return out
}

// Volumes are the directories of an image's config and further ones, clean
// and sorted. The root cannot be one.
func Volumes(config map[string]struct{}, more ...string) ([]string, error) {
	all := slices.Clone(more)
	for v := range config {
		all = append(all, v)
	}
	for i, v := range all {
		if all[i] = path.Clean("/" + v); all[i] == "/" {
			return nil, fmt.Errorf("volume %q: the root cannot be a volume", v)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// checkNUL refuses what execve cannot be given.
func (s *Spec) checkNUL() error {
	for _, text := range slices.Concat(s.Argv, s.Env, s.Volumes, []string{s.Dir}) {
		if strings.ContainsRune(text, 0) {
			return fmt.Errorf("the image's config has a NUL byte in %q", text)
		}
	}
	return nil
}

// checkNetwork holds what goes into resolv.conf and hosts to its form.
func checkNetwork(dns, hosts []string) error {
	for _, d := range dns {
		if net.ParseIP(d) == nil {
			return fmt.Errorf("name server %q: want an IP address", d)
		}
	}
	for _, h := range hosts {
		name, address, _ := strings.Cut(h, ":")
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '#' || r > '~' }) || net.ParseIP(address) == nil {
			return fmt.Errorf("host %q: want NAME:ADDRESS", h)
		}
	}
	return nil
}
