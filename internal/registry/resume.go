package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
)

// resume continues a blob that breaks off: with a request for the rest, or
// where ranges are not served, for all of it, skipping what is known. Whether
// the pieces are one blob is for the digest to say, which remote and layers
// check at the end.
type resume struct {
	timing timing
	next   http.RoundTripper
	// client sends requests through the whole chain, credentials included.
	// The rest is asked for where the blob was first asked for: the place a
	// redirect named may have expired.
	client *http.Client
}

// progressBytes is how much must arrive for earlier failures to be forgotten.
const progressBytes = 1 << 20

func (t *resume) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || req.Method != http.MethodGet || resp.StatusCode != http.StatusOK || isResuming(req.Context()) {
		return resp, err
	}
	first := firstRequest(req)
	if o := objectOf(first); o.kind == "blobs" && t.client != nil {
		resp.Body = &resumedBody{
			t: t, ctx: req.Context(), first: first, what: o.String(), host: first.URL.Host,
			body: resp.Body, size: resp.ContentLength,
		}
	}
	return resp, nil
}

type resumedBody struct {
	t          *resume
	ctx        context.Context
	first      *http.Request
	what, host string

	body       io.ReadCloser
	read, size int64 // size is -1 when the registry did not say
	failures   int
	failedAt   int64
	noRange    bool // the registry refuses ranges
}

func (b *resumedBody) Read(p []byte) (int, error) {
	for {
		n, err := b.body.Read(p)
		b.read += int64(n)
		switch {
		case err == nil || err == io.EOF && (b.size < 0 || b.read >= b.size):
			return n, err
		case n > 0:
			return n, nil // the next Read meets the error again
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		}
		if err := b.again(err); err != nil {
			return 0, err
		}
	}
}

func (b *resumedBody) Close() error { return b.body.Close() }

// again opens the rest of the blob after cause, or says why it cannot.
func (b *resumedBody) again(cause error) error {
	b.body.Close()
	if b.read-b.failedAt >= progressBytes {
		b.failures = 0
	}
	b.failedAt = b.read
	for {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		if b.failures == b.t.timing.retries {
			return fmt.Errorf("reading %s from %s: broke off at byte %d of %d: %w (tried %d times)", b.what, b.host, b.read, b.size, cause, b.failures+1)
		}
		if err := b.t.timing.sleep(b.ctx, b.t.timing.delay(b.failures, nil)); err != nil {
			return err
		}
		b.failures++
		err := b.open()
		if err == nil {
			return nil
		}
		if status := (*StatusError)(nil); errors.As(err, &status) {
			return err
		}
		cause = err
	}
}

func (b *resumedBody) open() error {
	req, err := http.NewRequestWithContext(context.WithValue(b.ctx, resuming{}, true), http.MethodGet, b.first.URL.String(), nil)
	if err != nil {
		return err
	}
	if !b.noRange {
		req.Header.Set("Range", b.rest())
	}
	resp, err := b.t.client.Do(req)
	if err != nil {
		return err
	}
	if err := b.accept(resp); err != nil {
		resp.Body.Close()
		return err
	}
	b.body = resp.Body
	return nil
}

// rest is the bytes that are missing (RFC 9110, 14.2).
func (b *resumedBody) rest() string {
	if b.size < 0 {
		return fmt.Sprintf("bytes=%d-", b.read)
	}
	return fmt.Sprintf("bytes=%d-%d", b.read, b.size-1)
}

// accept checks that an answer goes on where the blob broke off.
func (b *resumedBody) accept(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusPartialContent:
		var from int64
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-", &from); err != nil || from != b.read {
			return fmt.Errorf("asked for the bytes from %d, got %q", b.read, resp.Header.Get("Content-Range"))
		}
		return nil
	case http.StatusOK: // from the start, then
		_, err := io.CopyN(io.Discard, resp.Body, b.read)
		return err
	case http.StatusRequestedRangeNotSatisfiable:
		b.noRange = true
		return errors.New("no ranges are served")
	}
	return statusError(resp)
}

// safeRedirect is remote's rule: a registry must not send us to a private
// address that is not its own.
func safeRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	host := req.URL.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil && host != via[0].URL.Hostname() && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()) {
		return fmt.Errorf("redirected to the private address %s", host)
	}
	return nil
}
