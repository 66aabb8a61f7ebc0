//go:build !unix

package docker

import (
	"errors"
	"net"
)

func socketPair() (a, b net.Conn, err error) { return nil, nil, errors.ErrUnsupported }

func killOthers() error { return errors.ErrUnsupported }
