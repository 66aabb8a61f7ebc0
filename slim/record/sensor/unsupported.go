//go:build !linux || !(amd64 || arm64)

package sensor

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/pare-image/pare/slim/profile"
)

var errHere = fmt.Errorf("%w: the recorder knows Linux on amd64 and arm64, this is %s/%s; %s", ErrUnsupported, runtime.GOOS, runtime.GOARCH, remains)

// Enter fails here.
func Enter(int, FilterOptions) error { return errHere }

// Receive fails here.
func Receive(int) (*os.File, Info, error) { return nil, Info{}, errHere }

// Recorder does nothing here.
type Recorder struct{}

// NewRecorder fails here.
func NewRecorder(*os.File, RecorderOptions) (*Recorder, error) { return nil, errHere }

// Run fails here.
func (*Recorder) Run(context.Context) error { return errHere }

// Snapshot is empty here.
func (*Recorder) Snapshot() *profile.Profile { return &profile.Profile{} }

// Supervise fails here.
func Supervise(context.Context, Config, []string) (int, error) { return 1, errHere }

// Child fails here.
func Child([]string) error { return errHere }

// Check says that recording does not work here.
func Check() Support { return Support{Why: errHere.Error()} }
