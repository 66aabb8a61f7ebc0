package builtin

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
)

// maxLog is how much of a container's output is kept, in bytes. The rest is
// read, so that nobody blocks, and dropped.
const maxLog = 256 << 20

// spool keeps a container's output in a file without a name.
type spool struct {
	pipe *os.File // where the output comes from
	file *os.File

	mu      sync.Mutex
	size    int64
	ended   bool
	changed chan struct{} // closed, and made anew, at each change
	pumped  chan struct{}
}

// newSpool returns a spool and the end that the container writes to.
func newSpool() (*spool, *os.File, error) {
	file, err := os.CreateTemp("", "pare-log-")
	if err != nil {
		return nil, nil, fmt.Errorf("making a file for the container's output: %w", err)
	}
	os.Remove(file.Name())
	r, w, err := os.Pipe()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	s := &spool{pipe: r, file: file, changed: make(chan struct{}), pumped: make(chan struct{})}
	go s.pump()
	return s, w, nil
}

func (s *spool) pump() {
	defer close(s.pumped)
	buf := make([]byte, 32<<10)
	for {
		n, err := s.pipe.Read(buf)
		s.add(buf[:n], err != nil)
		if err != nil {
			return
		}
	}
}

func (s *spool) add(b []byte, end bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ := s.file.WriteAt(b[:min(int64(len(b)), maxLog-s.size)], s.size)
	s.size += int64(n)
	s.ended = s.ended || end
	close(s.changed)
	s.changed = make(chan struct{})
}

// close ends the spool: what was still to come is lost. Open readers read on.
func (s *spool) close() {
	s.pipe.Close()
	<-s.pumped
}

// open returns a reader of everything from the start, which waits for more
// until the end, or until ctx is done. It works after close.
func (s *spool) open(ctx context.Context) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	return &logReader{s: s, ctx: ctx, cancel: cancel}
}

type logReader struct {
	s      *spool
	off    int64
	ctx    context.Context // of the reader's life, as an io.Reader has no other place
	cancel context.CancelFunc
}

func (r *logReader) Read(p []byte) (int, error) {
	for {
		r.s.mu.Lock()
		size, ended, changed := r.s.size, r.s.ended, r.s.changed
		r.s.mu.Unlock()
		if r.off < size {
			n, err := r.s.file.ReadAt(p[:min(int64(len(p)), size-r.off)], r.off)
			r.off += int64(n)
			return n, err
		}
		if ended {
			return 0, io.EOF
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
}

func (r *logReader) Close() error {
	r.cancel()
	return nil
}
