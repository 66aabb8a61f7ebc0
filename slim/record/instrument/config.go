package instrument

import (
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/slim/record/engine"
)

// rootUser is whom the runtime starts the sensor as. It switches to the
// image's own user, which is in its config, before it executes the program.
const rootUser = "0:0"

// instrumented is the source's config with the sensor in front of every
// program that the runtime starts by itself. All else stays: working
// directory, environment, ports, volumes, stop signal, labels.
func instrumented(c v1.Config, user engine.Identity, source string) v1.Config {
	// Cmd stays apart, so that arguments of docker run, and args of
	// Kubernetes, take its place as before.
	c.Entrypoint = slices.Concat([]string{sensorFile, "sensor", configFile, "--"}, c.Entrypoint)
	c.Healthcheck = healthcheck(c.Healthcheck, c.Shell)
	c.User = rootUser
	c.Env = withHome(c.Env, user)
	labels := maps.Clone(c.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[LabelSource] = source
	c.Labels = labels
	return c
}

// healthcheck is h, run by the sensor. A command of the shell form goes to
// the image's shell, as docker does it.
func healthcheck(h *v1.HealthConfig, shell []string) *v1.HealthConfig {
	if h == nil || len(h.Test) < 2 {
		return h // inherited, or NONE
	}
	argv := h.Test[1:]
	switch h.Test[0] {
	case "CMD":
	case "CMD-SHELL":
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		argv = slices.Concat(shell, argv[:1])
	default:
		return h
	}
	out := *h
	out.Test = slices.Concat([]string{"CMD", sensorFile, "sensor", "exec", configFile, "--"}, argv)
	return &out
}

// withHome adds what runtimes add by themselves: the home of the user that
// they start, where the image names none. They will start root.
func withHome(env []string, user engine.Identity) []string {
	named := slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "HOME=") && kv != "HOME=" })
	if named || user.UID == 0 {
		return env
	}
	return append(slices.Clone(env), "HOME="+user.Home)
}
