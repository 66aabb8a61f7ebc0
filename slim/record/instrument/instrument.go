// Package instrument makes of an image one that records itself wherever it
// runs: the same files, the same behaviour, and the sensor between the
// runtime and the program.
//
// It adds one layer, /pare, and changes the config; the layers of the source
// keep their digests. Same image, same sensor, same options: same digest.
package instrument

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/record/engine"
)

// LabelSource names the image that records itself was made of, by the digest
// of its manifest.
const LabelSource = "io.pare.instrumented.source"

// What is in the layer.
const (
	dir        = "/pare"
	sensorFile = dir + "/pare"
	configFile = dir + "/config.json"
	outDir     = dir + "/out"
)

// What a caller tells apart.
var (
	// ErrRefused says that the image cannot be made to record itself.
	ErrRefused = errors.New("not an image to instrument")
	// ErrSensor says that the sensor does not fit the image.
	ErrSensor = errors.New("unfit sensor")
)

// Options of [Image].
type Options struct {
	// Sensor is pare itself: an ELF file for the image's platform, linked
	// statically, because nothing of the image can be counted on.
	Sensor *io.SectionReader
	// Syscalls has the set of system calls used recorded too.
	Syscalls bool
	// Created, when not nil, is the new image's time; else the source's is.
	Created *time.Time
	// Dir is where the layer's file is made; the caller removes it when the
	// image is no longer needed.
	Dir string
}

// Image returns img with the sensor in it. tree is img, open; of its content
// [WantContent] is read. The error is an ErrRefused, an ErrSensor,
// engine.ErrNoProgram, or says what could not be read.
func Image(ctx context.Context, img v1.Image, tree *layers.Tree, o Options) (v1.Image, error) {
	source := tree.Config()
	if err := check(tree); err != nil {
		return nil, err
	}
	if err := checkSensor(o.Sensor, source.OS, source.Architecture); err != nil {
		return nil, err
	}
	user, err := engine.LookupUser(tree, source.Config.User)
	if err != nil {
		return nil, err
	}
	created := source.Created.Time
	if o.Created != nil {
		created = *o.Created
	}
	layer, err := newLayer(ctx, img, user, created, o)
	if err != nil {
		return nil, err
	}
	out, err := mutate.Append(img, mutate.Addendum{
		Layer: layer, History: v1.History{Created: v1.Time{Time: created}, CreatedBy: "pare instrument"},
	})
	if err != nil {
		return nil, fmt.Errorf("adding the sensor's layer: %w", err)
	}
	config, err := out.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created = v1.Time{Time: created}
	config.Config = instrumented(config.Config, user, tree.Digest().String())
	return mutate.ConfigFile(out, config)
}

// WantContent says what [Image] reads of a tree, for layers.Options.
func WantContent(name string, _ *layers.Header) bool {
	return name == "/etc/passwd" || name == "/etc/group"
}

// check refuses images that are no fit source.
func check(tree *layers.Tree) error {
	c := tree.Config().Config
	if from, ok := c.Labels[LabelSource]; ok {
		return fmt.Errorf("%w: it records itself already (label %s=%q); instrument the image it was made of", ErrRefused, LabelSource, from)
	}
	if e, ok := tree.Lookup(dir); ok {
		return fmt.Errorf("%w: it has a %s %s, where the sensor would be; move that in the image", ErrRefused, e.Type, dir)
	}
	for v := range c.Volumes {
		if v = path.Clean("/" + v); v == dir || strings.HasPrefix(v, dir+"/") {
			return fmt.Errorf("%w: its volume %q would lie over the sensor; move that in the image", ErrRefused, v)
		}
	}
	if argv := append(c.Entrypoint[:len(c.Entrypoint):len(c.Entrypoint)], c.Cmd...); len(argv) == 0 || argv[0] == "" {
		return engine.ErrNoProgram
	}
	return nil
}
