package layers

import (
	"errors"
	"fmt"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// What a caller or an exit code tells apart; use errors.Is.
var (
	// ErrLimit says that an image costs more than [Limits] allow.
	ErrLimit = errors.New("over a limit")
	// ErrMismatch says that bytes are not what manifest or config promise.
	ErrMismatch = errors.New("not what the manifest promises")
	// ErrInvalid says that a layer cannot be read as the OCI image-spec
	// (layer.md) and tar have it, or holds a form that is refused.
	ErrInvalid = errors.New("invalid layer")
	// ErrNotImage says that a manifest is no container image.
	ErrNotImage = errors.New("not a container image")
)

// LayerError says in which layer, and at which of its entries, reading failed.
type LayerError struct {
	Layer  int
	Digest v1.Hash
	// Path is the entry's name; "" when the layer as a whole is meant.
	Path string
	Err  error
}

func (e *LayerError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("reading layer %d (%s): %v", e.Layer, e.Digest, e.Err)
	}
	return fmt.Sprintf("reading layer %d (%s): entry %s: %v", e.Layer, e.Digest, strconv.Quote(e.Path), e.Err)
}

func (e *LayerError) Unwrap() error { return e.Err }

// MismatchError is an ErrMismatch with both sides.
type MismatchError struct {
	What      string // "digest", "size", "diffID", "config digest", "manifest digest"
	Want, Got string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s is %s, but %s was promised", e.What, e.Got, e.Want)
}

// Is makes errors.Is(err, ErrMismatch) true.
func (e *MismatchError) Is(target error) bool { return target == ErrMismatch }

// NotImageError is an ErrNotImage with its kind.
type NotImageError struct {
	// Reason is stable: "schema1", "index", "artifact", "attestation",
	// "encrypted".
	Reason string
	Detail string
}

func (e *NotImageError) Error() string {
	return fmt.Sprintf("not a container image (%s): %s", e.Reason, e.Detail)
}

// Is makes errors.Is(err, ErrNotImage) true.
func (e *NotImageError) Is(target error) bool { return target == ErrNotImage }

// entryError places an error at an entry of the layer being read; whoever
// knows the layer turns it into a [LayerError].
type entryError struct {
	path string
	err  error
}

func (e *entryError) Error() string { return strconv.Quote(e.path) + ": " + e.err.Error() }
func (e *entryError) Unwrap() error { return e.err }

// inLayer names the layer in err, once.
func inLayer(layer int, digest v1.Hash, err error) error {
	var at *LayerError
	if err == nil || errors.As(err, &at) {
		return err
	}
	le := &LayerError{Layer: layer, Digest: digest, Err: err}
	var ee *entryError
	if errors.As(err, &ee) {
		le.Path, le.Err = ee.path, ee.err
	}
	return le
}

func overLimit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrLimit, fmt.Sprintf(format, args...))
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
