package docker

import "io"

type relay struct {
	open func(string) (io.ReadCloser, int64, error)
}

func (r *relay) close() {}
