package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/pare-image/pare/slim/profile"
)

// Ask asks one question and reduces what comes back. That there was no answer
// is an answer too, and has Error. Of an answer longer than MaxBody the first
// bytes count, and "size" is volatile; of one that was still coming when the
// time was over neither "digest" nor "size" is known, and both are volatile.
func Ask(ctx context.Context, t Target, p profile.Probe, o Options) profile.Answer {
	limit := o.timeout()
	if p.Kind == profile.ProbeRun {
		limit = o.runTimeout()
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch p.Kind {
	case profile.ProbeHTTP:
		return askHTTP(ctx, t, p, o, 0).answer
	case profile.ProbeTCP:
		return askTCP(ctx, t, p, o)
	case profile.ProbeExec, profile.ProbeHealth:
		return askExec(ctx, t, p, o)
	case profile.ProbeRun:
		return askRun(ctx, t, p, o)
	}
	return profile.Answer{Error: "no such kind of probe: " + shown(string(p.Kind))}
}

// failed is the answer of a question that got none. Its words are the same
// wherever the same thing happened: no address, no time, no foreign text that
// a terminal would act on.
func failed(ctx context.Context, err error, limit time.Duration) profile.Answer {
	return profile.Answer{Error: reason(ctx, err, limit)}
}

func reason(ctx context.Context, err error, limit time.Duration) string {
	var noTLS tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", limit)
	case errors.Is(ctx.Err(), context.Canceled):
		return "interrupted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.As(err, &noTLS):
		return "the port does not speak TLS"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the answer was cut short"
	case errors.Is(err, io.EOF):
		return "connection closed without an answer"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "connecting timed out"
	case strings.Contains(err.Error(), "malformed"):
		return "the answer is no HTTP"
	}
	return shown(err.Error())
}

// taken digests what is written to it, up to a bound, and keeps its beginning.
type taken struct {
	sum  hash.Hash
	size int64
	max  int64
	keep int // bytes to keep in body
	body []byte
}

func newTaken(limit int64, keep int) *taken {
	return &taken{sum: sha256.New(), max: limit, keep: keep}
}

// Write takes what still fits; it never fails.
func (t *taken) Write(b []byte) (int, error) {
	n := len(b)
	b = b[:min(int64(n), t.max-t.size)]
	t.sum.Write(b)
	t.size += int64(len(b))
	t.body = append(t.body, b[:max(0, min(len(b), t.keep-len(t.body)))]...)
	return n, nil
}

// into fills in the digest and the size; more says that the bound cut it.
func (t *taken) into(a *profile.Answer, more bool) {
	a.Digest = "sha256:" + hex.EncodeToString(t.sum.Sum(nil))
	a.Size = t.size
	if more {
		a.Volatile = []string{fieldSize}
	}
}
