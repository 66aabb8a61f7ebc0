package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// errStalled says that a connection carried no byte for too long.
var errStalled = errors.New("the connection stalled")

// stall gives up on a request whose connection has gone quiet: while its body
// is sent, while the answer is waited for, while that is read. Time that our
// own side takes, to produce or to use the bytes, does not count.
type stall struct {
	timing timing
	next   http.RoundTripper
}

func (s *stall) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	w := newWatch(cancel)
	watched := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		watched.Body = &sentBody{ReadCloser: req.Body, w: w, timing: s.timing}
	}
	w.expect(s.timing.stall)
	resp, err := s.next.RoundTrip(watched)
	w.pause()
	if err != nil {
		cancel(nil)
		return nil, w.explain(err)
	}
	resp.Body = &receivedBody{ReadCloser: resp.Body, w: w, limit: s.timing.stall, cancel: cancel}
	return resp, nil
}

// watch cancels a request when what it expects does not come in time.
type watch struct {
	timer *time.Timer
	fired atomic.Bool
	limit atomic.Int64
}

func newWatch(cancel context.CancelCauseFunc) *watch {
	w := &watch{}
	w.timer = time.AfterFunc(time.Hour, func() {
		w.fired.Store(true)
		cancel(errStalled)
	})
	w.timer.Stop()
	return w
}

func (w *watch) expect(d time.Duration) {
	w.limit.Store(int64(d))
	w.timer.Reset(d)
}

func (w *watch) pause() { w.timer.Stop() }

// explain says that an error is the watch's doing.
func (w *watch) explain(err error) error {
	if w.fired.Load() {
		return fmt.Errorf("%w: nothing for %v", errStalled, time.Duration(w.limit.Load()))
	}
	return err
}

// sentBody is read by the connection when it can take more.
type sentBody struct {
	io.ReadCloser
	w      *watch
	timing timing
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.w.pause()
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.w.expect(b.timing.answer) // the registry may have to digest it all
	} else {
		b.w.expect(b.timing.stall)
	}
	return n, err
}

type receivedBody struct {
	io.ReadCloser
	w      *watch
	limit  time.Duration
	cancel context.CancelCauseFunc
}

func (b *receivedBody) Read(p []byte) (int, error) {
	b.w.expect(b.limit)
	n, err := b.ReadCloser.Read(p)
	b.w.pause()
	if err != nil && err != io.EOF {
		err = b.w.explain(err)
	}
	return n, err
}

func (b *receivedBody) Close() error {
	b.w.pause()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
