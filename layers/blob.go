package layers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// layerSource is one layer with what manifest and config promise of it.
type layerSource struct {
	index  int
	layer  v1.Layer
	digest v1.Hash
	diffID v1.Hash
	size   int64
}

// facts are what reading a blob to its end has shown.
type facts struct {
	compression Compression
	unpacked    int64
	estargz     bool
	zstdChunked bool
}

// blobReading is one pass over a blob: fetch and digest | inflate | diffID
// and tar, each stage on a goroutine of its own.
type blobReading struct {
	src      *layerSource
	progress func(read int64)
	meter    *layerMeter
	blob     *meter
	plain    *meter
	fetched  atomic.Int64 // compressed bytes so far
	tail     []byte
}

// readBlob streams the layer's tar to visit and returns only when the blob
// is read to its end and digest, size and diffID are as promised. visit need
// not read to the end.
func readBlob(ctx context.Context, src *layerSource, b *budget, progress func(int64), visit func(io.Reader, *layerMeter) error) (facts, error) {
	if src.size < 0 || src.size > b.limits.Unpacked {
		return facts{}, overLimit("a blob of %d bytes; at most %d may be unpacked", src.size, b.limits.Unpacked)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rc, err := src.layer.Compressed()
	if err != nil {
		return facts{}, err
	}
	closing := sync.OnceFunc(func() { rc.Close() })
	defer closing()
	// A read that waits for the network ends when its source is closed.
	defer context.AfterFunc(ctx, closing)()

	r := &blobReading{src: src, progress: progress}
	r.meter = &layerMeter{budget: b, compressed: src.size, fetched: r.fetched.Load}
	r.blob = &meter{r: rc, hash: sha256.New(), seen: r.sawCompressed}
	f, err := r.run(ctx, visit)
	if ctxErr := context.Cause(ctx); err != nil && ctxErr != nil {
		return f, ctxErr
	}
	return f, err
}

func (r *blobReading) run(ctx context.Context, visit func(io.Reader, *layerMeter) error) (facts, error) {
	fetchCtx, stopFetch := context.WithCancel(ctx)
	fetched := newPump(fetchCtx, r.blob)
	defer fetched.wait()
	defer stopFetch()

	f, err := r.unpack(ctx, fetched, visit)
	if err != nil && (errors.Is(err, ErrLimit) || errors.Is(err, ErrMismatch) || ctx.Err() != nil) {
		return f, err
	}
	// Also after an error: bytes that do not unpack are most often bytes
	// that are not the promised ones, and that is what the user must hear.
	if _, derr := io.Copy(io.Discard, fetched); derr != nil {
		return f, errors.Join(derr, err)
	}
	if verr := r.verifyBlob(); verr != nil {
		return f, verr
	}
	if err != nil {
		return f, err
	}
	f.unpacked = r.plain.n
	f.estargz, f.zstdChunked = chunked(r.tail, f.compression)
	return f, checkHash("diffID", r.src.diffID, r.plain.hash.Sum(nil))
}

func (r *blobReading) unpack(ctx context.Context, fetched io.Reader, visit func(io.Reader, *layerMeter) error) (f facts, err error) {
	dec, kind, release, err := decompress(fetched)
	if err != nil {
		return f, err
	}
	defer release()
	f.compression = kind
	ctx, stop := context.WithCancel(ctx)
	inflated := newPump(ctx, dec)
	defer inflated.wait()
	defer stop()
	r.plain = &meter{r: inflated, hash: sha256.New(), seen: func(p []byte) error { return r.meter.stream(len(p)) }}
	if err := visit(r.plain, r.meter); err != nil {
		return f, err
	}
	_, err = io.Copy(io.Discard, r.plain)
	return f, err
}

// sawCompressed watches the blob as it comes in.
func (r *blobReading) sawCompressed(p []byte) error {
	if r.blob.n > r.src.size {
		return &MismatchError{What: "size", Want: strconv.FormatInt(r.src.size, 10), Got: "more"}
	}
	r.tail = append(r.tail, p[max(0, len(p)-footerSize):]...)
	r.tail = r.tail[max(0, len(r.tail)-footerSize):]
	r.fetched.Store(r.blob.n)
	r.progress(r.blob.n)
	return nil
}

func (r *blobReading) verifyBlob() error {
	if r.blob.n != r.src.size {
		return &MismatchError{What: "size", Want: strconv.FormatInt(r.src.size, 10), Got: strconv.FormatInt(r.blob.n, 10)}
	}
	return checkHash("digest", r.src.digest, r.blob.hash.Sum(nil))
}

func checkHash(what string, want v1.Hash, sum []byte) error {
	if want.Algorithm != "sha256" {
		return fmt.Errorf("%w: %s %s: only sha256 can be verified", ErrInvalid, what, want)
	}
	if got := hex.EncodeToString(sum); got != want.Hex {
		return &MismatchError{What: what, Want: want.String(), Got: "sha256:" + got}
	}
	return nil
}
