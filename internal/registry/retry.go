package registry

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// retry asks again where the answer or the network says that it may help.
// Only reading is repeated here; what writes is begun anew by remote, with a
// new upload, and here only waits as long as the registry says.
type retry struct {
	timing timing
	next   http.RoundTripper
}

// gaveUpError is the last of several failures: to be retried by nobody.
type gaveUpError struct {
	attempts int
	err      error
}

func (e *gaveUpError) Error() string {
	return fmt.Sprintf("%v (tried %d times)", e.err, e.attempts)
}
func (e *gaveUpError) Unwrap() error { return e.err }

// Temporary is false: http.Client and remote ask for it.
func (e *gaveUpError) Temporary() bool { return false }

func (t *retry) RoundTrip(req *http.Request) (*http.Response, error) {
	reading := req.Method == http.MethodGet || req.Method == http.MethodHead
	for n := 0; ; n++ {
		resp, err := t.next.RoundTrip(req)
		if !again(resp, err) {
			return resp, err
		}
		if err := req.Context().Err(); err != nil {
			discard(resp)
			return nil, err
		}
		if n == t.timing.retries && err != nil {
			return nil, &gaveUpError{attempts: n + 1, err: err}
		}
		if n == t.timing.retries || !reading && retryAfter(resp) == 0 {
			return resp, err
		}
		if err := t.timing.sleep(req.Context(), t.timing.delay(n, resp)); err != nil {
			discard(resp)
			return nil, err
		}
		if !reading {
			return resp, nil
		}
		discard(resp)
	}
}

// delay before the attempt after the n-th: what the registry says, else
// doubled each time.
func (t timing) delay(n int, resp *http.Response) time.Duration {
	if d := retryAfter(resp); d > 0 {
		return min(d, t.retryAfter)
	}
	return t.backoff << n
}

// again says whether the same request may fare better later.
func again(resp *http.Response, err error) bool {
	if err != nil {
		return transient(err)
	}
	return transientStatus(resp.StatusCode)
}

func transientStatus(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		499,                     // nginx: the client closed the request
		520, 521, 522, 523, 524: // Cloudflare: no good answer from the registry behind it
		return true
	}
	return false
}

// transient says whether a failure is the network's rather than an answer: a
// refused connection, an unknown host or a bad certificate stay as they are.
func transient(err error) bool {
	var timeout net.Error
	switch {
	case errors.Is(err, errStalled), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED),
		errors.Is(err, net.ErrClosed):
		return true
	case errors.As(err, &timeout) && timeout.Timeout():
		return true
	}
	// net/http keeps the types of its HTTP/2 errors to itself.
	text := err.Error()
	return strings.Contains(text, "http2: ") || strings.Contains(text, "stream error: ")
}

// retryAfter reads the header's two forms (RFC 9110, 10.2.3); 0 for none.
func retryAfter(resp *http.Response) time.Duration {
	if resp == nil || !transientStatus(resp.StatusCode) {
		return 0
	}
	text := resp.Header.Get("Retry-After")
	if s, err := strconv.Atoi(text); err == nil && s > 0 {
		return time.Duration(min(s, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// discard drops an answer; a short rest is read so that the connection can be
// used again.
func discard(resp *http.Response) {
	if resp != nil {
		io.CopyN(io.Discard, resp.Body, 64<<10)
		resp.Body.Close()
	}
}
