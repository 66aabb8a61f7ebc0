package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
)

// relay is a container beside another one, in its network, for what can only
// be done there. It is started when first needed, and ends with the
// connection to its standard input.
type relay struct {
	mu    sync.Mutex
	id    string
	stdin *stream
}

// in returns the ID of the container beside c.
func (r *relay) in(ctx context.Context, c *Container) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.id != "" {
		return r.id, nil
	}
	if c.sensor == nil {
		return "", fmt.Errorf("the container's network cannot be reached from here: %w", ErrNoSensor)
	}
	id, s, err := c.startRelay(ctx)
	if err != nil {
		return "", fmt.Errorf("starting a container beside the first one, to reach its network: %w", err)
	}
	r.id, r.stdin = id, s
	return id, nil
}

func (r *relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stdin != nil {
		r.stdin.Close()
	}
}

// startRelay uses the image that the daemon has anyway; nothing of it runs.
func (c *Container) startRelay(ctx context.Context) (string, *stream, error) {
	id, err := c.api.create(ctx, creation{
		Image:      c.image,
		Entrypoint: []string{sensorFile, "sensor", "relay", relayWait},
		Cmd:        []string{}, User: "0:0", WorkingDir: "/",
		Labels:      map[string]string{ownerLabel: c.owner},
		Volumes:     map[string]struct{}{sensorDir: {}},
		Healthcheck: &healthcheck{[]string{"NONE"}},
		OpenStdin:   true, StdinOnce: true, AttachStdin: true,
		HostConfig: hostConfig{
			NetworkMode: "container:" + c.id, ReadonlyRootfs: true,
			CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"},
		},
	})
	if err != nil {
		return "", nil, err
	}
	if err := c.putPare(ctx, id, nil); err != nil {
		return "", nil, err
	}
	// The connection outlives the context of whoever needed it first.
	s, err := c.api.hijack(context.WithoutCancel(ctx), "/containers/"+id+"/attach?stream=1&stdin=1", nil)
	if err != nil {
		return "", nil, err
	}
	if err := c.api.make(ctx, "/containers/"+id+"/start", nil, nil); err != nil {
		s.Close()
		return "", nil, err
	}
	return id, s, nil
}

// relayed runs a verb beside the container and returns what it printed.
func (c *Container) relayed(ctx context.Context, verb string) ([]byte, error) {
	id, err := c.relay.in(ctx, c)
	if err != nil {
		return nil, err
	}
	return c.runRelay(ctx, id, verb)
}

func (c *Container) runRelay(ctx context.Context, container, verb string) ([]byte, error) {
	out, errOut := &head{room: maxOutput}, &head{room: 4096}
	e := execution{AttachStdout: true, AttachStderr: true, User: "0:0", Cmd: []string{sensorFile, "sensor", "relay", verb}}
	code, err := c.api.exec(ctx, container, e, nil, out, errOut)
	if err == nil && code != 0 {
		err = errors.New(printable(string(errOut.b)))
	}
	return out.b, err
}

// dialRelayed connects by way of a command beside the container. What it
// returns is one end of a socket pair: it has deadlines and can be closed for
// writing, as a TCP connection.
func (c *Container) dialRelayed(ctx context.Context, port int) (net.Conn, error) {
	id, err := c.relay.in(ctx, c)
	if err != nil {
		return nil, err
	}
	e := execution{AttachStdin: true, AttachStdout: true, AttachStderr: true, User: "0:0", Cmd: []string{sensorFile, "sensor", "relay", relayDial, strconv.Itoa(port)}}
	_, s, err := c.api.startExec(context.WithoutCancel(ctx), id, e)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	out, err := connectedOutput(s)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err == nil {
		var near net.Conn
		if near, err = handThrough(s, out); err == nil {
			return near, nil
		}
	}
	s.Close()
	return nil, err
}

// connectedOutput waits until the other end is connected and returns what
// comes from it.
func connectedOutput(s *stream) (io.Reader, error) {
	r, w := io.Pipe()
	problem := &head{room: 4096}
	go func() { w.CloseWithError(demux(s, w, problem)) }()
	var b [1]byte
	_, err := io.ReadFull(r, b[:])
	switch {
	case err == io.EOF: // stderr is whole too
		return nil, errors.New(printable(string(problem.b)))
	case err == nil && b[0] != connected:
		return nil, errors.New("what was started beside the container is no pare")
	}
	return r, err
}

// handThrough copies between s and a socket pair, whose other end it returns.
// s is closed when both directions have ended.
func handThrough(s *stream, out io.Reader) (net.Conn, error) {
	near, far, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("making a socket pair: %w", err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(s, far)
		_ = s.CloseWrite()
	}()
	go func() {
		_, _ = io.Copy(far, out)
		far.Close() // what is still sent goes nowhere
		<-sent
		s.Close()
	}()
	return near, nil
}
