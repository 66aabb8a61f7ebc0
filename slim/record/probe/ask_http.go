package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// reply is an answer with what a crawl reads of it.
type reply struct {
	answer   profile.Answer
	location string
	body     []byte // the first bytes
}

// askHTTP asks on a connection of its own, follows no redirect, keeps no
// cookie and lets nothing be compressed that the question does not ask for.
func askHTTP(ctx context.Context, t Target, p profile.Probe, o Options, keep int) reply {
	req, err := request(ctx, p, o)
	if err != nil {
		return reply{answer: profile.Answer{Error: err.Error()}}
	}
	conn, err := t.Dial(ctx, p.Port)
	if err != nil {
		return reply{answer: failed(ctx, err, o.timeout())}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	transport := transportOn(conn, req.URL.Hostname())
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return reply{answer: failed(ctx, err, o.timeout())}
	}
	defer resp.Body.Close()
	r := reply{location: resp.Header.Get("Location")}
	r.answer.Status = resp.StatusCode
	r.answer.ContentType = contentType(resp.Header.Get("Content-Type"))
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return r // what follows is a conversation, not a body
	}
	body := newTaken(o.maxBody(), keep)
	n, err := io.Copy(body, io.LimitReader(resp.Body, o.maxBody()+1))
	r.body = body.body
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		r.answer.Volatile = []string{fieldDigest, fieldSize}
	case err != nil:
		return reply{answer: failed(ctx, err, o.timeout())}
	default:
		body.into(&r.answer, n > o.maxBody())
	}
	return r
}

// request builds what is sent. The path goes out as it was written.
func request(ctx context.Context, p profile.Probe, o Options) (*http.Request, error) {
	if p.Port == 0 {
		return nil, errors.New("the probe has no port yet")
	}
	u, err := url.ParseRequestURI(p.Path)
	if err != nil || !strings.HasPrefix(p.Path, "/") {
		return nil, fmt.Errorf("the path %s cannot be sent", shown(p.Path))
	}
	u.Scheme, u.Host = scheme(p), hostHeader(p)
	if u.Hostname() == "" {
		return nil, fmt.Errorf("the host name %s cannot be sent", shown(p.Host))
	}
	if !isToken(p.Method) {
		return nil, fmt.Errorf("the method %s cannot be sent", shown(p.Method))
	}
	req := &http.Request{
		Method: p.Method, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": {"pare"}, "Accept": {"*/*"}},
	}
	if len(p.Body) > 0 {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(p.Body)), int64(len(p.Body))
	} else if p.Method != "GET" && p.Method != "HEAD" {
		req.Body = http.NoBody
	}
	given := http.Header{}
	for _, h := range p.Header {
		name, value, err := resolveHeader(h, o.getenv)
		if err != nil {
			return nil, err
		}
		given.Add(name, value)
	}
	maps.Copy(req.Header, given)
	return req.WithContext(ctx), nil
}

func scheme(p profile.Probe) string {
	if p.TLS {
		return "https"
	}
	return "http"
}

// hostHeader is the probe's host with its port, as browsers send it.
func hostHeader(p profile.Probe) string {
	host := p.Host
	if host == "" {
		host = "localhost"
	}
	if _, _, err := net.SplitHostPort(host); err == nil || !p.TLS && p.Port == 80 || p.TLS && p.Port == 443 {
		return host
	}
	return host + ":" + strconv.Itoa(p.Port)
}

// transportOn makes one request over conn.
func transportOn(conn net.Conn, name string) *http.Transport {
	once := make(chan net.Conn, 1)
	once <- conn
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true) // over TLS, where the server wants it
	return &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			select {
			case c := <-once:
				return c, nil
			default:
				return nil, errors.New("the question was to be sent a second time")
			}
		},
		// The certificate is the workload's own business: what is asked for is
		// whether it still answers as it did.
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true, ServerName: name, MinVersion: tls.VersionTLS10},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 1 << 20,
		Protocols:              &protocols,
	}
}

// contentType is a media type in one spelling: lower case, parameters sorted,
// without a boundary, which is made anew each time.
func contentType(s string) string {
	t, params, err := mime.ParseMediaType(s)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return shown(strings.ToLower(strings.TrimSpace(s)))
	}
	delete(params, "boundary")
	if c, ok := params["charset"]; ok {
		params["charset"] = strings.ToLower(c)
	}
	if f := mime.FormatMediaType(t, params); f != "" {
		t = f
	}
	return shown(t)
}
