package docker

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// Bounds of what is copied out of a container: the files there are the
// workload's to write, if it is root.
const (
	maxRecordings = 10_000
	maxRecorded   = 4 << 30 // bytes of the tar
)

// putSensor copies the sensor, its configuration and a place for its output
// into a container that has not started.
func (c *Container) putSensor(ctx context.Context) error {
	config, err := json.Marshal(sensorConfigOf(c.spec))
	if err != nil {
		return err
	}
	return c.putPare(ctx, c.id, []file{
		{name: path.Base(sensorConfig), mode: 0o600, body: config},
		{name: path.Base(sensorOut) + "/", mode: 0o700},
	})
}

// ErrNoSensor says that Options.Sensor is missing.
var ErrNoSensor = errors.New("there is no pare to put into a container; give a static one for linux with --sensor FILE")

// putPare copies pare and more files into the volume of container that is at
// sensorDir. (A volume, because nothing can be copied into a read-only root.)
func (c *Container) putPare(ctx context.Context, container string, more []file) error {
	if c.sensor == nil {
		return ErrNoSensor
	}
	program, size, err := c.sensor(c.daemon.arch)
	if err != nil {
		return fmt.Errorf("opening the pare that is put into the container: %w", err)
	}
	defer program.Close()
	r, w := io.Pipe()
	go func() { w.CloseWithError(writePare(w, program, size, more)) }()
	defer r.CloseWithError(errRead)
	resp, err := c.api.do(ctx, http.MethodPut, "/containers/"+container+"/archive?path="+url.QueryEscape(sensorDir), http.Header{"Content-Type": {"application/x-tar"}}, r)
	if err != nil {
		return fmt.Errorf("copying pare into the container: %w", err)
	}
	return resp.Body.Close()
}

func writePare(w io.Writer, program io.Reader, size int64, more []file) error {
	tw := tar.NewWriter(w)
	for _, f := range more {
		if err := writeFile(tw, f); err != nil {
			return err
		}
	}
	if err := tw.WriteHeader(header(file{name: path.Base(sensorFile), mode: 0o755}, size)); err != nil {
		return err
	}
	if _, err := io.CopyN(tw, program, size); err != nil {
		return fmt.Errorf("reading pare: %w", err)
	}
	return tw.Close()
}

// Recording copies what the sensor has written out of the container, which
// has ended; if it was killed, that is what it had written by then.
func (c *Container) Recording(ctx context.Context) ([]*profile.Profile, error) {
	select {
	case <-c.done:
	default:
		return nil, errors.New("the container has not ended yet")
	}
	if c.spec.Sensor == nil {
		return nil, nil
	}
	resp, err := c.api.do(ctx, http.MethodGet, "/containers/"+c.id+"/archive?path="+url.QueryEscape(sensorOut), nil, nil)
	if err != nil {
		return nil, fmt.Errorf("copying the recording out of the container: %w", err)
	}
	defer resp.Body.Close()
	ps, err := readRecordings(resp.Body)
	if err == nil && !slices.ContainsFunc(ps, func(p *profile.Profile) bool { return len(p.Accesses) > 0 }) {
		err = fmt.Errorf("the sensor in the container has recorded nothing (exit code %d); the last words there: %s", c.exit.Code, c.lastWords(ctx))
	}
	if err != nil {
		return nil, err
	}
	return ps, nil
}

// lastWords are the end of the container's log, where the sensor says why it
// could not begin.
func (c *Container) lastWords(ctx context.Context) string {
	resp, err := c.api.do(ctx, http.MethodGet, "/containers/"+c.id+"/logs?stdout=1&stderr=1&tail=5", nil, nil)
	if err != nil {
		return "(none)"
	}
	defer resp.Body.Close()
	words := &head{room: 2048}
	_ = demux(resp.Body, words, words) // what could be read
	return printable(string(words.b))
}

// readRecordings reads every *.json of a tar, in the order of their start.
func readRecordings(r io.Reader) ([]*profile.Profile, error) {
	limited := &io.LimitedReader{R: r, N: maxRecorded}
	tr := tar.NewReader(limited)
	var out []*profile.Profile
	for range maxRecordings {
		h, err := tr.Next()
		if err == io.EOF {
			sortByStart(out)
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the recording: %w", err)
		}
		// What does not end so is not whole yet.
		if h.Typeflag != tar.TypeReg || !strings.HasSuffix(h.Name, ".json") {
			continue
		}
		p, err := profile.Read(tr)
		if err != nil {
			return nil, fmt.Errorf("reading the recording %q: %w", path.Base(h.Name), err)
		}
		out = append(out, p)
	}
	return nil, fmt.Errorf("reading the recording: more than %d files in %s", maxRecordings, sensorOut)
}

func sortByStart(ps []*profile.Profile) {
	slices.SortStableFunc(ps, func(a, b *profile.Profile) int {
		if len(a.Sessions) == 0 || len(b.Sessions) == 0 {
			return cmp.Compare(len(b.Sessions), len(a.Sessions))
		}
		return a.Sessions[0].Start.Compare(b.Sessions[0].Start)
	})
}
