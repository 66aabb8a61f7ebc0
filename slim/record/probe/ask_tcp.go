package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// askTCP connects, sends the probe's body, and reads until the server closes,
// goes quiet, or has said MaxBody bytes. A server that was sent something has
// the whole time for its first byte; where nothing was sent, a banner has to
// come before the first quiet is over.
func askTCP(ctx context.Context, t Target, p profile.Probe, o Options) profile.Answer {
	conn, err := t.Dial(ctx, p.Port)
	if err != nil {
		return failed(ctx, err, o.timeout())
	}
	defer conn.Close()
	chunks, stop := read(conn)
	defer stop()
	said := newTaken(o.maxBody(), 0)
	quiet := time.NewTimer(o.quiet())
	defer quiet.Stop()
	if len(p.Body) > 0 {
		quiet.Reset(o.timeout())
		// Its failure shows in what is read; closing the connection ends it.
		go conn.Write(p.Body)
	}
	var a profile.Answer
	for {
		select {
		case c := <-chunks:
			said.Write(c.bytes)
			switch full := said.size == said.max; {
			case c.err != nil && said.size == 0 && !errors.Is(c.err, io.EOF):
				return failed(ctx, c.err, o.timeout())
			case c.err != nil || full:
				said.into(&a, full)
				return a
			}
			quiet.Reset(o.quiet())
		case <-quiet.C:
			said.into(&a, false)
			return a
		case <-ctx.Done():
			return unfinished(ctx, said, o)
		}
	}
}

// unfinished is the answer when the time was over: silence is an answer,
// something that did not end is one that cannot be compared.
func unfinished(ctx context.Context, said *taken, o Options) profile.Answer {
	var a profile.Answer
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return failed(ctx, ctx.Err(), o.timeout())
	case said.size == 0:
		said.into(&a, false)
	default:
		a.Volatile = []string{fieldDigest, fieldSize}
	}
	return a
}

type chunk struct {
	bytes []byte
	err   error
}

// read hands on what arrives until an error; stop, and closing the
// connection, end it.
func read(r net.Conn) (chunks <-chan chunk, stop func()) {
	out, done := make(chan chunk), make(chan struct{})
	go func() {
		for {
			b := make([]byte, 32<<10)
			n, err := r.Read(b)
			select {
			case out <- chunk{b[:n], err}:
			case <-done:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return out, func() { close(done) }
}
