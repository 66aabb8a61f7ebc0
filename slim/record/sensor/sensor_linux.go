//go:build amd64 || arm64

package sensor

import (
	"context"
	"os"

	"github.com/pare-image/pare/slim/profile"
)

// Enter is the child half: on the calling goroutine's locked thread.
func Enter(conn int, f FilterOptions) error { return ErrUnsupported }

// Receive is the parent half.
func Receive(conn int) (*os.File, Info, error) { return nil, Info{}, ErrUnsupported }

// Recorder answers the notifications of one process tree.
type Recorder struct{}

// NewRecorder takes over the listener.
func NewRecorder(listener *os.File, o RecorderOptions) (*Recorder, error) {
	return nil, ErrUnsupported
}

// Run returns when the tree is gone.
func (r *Recorder) Run(ctx context.Context) error { return ErrUnsupported }

// Snapshot is what was recorded so far.
func (r *Recorder) Snapshot() *profile.Profile { return &profile.Profile{} }

// Supervise is an init that records.
func Supervise(ctx context.Context, cfg Config, args []string) (exitCode int, err error) {
	return 1, ErrUnsupported
}

// Child is the private entry that Supervise re-executes.
func Child(args []string) error { return ErrUnsupported }

// Check probes the kernel.
func Check() Support { return Support{} }
