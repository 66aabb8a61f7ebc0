package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/record/instrument"
)

// instrumentCommand is what pare instrument was asked for.
type instrumentCommand struct {
	image    string
	output   string
	sensor   string
	syscalls bool
	json     bool
	source   sourceFlags
	cache    cacheFlags
}

func newInstrumentCommand(a *app) *cobra.Command {
	var c instrumentCommand
	cmd := &cobra.Command{
		Use:   "instrument IMAGE -o DEST",
		Short: "write an image that records itself wherever it runs",
		Long: `instrument writes IMAGE with one more layer, /pare, and an entrypoint that
starts the program of IMAGE under the sensor: same arguments, same user, same
behaviour. Each start writes one profile of IMAGE into /pare/out, or where
PARE_OUT says: a directory, or an http(s) URL that gets a PUT.

The container needs the capability SYS_PTRACE, and a directory at /pare/out
that outlives it; docs/instrument.md has the commands for docker, podman and
Kubernetes. Nothing of IMAGE is run here.`,
		Example: `  pare instrument app:1.4 -o app:1.4-recording
  docker run --cap-add SYS_PTRACE -v "$PWD/out:/pare/out" app:1.4-recording
  pare slim app:1.4 -p out/... -o app:1.4-slim`,
		Args: exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.image = args[0]
			return runInstrument(cmd.Context(), a, c)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&c.output, "output", "o", "", "`DEST`, a reference to write")
	fl.StringVar(&c.sensor, "sensor", "", "the static pare of the image's platform, a `FILE` (default: this pare)")
	fl.BoolVar(&c.syscalls, "syscalls", false, "record which system calls are used, too")
	c.source.bind(cmd)
	c.cache.bind(cmd)
	bindJSON(cmd, &c.json)
	return cmd
}

func runInstrument(ctx context.Context, a *app, c instrumentCommand) error {
	if c.output == "" {
		return &usageError{errNoOutput}
	}
	dest, err := reference.Parse(c.output)
	if err != nil {
		return err
	}
	places, err := a.places(&c.source)
	if err != nil {
		return err
	}
	if err := reference.CheckDestination(ctx, dest, false, places); err != nil {
		return fmt.Errorf("writing %s: %w", dest, err)
	}
	src, err := a.open(ctx, c.image, &c.source, places)
	if err != nil {
		return err
	}
	defer src.Close()
	one, err := src.only()
	if err != nil {
		return err
	}
	dir, remove, err := tempDir()
	if err != nil {
		return err
	}
	defer remove()
	img, err := a.instrument(ctx, c, src, one, dir)
	if err != nil {
		return fmt.Errorf("instrumenting %s: %w", src.ref, err)
	}
	a.term.draw("writing " + dest.String())
	at, err := reference.Write(ctx, dest, img, nil, places)
	a.term.endProgress()
	if err != nil {
		return err
	}
	return a.tellInstrument(c, at, img, one)
}

// instrument makes the image; its layer's file is in dir.
func (a *app) instrument(ctx context.Context, c instrumentCommand, src *opened, one *candidate, dir string) (v1.Image, error) {
	sensor, closeSensor, err := openSensor(c.sensor)
	if err != nil {
		return nil, err
	}
	defer closeSensor()
	created, err := a.sourceDateEpoch()
	if err != nil {
		return nil, err
	}
	o := instrument.Options{Sensor: sensor, Syscalls: c.syscalls, Dir: dir}
	if created != nil {
		at := time.Unix(*created, 0).UTC()
		o.Created = &at
	}
	cache, err := c.cache.open(a.term)
	if err != nil {
		return nil, err
	}
	t, err := a.tree(ctx, src, one, layers.Options{Cache: cache, Scratch: dir, Want: instrument.WantContent})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return instrument.Image(ctx, one.image, t, o)
}

// openSensor opens the file, or this program itself.
func openSensor(name string) (*io.SectionReader, func() error, error) {
	if name == "" {
		if runtime.GOOS != "linux" {
			return nil, nil, usagef("--sensor is missing: this pare is for %s, and the sensor runs on Linux; give the static pare of the image's platform", runtime.GOOS)
		}
		name = "/proc/self/exe"
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the sensor: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("opening the sensor %s: %w", printable(name), err)
	}
	return io.NewSectionReader(f, 0, info.Size()), f.Close, nil
}

// instrumentDocument is the JSON of pare instrument.
type instrumentDocument struct {
	envelope
	Reference    string `json:"reference"`
	Digest       string `json:"digest"`
	MediaType    string `json:"mediaType"`
	Platform     string `json:"platform"`
	SourceDigest string `json:"sourceDigest"`
}

func (a *app) tellInstrument(c instrumentCommand, at reference.Ref, img v1.Image, one *candidate) error {
	digest, mediaType, err := topOf(img, nil)
	if err != nil {
		return err
	}
	a.term.note(`instrumented %s (%s)
  run it     docker run --cap-add SYS_PTRACE -v DIR:/pare/out %s
  next       use it as production does, stop it, and: pare slim %s -p DIR/... -o DEST
  elsewhere  podman, Kubernetes, and profiles sent to a URL: docs/instrument.md`,
		oneLine(c.image), oneLine(one.platform()), oneLine(c.output), oneLine(c.image))
	if c.json {
		return a.term.json(instrumentDocument{
			newEnvelope("instrument"), at.String(), digest, mediaType, one.id.Platform, one.id.Digest.String(),
		})
	}
	return a.term.result("%s", at)
}
