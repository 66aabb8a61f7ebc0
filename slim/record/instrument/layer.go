package instrument

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/sensor"
)

// recorderCaps are those that docs/instrument.md has people give to the
// container for the sensor's sake; the program does not get them.
var recorderCaps = []string{"DAC_READ_SEARCH", "SYS_ADMIN", "SYS_PTRACE"}

// newLayer is the one that holds the sensor, of the kind of img's own.
func newLayer(ctx context.Context, img v1.Image, user engine.Identity, created time.Time, o Options) (v1.Layer, error) {
	id, err := slim.Identify(img)
	if err != nil {
		return nil, err
	}
	media, err := img.MediaType()
	if err != nil {
		return nil, err
	}
	// Dir stays empty: the runtime's, which docker run -w may change.
	config, err := json.MarshalIndent(sensor.Config{
		Argv: []string{},
		User: &sensor.User{UID: user.UID, GID: user.GID, Groups: user.Groups},
		// docker run --user and runAsUser of Kubernetes are followed.
		UserIfRoot: true,
		Drop:       recorderCaps,
		Out:        outDir,
		OutFromEnv: true,
		Syscalls:   o.Syscalls,
		Engine:     "instrument",
		Image:      id.Image(),
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	l, err := layers.NewLayer(ctx, outputs(o.Sensor, append(config, '\n'), created), layers.LayerOptions{
		Docker: media == types.DockerManifestSchema2, Dir: o.Dir,
	})
	if err != nil {
		return nil, fmt.Errorf("making the sensor's layer: %w", err)
	}
	return l, nil
}

// outputs are the entries of the layer, all of them root's.
func outputs(program *io.SectionReader, config []byte, at time.Time) []layers.Output {
	if at.Unix() < 0 {
		at = time.Unix(0, 0) // what a tar can say
	}
	entry := func(name string, t layers.Type, mode uint32, content io.ReaderAt, size int64) layers.Output {
		return layers.Output{
			Path: name, Header: layers.Header{Type: t, Mode: mode, ModTime: at.UTC().Truncate(time.Second), Size: size},
			Open: func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(content, 0, size)), nil },
		}
	}
	return []layers.Output{
		entry(dir, layers.Directory, 0o755, nil, 0),
		entry(configFile, layers.Regular, 0o644, bytes.NewReader(config), int64(len(config))),
		// Like /tmp: whoever the runtime starts the sensor as can write here,
		// and the program, which need not be root, cannot remove or replace
		// what the sensor has written.
		entry(outDir, layers.Directory, 0o1777, nil, 0),
		entry(sensorFile, layers.Regular, 0o755, program, program.Size()),
	}
}
