package docker

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// socket is a TCP socket that listens.
type socket struct {
	port     int
	loopback bool // on 127.0.0.0/8 or ::1 only
}

// listeningIn reads tcp and tcp6 of a directory such as /proc/self/net. One
// of the two may be missing.
func listeningIn(dir string) ([]socket, error) {
	var out []socket
	_, err := os.Stat(dir)
	for _, name := range []string{"tcp", "tcp6"} {
		f, ferr := os.Open(filepath.Join(dir, name))
		if os.IsNotExist(ferr) {
			continue
		}
		if ferr != nil {
			return nil, ferr
		}
		more, ferr := parseSockets(io.LimitReader(f, 64<<20))
		f.Close()
		if ferr != nil {
			return nil, fmt.Errorf("reading %s: %w", f.Name(), ferr)
		}
		out = append(out, more...)
	}
	return out, err
}

// stateListen is TCP_LISTEN, as /proc/net/tcp has it. (proc_pid_net(5))
const stateListen = "0A"

// Docker's own name server is in every network but the default one, at
// 127.0.0.11; little and big endian.
const dockerDNS, dockerDNSBig = "0B00007F", "7F00000B"

// parseSockets reads lines of "N: LOCAL REMOTE STATE …", addresses as
// HEX:PORT in the machine's byte order by groups of four bytes.
func parseSockets(r io.Reader) ([]socket, error) {
	var out []socket
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || f[3] != stateListen {
			continue
		}
		address, text, ok := strings.Cut(f[1], ":")
		port, err := strconv.ParseUint(text, 16, 16)
		if !ok || err != nil {
			return nil, fmt.Errorf("the address %q is none", f[1])
		}
		if address == dockerDNS || address == dockerDNSBig {
			continue
		}
		out = append(out, socket{int(port), isLoopback(address)})
	}
	return out, lines.Err()
}

// isLoopback knows 127.x.x.x, also in an IPv6 address, and ::1, in either
// byte order.
func isLoopback(address string) bool {
	b, err := hex.DecodeString(address)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return false
	}
	last := b[len(b)-4:]
	rest := slices.ContainsFunc(b[:len(b)-4], func(x byte) bool { return x != 0 })
	switch {
	case len(b) == 4:
		return last[0] == 127 || last[3] == 127
	case !rest:
		return slices.Equal(last, []byte{0, 0, 0, 1}) || slices.Equal(last, []byte{1, 0, 0, 0})
	}
	mapped := slices.Equal(b[:12], []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0}) || slices.Equal(b[:12], []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})
	return mapped && (last[0] == 127 || last[3] == 127)
}

// ports are those of sockets, sorted.
func ports(sockets []socket) []int {
	var out []int
	for _, s := range sockets {
		out = append(out, s.port)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
