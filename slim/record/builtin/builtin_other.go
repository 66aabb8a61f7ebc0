//go:build !linux

package builtin

import (
	"context"
	"errors"

	"github.com/pare-image/pare/slim/record/engine"
)

var errNotLinux = errors.New("the builtin engine needs Linux: use --engine docker")

type room struct{}

// Reexec says that args are never this package's on this system.
func Reexec([]string) (code int, ours bool) { return 0, false }

// Check says that this system is not Linux.
func (e *Engine) Check(context.Context) error { return errNotLinux }

// Start says that this system is not Linux.
func (e *Engine) Start(context.Context, engine.Spec) (engine.Container, error) {
	return nil, errNotLinux
}

// Close does nothing.
func (e *Engine) Close() error { return nil }
