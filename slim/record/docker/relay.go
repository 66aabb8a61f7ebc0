package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// The verbs of Relay.
const (
	relayWait      = "wait"
	relayDial      = "dial"
	relayListening = "listening"
	relayKill      = "kill"
)

// connected is what a relay says before the first byte of a connection.
const connected = '+'

// Relay is what pare does inside a container for the pare outside, over its
// standard streams (the hidden command "pare sensor relay"):
//
//	wait       waits until stdin ends; the first program of a container that
//	           others run in
//	dial PORT  connects to a port of this network and hands through
//	listening  prints the ports that something listens on, one a line
//	kill       kills every process but the first
func Relay(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	verb := slices.Concat(args, []string{""})[0]
	switch {
	case verb == relayWait && len(args) == 1:
		_, err := io.Copy(io.Discard, stdin)
		return err
	case verb == relayDial && len(args) == 2:
		return relayConnection(ctx, args[1], stdin, stdout)
	case verb == relayListening && len(args) == 1:
		sockets, err := listeningIn("/proc/self/net")
		for _, port := range ports(sockets) {
			fmt.Fprintln(stdout, port)
		}
		return err
	case verb == relayKill && len(args) == 1:
		return killOthers()
	}
	return fmt.Errorf("unknown request %q; pare sensor relay is for pare itself", args)
}

// relayConnection connects to the first address that takes the port: what
// listens may have chosen any.
func relayConnection(ctx context.Context, port string, stdin io.Reader, stdout io.Writer) error {
	conn, err := dialAny(ctx, port)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := stdout.Write([]byte{connected}); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(conn, stdin)
		if half, ok := conn.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err = io.Copy(stdout, conn)
	return err
}

func dialAny(ctx context.Context, port string) (net.Conn, error) {
	hosts := []string{"127.0.0.1", "::1"}
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			hosts = append(hosts, n.IP.String())
		}
	}
	var errs []error
	for _, host := range hosts {
		d := net.Dialer{Timeout: 10 * time.Second}
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}
