package verify

import (
	"errors"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/probe"
)

// Subject is an image with its tree.
type Subject struct {
	Name  Image
	Image v1.Image
	Tree  *layers.Tree
}

// Options of a verification.
type Options struct {
	Engine  engine.Engine
	Slim    Subject
	Profile *profile.Profile
	// Source is the image that was recorded; nil where it is not at hand:
	// then missing paths are not known.
	Source *Subject
	// RunSource starts the source too, under its runtime's defaults, for
	// fresh answers and its exit code to compare with.
	RunSource bool
	Overrides Overrides
	// Start is how both are started: Args, Env, Network, DNS, Hosts. Without
	// Args, each command line of the recording is.
	Start engine.SpecOptions
	// Ready bounds each start (0: 2 min), Grace the time to end after the
	// stop signal (0: 10 s, as docker has it).
	Ready, Grace time.Duration
	Probes       probe.Options
	// Dir, which only its owner may enter, is where commands of the host find
	// the way inside (package inside); "" has none.
	Dir string
	// Tell gets lines about what goes on, for people; nil is nobody.
	Tell func(line string)
}

// ErrSource says that the source itself could not be made ready, so that
// there is nothing to compare with.
var ErrSource = errors.New("the source does not start here")
