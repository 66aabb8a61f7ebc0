package builtin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/sensor"
)

// recording is one session, in the stage: there it has the container's own
// privilege over its processes and files, and the host's view of their ids.
type recording struct {
	options  engine.SensorOptions
	listen   *os.File // where the filter's listener comes from
	recorder *sensor.Recorder
	ready    chan struct{} // closed when recorder or err is set
	done     chan struct{} // closed when everything recorded has ended
	err      error
}

// newRecording returns a recording and what its program gets.
func newRecording(o engine.SensorOptions) (*recording, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	return &recording{
		options: o, listen: os.NewFile(uintptr(fds[0]), "recorder"),
		ready: make(chan struct{}), done: make(chan struct{}),
	}, os.NewFile(uintptr(fds[1]), "recorded"), nil
}

// begin waits for the listener in the background, once the process that has
// theirs, which is closed here, is started.
func (r *recording) begin(theirs *os.File) {
	theirs.Close()
	go func() {
		defer close(r.done)
		listener, info, err := sensor.Receive(int(r.listen.Fd()))
		r.listen.Close()
		if err == nil {
			r.recorder, err = sensor.NewRecorder(listener, sensor.RecorderOptions{
				Info: info, Syscalls: r.options.Syscalls, Async: r.options.Async, Engine: "builtin",
			})
		}
		r.err = err
		close(r.ready)
		if err == nil {
			r.err = r.recorder.Run(context.Background()) // the container's end is its end
		}
	}()
}

// started says whether recording began.
func (r *recording) started() error {
	<-r.ready
	if r.recorder == nil {
		return r.err
	}
	return nil
}

// keep adds a recording to those that the stage reports; s.mu is held.
func (s *stage) keep(r *recording) {
	if r != nil {
		s.records = append(s.records, r)
	}
}

// recorded returns all sessions, once they have ended.
func (s *stage) recorded() reply {
	s.mu.Lock()
	records := s.records
	s.mu.Unlock()
	var out reply
	for _, r := range records {
		<-r.done
		if r.err != nil {
			return failed(fmt.Errorf("recording: %w", r.err))
		}
		var b bytes.Buffer
		if err := r.recorder.Snapshot().Write(&b); err != nil {
			return failed(fmt.Errorf("recording: %w", err))
		}
		out.Profiles = append(out.Profiles, b.Bytes())
	}
	return out
}

// Recording asks the stage for its sessions.
func (c *container) Recording(ctx context.Context) ([]*profile.Profile, error) {
	select {
	case <-c.done:
	default:
		return nil, errors.New("reading the recording: the container still runs")
	}
	if c.lost != nil {
		return nil, fmt.Errorf("reading the recording: %w", c.lost)
	}
	r, err := c.simple(ctx, request{Op: opRecord})
	if err != nil {
		return nil, err
	}
	var out []*profile.Profile
	for _, raw := range r.Profiles {
		p, err := profile.Read(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("reading the recording: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}
