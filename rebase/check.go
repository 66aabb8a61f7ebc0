package rebase

import (
	"context"

	"github.com/pare-image/pare/layers"
)

// scene is what checks look at: the image as it is on its old base, and as it
// would be on the new one, repairs included.
type scene struct {
	old  *layers.Tree // the old base: the lowest layers of the image as it is
	app  *layers.Tree // the image as it is
	base *layers.Tree // the new base
	next *layers.Tree // the image as it would be
	// seam and newSeam are how many layers the old and the new base have: of
	// app and next, an entry whose Layer is at least that is an upper layer's.
	seam, newSeam int
}

// wasUpper and isUpper say whether an upper layer provides an entry of app
// and of next; repairs count as upper.
func (s *scene) wasUpper(e *layers.Entry) bool { return e.Layer >= s.seam }
func (s *scene) isUpper(e *layers.Entry) bool  { return e.Layer >= s.newSeam }

// layerOfApp is the index in app of an upper layer of next; nil for the
// base's layers and for repairs.
func (s *scene) layerOfApp(layer int) *int {
	n := layer - s.newSeam + s.seam
	if layer < s.newSeam || n >= len(s.app.Layers()) {
		return nil
	}
	return &n
}

// check is one rule about what a move may not break. It reports what next
// lacks and app had, sorted by nothing in particular.
type check struct {
	name string
	run  func(context.Context, *scene) ([]Finding, error)
}

// check runs every check and returns all findings.
func (s *scene) check(ctx context.Context) ([]Finding, error) {
	var out []Finding
	for _, c := range checks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		fs, err := c.run(ctx, s)
		if err != nil {
			return nil, err
		}
		out = append(out, fs...)
	}
	return out, nil
}

// checks in the order in which they run.
var checks = []check{
	checkPlatform, checkStructure, checkHidden, checkUser, checkPrograms, checkLinks, checkLibc,
	checkELF, checkScripts, checkLanguages, checkNode,
}
