package rebase

import (
	"testing"

	"github.com/pare-image/pare/layers"
)

// An upper layer has one place in the image as it is and another in what it
// becomes; a repair layer has none in the first.
func TestSceneLayers(t *testing.T) {
	s := openScene(t, "-- layer --\nfile a\n", "-- layer --\nfile a\n-- layer --\nfile b\n", "file c", "file d")
	lookup := func(tree *layers.Tree, p string) *layers.Entry {
		e, ok := tree.Lookup(p)
		if !ok {
			t.Fatalf("no %s", p)
		}
		return e
	}
	for p, upper := range map[string]bool{"/a": false, "/c": true, "/d": true} {
		if got := s.wasUpper(lookup(s.app, p)); got != upper {
			t.Errorf("%s of the image as it is: upper %v", p, got)
		}
		if got := s.isUpper(lookup(s.next, p)); got != upper {
			t.Errorf("%s of the image as it would be: upper %v", p, got)
		}
	}
	if at := s.layerOfApp(lookup(s.next, "/d").Layer); at == nil || *at != 2 {
		t.Errorf("the last layer is %v of the image as it is, want 2", at)
	}
	for what, layer := range map[string]int{"the new base": 1, "a repair": 4} {
		if at := s.layerOfApp(layer); at != nil {
			t.Errorf("%s is layer %d of the image as it is", what, *at)
		}
	}
	if len(s.old.Layers()) != s.seam {
		t.Errorf("the old base has %d layers, the seam is at %d", len(s.old.Layers()), s.seam)
	}
}
