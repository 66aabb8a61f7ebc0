package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim/record/builtin"
	"github.com/pare-image/pare/slim/record/docker"
	"github.com/pare-image/pare/slim/record/engine"
)

// The engines, by name, and the choice among them.
const (
	engineAuto    = "auto"
	engineBuiltin = "builtin"
	engineDocker  = "docker"
)

// engineFlags say what runs images.
type engineFlags struct{ name, sensor string }

func (f *engineFlags) bind(cmd *cobra.Command) {
	f.name = engineAuto
	bindEnum(cmd, cmd.Flags(), &f.name, "engine", "what runs the image: namespaces of pare's own, the Docker Engine, or the first of them that works here",
		[]string{engineAuto, engineBuiltin, engineDocker})
	cmd.Flags().StringVar(&f.sensor, "sensor", "", "for engine docker, the static pare of the image's platform, a `FILE` (default: this pare)")
}

// choose returns the engine that was asked for, if it works here; of auto the
// first that does. The error says why none does, and what would help. The engine
// is to be closed with closeEngine.
func (f *engineFlags) choose(ctx context.Context, a *app) (engine.Engine, error) {
	names := []string{f.name}
	if f.name == engineAuto {
		names = []string{engineBuiltin, engineDocker}
	}
	var problems strings.Builder
	for _, name := range names {
		e, err := f.engine(a, name)
		if err == nil {
			err = e.Check(ctx)
		}
		if err == nil {
			return e, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		fmt.Fprintf(&problems, "\nengine %s: %v", name, err)
	}
	return nil, fmt.Errorf("no engine can run images here:%s", problems.String())
}

// engine makes an engine; whether it works here, its Check says.
func (f *engineFlags) engine(a *app, name string) (engine.Engine, error) {
	if name == engineBuiltin {
		return builtin.New(builtin.Options{Warn: func(text string) { a.term.note("engine builtin: %s", text) }}), nil
	}
	o := docker.Options{Host: a.env("DOCKER_HOST"), Sensor: f.openSensor}
	if a.env("DOCKER_TLS_VERIFY") != "" {
		o.CertPath = a.env("DOCKER_CERT_PATH")
	}
	return docker.New(o)
}

// openSensor opens the pare that records on a machine of arch.
func (f *engineFlags) openSensor(arch string) (io.ReadCloser, int64, error) {
	if f.sensor == "" && arch != runtime.GOARCH {
		return nil, 0, usagef("the daemon's machine is %s and this pare is for %s: give the static pare of linux/%s with --sensor FILE", arch, runtime.GOARCH, arch)
	}
	r, closer, err := openSensor(f.sensor)
	if err != nil {
		return nil, 0, err
	}
	return sensorFile{r, closer}, r.Size(), nil
}

type sensorFile struct {
	*io.SectionReader
	close func() error
}

func (s sensorFile) Close() error { return s.close() }

// closeEngine gives back what an engine keeps between starts.
func closeEngine(e engine.Engine) error {
	if c, ok := e.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
