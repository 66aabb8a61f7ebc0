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

// forward listens at Addr on every port that the container listens on now,
// and hands connections through until stop is called.
func (c *Container) forward(ctx context.Context) (stop func(), err error) {
	ports, err := c.Listening(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	var listeners []net.Listener
	stop = func() {
		cancel()
		for _, l := range listeners {
			l.Close()
		}
		all.Wait()
	}
	for _, port := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort(c.Addr(), strconv.Itoa(port)))
		if err != nil {
			stop()
			return nil, fmt.Errorf("handing port %d of the container through: %w; as root, or with a daemon of this machine, it can be reached", port, err)
		}
		listeners = append(listeners, l)
		all.Go(func() { c.serve(ctx, l, port) })
	}
	return stop, nil
}

// serve ends when l is closed.
func (c *Container) serve(ctx context.Context, l net.Listener, port int) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		from, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		all.Go(func() {
			defer from.Close()
			to, err := c.Dial(ctx, port)
			if err != nil {
				return // the caller sees a connection that ends
			}
			defer to.Close()
			defer context.AfterFunc(ctx, func() { from.Close(); to.Close() })()
			var back sync.WaitGroup
			back.Go(func() { pour(from, to) })
			pour(to, from)
			back.Wait()
		})
	}
}

// pour copies one direction and hands its end on.
func pour(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
