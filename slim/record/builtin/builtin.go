// Package builtin starts containers without a daemon: Linux namespaces, the
// image's own files, no privilege where user namespaces are allowed.
//
// A container is three processes. This one asks; a stage, started in the
// container's user and network namespaces but outside its pid namespace,
// makes the container, runs commands in it, connects to it and records it;
// and the image's program is PID 1 of its own pid namespace. All that is
// mounted, is mounted in a mount namespace that dies with the container.
//
// The stage and what it starts are this program itself, under a private
// argument: main (and TestMain of a test that starts containers) must call
// [Reexec] first.
package builtin

import (
	"sync"

	"github.com/pare-image/pare/layers"
)

// Options of an [Engine]; the zero value is good.
type Options struct {
	// Dir is where container files are put, in directories of their own; ""
	// is os.TempDir(). It needs room for the unpacked image.
	Dir string
	// Rootless makes a user namespace even where root needs none.
	Rootless bool
	// Warn, when not nil, is told what a container has less of than under a
	// runtime with all privilege. Texts are for people, and complete.
	Warn func(text string)
}

// Engine starts containers with namespaces of its own. It keeps the files of
// images that it has started, so that a second start is quick: Close it.
type Engine struct {
	opts Options

	mu     sync.Mutex
	rooms  map[*layers.Tree]*room // unpacked images
	plain  bool                   // overlayfs does not work here
	reaped bool
	warned map[string]bool
}

// New returns an engine; it touches nothing before the first Start.
func New(o Options) *Engine {
	return &Engine{opts: o, rooms: map[*layers.Tree]*room{}, warned: map[string]bool{}}
}

// Name is "builtin".
func (e *Engine) Name() string { return "builtin" }

// warn says each text once.
func (e *Engine) warn(text string) {
	e.mu.Lock()
	seen := e.warned[text]
	e.warned[text] = true
	e.mu.Unlock()
	if !seen && e.opts.Warn != nil {
		e.opts.Warn(text)
	}
}
