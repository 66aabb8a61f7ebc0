package registry

import (
	"fmt"
	"net"
	"net/http"
)

// guard holds what must never go out: credentials to a host that a redirect
// names, and anything in plain http to a host for which nobody asked for it.
// (remote falls back to http for every private address.)
type guard struct {
	insecure           []string
	verified, trusting http.RoundTripper
}

// PlainHTTPError says that a registry does not speak https, and that plain
// http was not asked for.
type PlainHTTPError struct{ Host string }

func (e *PlainHTTPError) Error() string {
	return fmt.Sprintf("plain http to %s is refused", e.Host)
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	host := req.URL.Host
	insecure := insecureHost(g.insecure, host)
	from := redirectedFrom(req)
	if from != nil && from.URL.Host != host && req.Header.Get("Authorization") != "" {
		req = req.Clone(req.Context())
		req.Header.Del("Authorization")
	}
	if req.URL.Scheme == "http" && from == nil && !insecure && !loopback(req.URL.Hostname()) {
		closeBody(req)
		return nil, &PlainHTTPError{Host: host}
	}
	if insecure {
		return g.trusting.RoundTrip(req)
	}
	return g.verified.RoundTrip(req)
}

// redirectedFrom is the request whose answer named this one; nil for the first.
func redirectedFrom(req *http.Request) *http.Request {
	if req.Response == nil {
		return nil
	}
	return req.Response.Request
}

// firstRequest is where a chain of redirects began.
func firstRequest(req *http.Request) *http.Request {
	for from := redirectedFrom(req); from != nil; from = redirectedFrom(req) {
		req = from
	}
	return req
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// closeBody does what a RoundTripper owes for a request that it does not send.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
