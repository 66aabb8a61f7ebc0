package docker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/pare-image/pare/slim/record/engine"
)

// reach decides how ports of the container are reached: directly where its
// processes run on this machine, as users of this network.
func (c *Container) reach() {
	c.direct = false
	if c.processIsHere() && !c.daemon.has("rootless") {
		c.direct = c.spec.Network == engine.Host || sharesNetwork(c.ip)
	}
}

// processIsHere says that pid, which the daemon named, is a process of the
// container in this machine's (and this pid namespace's) /proc: its control
// group has the container's name.
func (c *Container) processIsHere() bool {
	if c.pid <= 0 || !c.api.isLocal() {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.pid))
	return err == nil && bytes.Contains(b, []byte(c.id))
}

// sharesNetwork says that this machine is on the network of ip: the daemon's
// bridge is one of its interfaces.
func sharesNetwork(ip string) bool {
	a := net.ParseIP(ip)
	if a == nil {
		return false
	}
	addresses, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(addresses, func(x net.Addr) bool {
		n, ok := x.(*net.IPNet)
		return ok && n.Contains(a) && !n.IP.IsLoopback()
	})
}

// Addr is the container's address where this machine can reach it. Else it is
// a loopback address at which Host listens and hands through.
func (c *Container) Addr() string {
	switch {
	case c.direct && c.spec.Network == engine.Host:
		return "127.0.0.1"
	case c.direct:
		return c.ip
	case runtime.GOOS == "linux": // where all of 127.0.0.0/8 is there
		sum := sha256.Sum256([]byte(c.owner))
		return fmt.Sprintf("127.%d.%d.%d", 1+sum[0]%254, sum[1], 1+sum[2]%254)
	}
	return "127.0.0.1"
}

// Dial connects to a port: at the container's address, or from inside its
// network where that cannot be reached, or where what listens does so on
// 127.0.0.1 only.
func (c *Container) Dial(ctx context.Context, port int) (net.Conn, error) {
	conn, err := c.dial(ctx, port)
	if err != nil {
		return nil, fmt.Errorf("connecting to port %d of the container: %w", port, err)
	}
	return conn, nil
}

func (c *Container) dial(ctx context.Context, port int) (net.Conn, error) {
	if !c.direct {
		return c.dialRelayed(ctx, port)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(c.Addr(), strconv.Itoa(port)))
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return conn, err
	}
	sockets, serr := c.sockets()
	if serr == nil && slices.ContainsFunc(sockets, func(s socket) bool { return s.port == port && s.loopback }) {
		return c.dialRelayed(ctx, port)
	}
	return nil, err
}

// Listening lists TCP ports that something listens on.
func (c *Container) Listening(ctx context.Context) ([]int, error) {
	out, err := c.listening(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the ports that the container listens on: %w", err)
	}
	return out, nil
}

func (c *Container) listening(ctx context.Context) ([]int, error) {
	select {
	case <-c.done:
		return nil, nil
	default:
	}
	if c.processIsHere() {
		sockets, err := c.sockets()
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil // ended just now
		}
		return ports(sockets), err
	}
	text, err := c.relayed(ctx, relayListening)
	if err != nil {
		return nil, err
	}
	var out []int
	for field := range strings.FieldsSeq(string(text)) {
		port, err := strconv.ParseUint(field, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("what was started beside the container says %q", field)
		}
		out = append(out, int(port))
	}
	return out, nil
}

// sockets are those of the container's network, as this machine's kernel has
// them.
func (c *Container) sockets() ([]socket, error) {
	return listeningIn(filepath.Join("/proc", strconv.Itoa(c.pid), "net"))
}

// Host runs cmd, a command of this machine, until it ends or ctx is done.
// Where the container's address cannot be reached from here, the ports that
// it listens on are meanwhile handed through at Addr.
func (c *Container) Host(ctx context.Context, cmd *exec.Cmd) error {
	if !c.direct {
		stop, err := c.forward(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { cmd.Process.Kill() })()
	return errors.Join(cmd.Wait(), context.Cause(ctx))
}
