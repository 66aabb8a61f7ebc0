package langpkg

import (
	"testing"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

func open(t *testing.T, archive string) *layers.Tree {
	t.Helper()
	tree, err := layers.Open(t.Context(), testimage.New(t, archive), layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}
