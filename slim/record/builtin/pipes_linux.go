package builtin

import (
	"context"
	"io"
	"os"
	"sync"
)

// withPipes asks for a command whose stdin, stdout and stderr are these; a
// nil stdin is empty. It returns when the command has ended and its output
// is read: what it left running may keep that open, until ctx ends.
func (c *container) withPipes(ctx context.Context, q request, stdin io.Reader, stdout, stderr io.Writer) (reply, error) {
	in, feed, err := inputPipe(stdin)
	if err != nil {
		return reply{}, err
	}
	defer in.Close()
	defer feed()
	files := []*os.File{in}
	var copies sync.WaitGroup
	var readers []*os.File
	for _, w := range []io.Writer{stdout, stderr} {
		r, end, err := os.Pipe()
		if err != nil {
			closeAll(readers)
			closeAll(files[1:])
			return reply{}, err
		}
		readers, files = append(readers, r), append(files, end)
		copies.Go(func() { io.Copy(w, r) })
	}
	rep, err := c.simple(ctx, q, files...)
	closeAll(files[1:])
	stop := context.AfterFunc(ctx, func() { closeAll(readers) })
	copies.Wait()
	if stop() {
		closeAll(readers)
	}
	return rep, err
}

// inputPipe is a file to read r from; feed ends what feeds it.
func inputPipe(r io.Reader) (in *os.File, feed func(), err error) {
	if r == nil {
		in, err = os.Open(os.DevNull)
		return in, func() {}, err
	}
	in, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	go func() {
		io.Copy(w, r)
		w.Close()
	}()
	return in, func() { w.Close() }, nil
}
