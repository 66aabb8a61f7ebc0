package rebase

import (
	"strings"
	"testing"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

// openTree opens the image that archive describes (package testimage).
func openTree(t testing.TB, archive string) *layers.Tree {
	t.Helper()
	tree, err := layers.Open(t.Context(), testimage.New(t, archive), layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// openScene makes the scene of upper layers, each the lines of one, moved
// from old to base (images of package testimage) without repairs.
func openScene(t testing.TB, old, base string, uppers ...string) *scene {
	t.Helper()
	var above strings.Builder
	for _, u := range uppers {
		above.WriteString("-- layer --\n" + u + "\n")
	}
	s := &scene{old: openTree(t, old), app: openTree(t, old+above.String()), base: openTree(t, base), next: openTree(t, base+above.String())}
	s.seam, s.newSeam = len(s.old.Layers()), len(s.base.Layers())
	return s
}
