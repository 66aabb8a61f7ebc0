package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/pare-image/pare/slim/record/engine"
)

const sigKill = 9

// closeWait bounds Close.
const closeWait = time.Minute

// Container is a container of a Docker Engine. See [engine.Container].
type Container struct {
	api    *client
	owner  string
	spec   engine.Spec
	daemon *daemon
	image  string // what the daemon knows the image by
	tag    string // to be removed; "" for an image that was there before
	id     string
	pid    int    // of the first program, on the daemon's machine; 0 unknown
	ip     string // "" where it has none
	direct bool   // ip can be reached from here
	began  time.Time
	sensor func(arch string) (io.ReadCloser, int64, error)
	relay  relay

	stop context.CancelFunc // ends watch
	done chan struct{}
	exit engine.ExitStatus // valid after done

	close    sync.Once
	closeErr error
}

var _ engine.Container = (*Container)(nil)

// inspect learns where the container is.
func (c *Container) inspect(ctx context.Context) error {
	var answer struct {
		State           struct{ Pid int }
		NetworkSettings struct {
			Networks map[string]struct{ IPAddress string }
		}
	}
	if err := c.api.call(ctx, "GET", "/containers/"+c.id+"/json", nil, &answer); err != nil {
		return err
	}
	c.pid = answer.State.Pid
	for _, n := range answer.NetworkSettings.Networks {
		c.ip = n.IPAddress
	}
	c.reach()
	return nil
}

// watch waits for the container to end and says so.
func (c *Container) watch(ctx context.Context) {
	defer close(c.done)
	c.exit = engine.ExitStatus{Code: 255}
	for try := range 5 {
		var answer struct{ StatusCode int }
		err := c.api.wait(ctx, c.id, &answer)
		if err == nil {
			c.exit = exitStatus(answer.StatusCode)
			break
		}
		if ctx.Err() != nil || hasStatus(err, http.StatusNotFound) {
			break
		}
		select { // the daemon may be on its way back
		case <-ctx.Done():
		case <-time.After(time.Duration(try+1) * time.Second):
		}
	}
	c.exit.After = c.lasted(ctx)
}

// exitStatus takes apart what the daemon says: a signal is 128 more.
func exitStatus(code int) engine.ExitStatus {
	s := engine.ExitStatus{Code: code}
	if code > 128 && code <= 128+64 {
		s.Signal = code - 128
	}
	return s
}

// wait has no bound but ctx.
func (c *client) wait(ctx context.Context, id string, out any) error {
	resp, err := c.do(ctx, http.MethodPost, "/containers/"+id+"/wait", nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return decode(resp.Body, out)
}

// lasted is how long the container ran, by the daemon's clock where it says.
func (c *Container) lasted(ctx context.Context) time.Duration {
	var answer struct {
		State struct{ StartedAt, FinishedAt time.Time }
	}
	s := &answer.State
	if err := c.api.call(ctx, "GET", "/containers/"+c.id+"/json", nil, &answer); err == nil && s.FinishedAt.After(s.StartedAt) {
		return s.FinishedAt.Sub(s.StartedAt)
	}
	return time.Since(c.began)
}

// Done is closed when the container has ended. When recorded, its first
// program is the sensor, which ends last.
func (c *Container) Done() <-chan struct{} { return c.done }

// Exit says how it ended. The daemon gives one number, so that a program
// that exits with 137 looks like one that SIGKILL ended.
func (c *Container) Exit() engine.ExitStatus {
	<-c.done
	return c.exit
}

// Signal sends a signal to the first program (recorded: by way of the
// sensor). It is no error that the container has ended already.
//
// SIGKILL would end the sensor too, and what it has not written yet would be
// lost; so all but the sensor are killed.
func (c *Container) Signal(ctx context.Context, sig int) error {
	if sig == sigKill && c.spec.Sensor != nil {
		if _, err := c.runRelay(ctx, c.id, relayKill); err == nil {
			return nil
		}
	}
	err := c.api.call(ctx, "POST", "/containers/"+c.id+"/kill?signal="+strconv.Itoa(sig), nil, nil)
	if err != nil && c.hasEnded(ctx) {
		return nil
	}
	return err
}

// hasEnded asks the daemon, which may know it before watch does.
func (c *Container) hasEnded(ctx context.Context) bool {
	var answer struct{ State struct{ Running bool } }
	err := c.api.call(ctx, "GET", "/containers/"+c.id+"/json", nil, &answer)
	return err == nil && !answer.State.Running
}

// Logs follows stdout and stderr, woven together as the daemon got them.
func (c *Container) Logs(ctx context.Context) (io.ReadCloser, error) {
	resp, err := c.api.do(ctx, http.MethodGet, "/containers/"+c.id+"/logs?follow=1&stdout=1&stderr=1", nil, nil)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		defer resp.Body.Close()
		w.CloseWithError(demux(resp.Body, w, w))
	}()
	return &logs{r, resp.Body}, nil
}

// logs ends the request when it is closed.
type logs struct {
	*io.PipeReader
	body io.Closer
}

func (l *logs) Close() error {
	return errors.Join(l.PipeReader.Close(), l.body.Close())
}

// Close ends what still runs and removes containers, volumes, network and
// loaded image. It takes a minute at most.
func (c *Container) Close() error {
	c.close.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		defer cancel()
		c.closeErr = c.remove(ctx)
		if c.stop != nil {
			c.stop()
		}
		<-c.done
	})
	return c.closeErr
}

// remove goes by the owner's label: an answer that never came may have made
// something too.
func (c *Container) remove(ctx context.Context) error {
	ours := func(owner string) bool { return owner == c.owner }
	c.relay.close()
	errs := []error{c.api.removeContainers(ctx, ours), c.api.removeNetworks(ctx, ours)}
	if c.tag != "" {
		errs = append(errs, c.api.removeImage(ctx, c.tag))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing what was made for the container: %w; the next start tries again once this program has ended", err)
	}
	return nil
}
