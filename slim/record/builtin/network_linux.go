package builtin

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// loopbackUp raises lo in this process's network namespace; addresses come by
// themselves (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raising the loopback: %w", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("raising the loopback: %w", err)
	}
	return nil
}

// dialPatience bounds a connection over the loopback.
const dialPatience = 10 * time.Second

// dial connects to a port, over IPv4 and where that is refused over IPv6, and
// hands the socket over.
func (s *stage) dial(conn *net.UnixConn, port int) {
	f, err := dialLoopback(port)
	if err != nil {
		if sendFiles(conn) == nil {
			gob.NewEncoder(conn).Encode(reply{Err: err.Error()})
		}
		return
	}
	defer f.Close()
	if sendFiles(conn, f) == nil {
		gob.NewEncoder(conn).Encode(reply{})
	}
}

func dialLoopback(port int) (*os.File, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialPatience)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		var err6 error
		if c, err6 = d.DialContext(ctx, "tcp6", net.JoinHostPort("::1", strconv.Itoa(port))); err6 != nil {
			return nil, err // the first one says it
		}
	}
	defer c.Close()
	t, ok := c.(*net.TCPConn)
	if !ok {
		return nil, errors.New("dialing: no TCP connection")
	}
	return t.File()
}

// listening says which ports are listened on. On the host's network those that
// were before the container are not its own.
func (s *stage) listening() reply {
	now, err := listeners()
	if err != nil {
		return failed(fmt.Errorf("looking for listening ports: %w", err))
	}
	var r reply
	for inode, port := range now {
		if _, old := s.before[inode]; !old {
			r.Ports = append(r.Ports, port)
		}
	}
	slices.Sort(r.Ports)
	r.Ports = slices.Compact(r.Ports)
	return r
}

// listeners reads proc_net(5)'s tcp and tcp6 of this process's network: ports
// by the inodes of their sockets.
func listeners() (map[string]int, error) {
	out := map[string]int{}
	for _, name := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		raw, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, err
		}
		parseListeners(string(raw), out)
	}
	return out, nil
}

// parseListeners takes a table's lines in state LISTEN (0A).
func parseListeners(table string, out map[string]int) {
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) < 10 || words[3] != "0A" {
			continue
		}
		_, hex, ok := strings.Cut(words[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if ok && err == nil {
			out[words[9]] = int(port)
		}
	}
}
