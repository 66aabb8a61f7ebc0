package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
)

// dnsZone is what the tests' name server knows: names that end so have the
// server's own address, everything else does not exist.
const dnsZone = ".pare.test"

var (
	dnsMu      sync.Mutex
	dnsServers = map[string]bool{}
)

// serveDNS starts the tests' name server on an address of the host, for
// containers run with --dns; the second call finds it running, perhaps in the
// test that has started this one as a command of pare record.
func serveDNS(addr string) error {
	dnsMu.Lock()
	defer dnsMu.Unlock()
	if dnsServers[addr] {
		return nil
	}
	conn, err := net.ListenPacket("udp", net.JoinHostPort(addr, "53"))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("starting the name server for containers: %w", err)
	}
	dnsServers[addr] = true
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := dnsReply(buf[:n], net.ParseIP(addr).To4()); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return nil
}

// dnsReply answers a query of one question (RFC 1035, section 4.1); nil when
// it is none.
func dnsReply(q []byte, ip net.IP) []byte {
	const header = 12
	if len(q) < header || binary.BigEndian.Uint16(q[4:]) != 1 || q[2]&0x80 != 0 {
		return nil
	}
	var labels []string
	i := header
	for i < len(q) && q[i] != 0 {
		n := int(q[i])
		if n > 63 || i+1+n > len(q) {
			return nil
		}
		labels = append(labels, string(q[i+1:i+1+n]))
		i += 1 + n
	}
	end := i + 5 // the root label, type, class
	if end > len(q) {
		return nil
	}
	known := strings.HasSuffix("."+strings.ToLower(strings.Join(labels, ".")), dnsZone)
	r := append([]byte{}, q[:end]...)
	r[2], r[3] = 0x84|q[2]&0x01, 0x80    // a reply with authority; recursion as asked
	binary.BigEndian.PutUint16(r[6:], 0) // answers
	binary.BigEndian.PutUint32(r[8:], 0) // nothing else
	switch qtype := binary.BigEndian.Uint16(q[end-4:]); {
	case !known:
		r[3] |= 3 // NXDOMAIN
	case qtype == 1: // A
		binary.BigEndian.PutUint16(r[6:], 1)
		r = append(r, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		r = append(r, ip...)
	}
	return r
}
