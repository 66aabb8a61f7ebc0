package layers

import (
	"context"
	"hash"
	"io"
)

const (
	// blockSize and pumpDepth bound what is in flight between two stages:
	// about 1 MiB each, enough to ride out a slow block on either side.
	blockSize = 256 << 10
	pumpDepth = 3
)

// pump reads its source on a goroutine of its own, so that the stages before
// and after it run at the same time. Blocks are recycled.
type pump struct {
	full chan []byte
	free chan []byte
	done chan struct{}
	err  error // valid once full is closed
	cur  []byte
	rest []byte
}

func newPump(ctx context.Context, r io.Reader) *pump {
	p := &pump{full: make(chan []byte, pumpDepth), free: make(chan []byte, pumpDepth+2), done: make(chan struct{})}
	for range pumpDepth + 2 {
		p.free <- nil
	}
	go func() {
		defer close(p.done)
		defer close(p.full)
		p.err = p.run(ctx, r)
	}()
	return p
}

func (p *pump) run(ctx context.Context, r io.Reader) error {
	for {
		var block []byte
		select {
		case <-ctx.Done():
			return ctx.Err()
		case block = <-p.free:
		}
		if block == nil {
			block = make([]byte, blockSize)
		}
		n, err := fill(r, block[:blockSize])
		if n > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case p.full <- block[:n]:
			}
		}
		if err != nil {
			return err
		}
	}
}

// maxEmptyReads is how often a source may say neither bytes nor error.
const maxEmptyReads = 100

// fill is io.ReadFull without its rewriting of io.EOF.
func fill(r io.Reader, b []byte) (n int, err error) {
	for empty := 0; n < len(b) && err == nil; {
		var m int
		m, err = r.Read(b[n:])
		if empty++; m > 0 {
			empty = 0
		}
		if n += m; empty > maxEmptyReads {
			return n, io.ErrNoProgress
		}
	}
	return n, err
}

// Read implements io.Reader for the next stage.
func (p *pump) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.cur != nil {
			p.free <- p.cur
			p.cur = nil
		}
		block, ok := <-p.full
		if !ok {
			return 0, p.err
		}
		p.cur, p.rest = block, block
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// wait returns when the goroutine is gone; its context must be done or its
// source at an end.
func (p *pump) wait() { <-p.done }

// meter hashes and shows what passes through it. An error of seen stays: a
// reader such as io.ReadFull drops one that comes with enough bytes.
type meter struct {
	r    io.Reader
	hash hash.Hash
	n    int64
	seen func(p []byte) error
	err  error
}

func (m *meter) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.r.Read(p)
	m.hash.Write(p[:n])
	m.n += int64(n)
	if n > 0 && m.seen != nil {
		if m.err = m.seen(p[:n]); m.err != nil {
			return n, m.err
		}
	}
	return n, err
}
