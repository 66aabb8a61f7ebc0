package docker

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"

	"github.com/pare-image/pare/slim/record/engine"
)

// sharesNetwork says that this machine is on the network of ip: the daemon's
// bridge is one of its interfaces.
func sharesNetwork(ip string) bool {
	a := net.ParseIP(ip)
	if a == nil {
		return false
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, x := range addresses {
		if n, ok := x.(*net.IPNet); ok && n.Contains(a) && !n.IP.IsLoopback() {
			return true
		}
	}
	return false
}

// Addr is the container's address; with the host's network, 127.0.0.1.
func (c *Container) Addr() string {
	if c.spec.Network == engine.Host || c.ip == "" {
		return "127.0.0.1"
	}
	return c.ip
}

// Dial connects to a port.
func (c *Container) Dial(ctx context.Context, port int) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(c.Addr(), strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("connecting to port %d of the container: %w", port, err)
	}
	return conn, nil
}

// Host runs cmd.
func (c *Container) Host(_ context.Context, cmd *exec.Cmd) error { return cmd.Run() }
