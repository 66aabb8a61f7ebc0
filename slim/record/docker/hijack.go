package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// stream is a connection that the daemon has handed over to a command's
// standard streams.
type stream struct {
	io.ReadWriteCloser
	stop func() bool
}

// hijack posts in and takes the connection over; it is closed when ctx is
// done. (Docker Engine API, "ContainerAttach": Upgrade: tcp.)
func (c *client) hijack(ctx context.Context, path string, in any) (*stream, error) {
	var b []byte
	if in != nil {
		var err error
		if b, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	header := http.Header{"Content-Type": {"application/json"}, "Connection": {"Upgrade"}, "Upgrade": {"tcp"}}
	resp, err := c.do(ctx, http.MethodPost, path, header, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	rwc, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		resp.Body.Close()
		return nil, fmt.Errorf("the Docker Engine at %s did not hand over the connection for %s (status %d); a proxy between may not let upgrades through", c.host, path, resp.StatusCode)
	}
	return &stream{rwc, context.AfterFunc(ctx, func() { rwc.Close() })}, nil
}

// CloseWrite ends the command's standard input.
func (s *stream) CloseWrite() error {
	if half, ok := s.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (s *stream) Close() error {
	s.stop()
	return s.ReadWriteCloser.Close()
}
