package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// pgConn speaks as much of PostgreSQL's protocol as the checks need: a
// password in the clear, and simple queries with text.
// https://www.postgresql.org/docs/15/protocol-flow.html
type pgConn struct {
	net.Conn
	in     *bufio.Reader
	notice []string // payloads of NOTIFY so far
}

// pgLogin is who connects, and how.
type pgLogin struct {
	user, password, database string
	tls                      bool
}

// pgError is the server's, in its language.
type pgError struct{ code, message string }

func (e *pgError) Error() string { return e.code + " " + e.message }

func pgDial(ctx context.Context, addr string, l pgLogin) (*pgConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if until, ok := ctx.Deadline(); ok {
		conn.SetDeadline(until)
	}
	if l.tls {
		if conn, err = pgTLS(ctx, conn); err != nil {
			return nil, err
		}
	}
	c := &pgConn{Conn: conn, in: bufio.NewReader(conn)}
	if err := c.login(l); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// pgTLS asks for TLS, as a client does before anything else. The name in the
// certificate is looked at, its signature is its own.
func pgTLS(ctx context.Context, conn net.Conn) (net.Conn, error) {
	answer := make([]byte, 1)
	_, err := conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47})
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err == nil && answer[0] != 'S' {
		err = fmt.Errorf("asked for TLS, the server says %q", answer)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		return s.PeerCertificates[0].VerifyHostname("db.example.com")
	}})
	return secure, secure.HandshakeContext(ctx)
}

func (c *pgConn) login(l pgLogin) error {
	hello := binary.BigEndian.AppendUint32(nil, 3<<16)
	for _, s := range []string{"user", l.user, "database", l.database, "client_encoding", "UTF8", ""} {
		hello = append(append(hello, s...), 0)
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(hello)+4))
	if _, err := c.Write(append(frame, hello...)); err != nil {
		return err
	}
	kind, body, err := c.read()
	if err == nil && kind == 'R' && bytes.Equal(body, []byte{0, 0, 0, 3}) { // AuthenticationCleartextPassword
		err = c.send('p', l.password)
	}
	if err == nil && kind == 'E' {
		return pgErrorOf(body)
	}
	if err != nil {
		return err
	}
	_, err = c.answer()
	return err
}

func (c *pgConn) send(kind byte, text string) error {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(text)+5))
	_, err := c.Write(append(append(b, text...), 0))
	return err
}

func (c *pgConn) read() (kind byte, body []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(c.in, head); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > 16<<20 {
		return 0, nil, fmt.Errorf("a message of %d bytes", n)
	}
	body = make([]byte, n-4)
	_, err = io.ReadFull(c.in, body)
	return head[0], body, err
}

// ask runs SQL and returns rows as lines, columns with "|" between.
func (c *pgConn) ask(sql string) (string, error) {
	if err := c.send('Q', sql); err != nil {
		return "", err
	}
	rows, err := c.answer()
	return strings.Join(rows, "\n"), err
}

// answer reads up to ReadyForQuery.
func (c *pgConn) answer() (rows []string, err error) {
	for {
		kind, body, rerr := c.read()
		if rerr != nil {
			return nil, errors.Join(err, rerr)
		}
		switch kind {
		case 'D':
			rows = append(rows, pgRow(body))
		case 'E':
			err = pgErrorOf(body)
		case 'A': // process, channel, payload
			c.notice = append(c.notice, pgStrings(body[4:])[1])
		case 'Z':
			return rows, err
		}
	}
}

func pgRow(body []byte) string {
	var out []string
	for at := body[2:]; len(at) >= 4; {
		n := int32(binary.BigEndian.Uint32(at))
		at = at[4:]
		if n < 0 {
			out = append(out, "NULL")
			continue
		}
		n = min(n, int32(len(at)))
		out = append(out, string(at[:n]))
		at = at[n:]
	}
	return strings.Join(out, "|")
}

func pgErrorOf(body []byte) error {
	e := &pgError{}
	for _, f := range pgStrings(body) {
		switch {
		case strings.HasPrefix(f, "C"):
			e.code = f[1:]
		case strings.HasPrefix(f, "M"):
			e.message = f[1:]
		}
	}
	return e
}

func pgStrings(b []byte) []string { return append(strings.Split(string(b), "\x00"), "", "") }
