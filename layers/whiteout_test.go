package layers

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testimage"
)

// A whiteout that is written hides what is below, and is listed as a marker.
func TestWhiteoutWritten(t *testing.T) {
	var tar bytes.Buffer
	err := WriteTar(t.Context(), &tar, []Output{
		{Path: "/d", Header: Header{Type: Directory, Mode: 0o755}},
		{Path: "/d/gone", Whiteout: true},
		{Path: "/z", Whiteout: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	base := testimage.New(t, "-- layer --\nfile d/gone\nfile d/stays\nfile z/below\n")
	ls, err := base.Layers()
	if err != nil {
		t.Fatal(err)
	}
	top, err := testimage.RawLayer(tar.Bytes(), "gzip")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := base.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.Image(cfg, append(ls, top)...)
	if err != nil {
		t.Fatal(err)
	}
	tree := open(t, img, Options{})
	if diff := cmp.Diff(want("/d: dir 0755\n/d/stays: file 0644 \"\"\n"), dump(t, tree)); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Marker{{Layer: 1, Path: "/d/gone"}, {Layer: 1, Path: "/z"}}, tree.Markers()); diff != "" {
		t.Errorf("markers (-want +got):\n%s", diff)
	}
}

// Nothing can be below what is gone.
func TestWhiteoutHasNoChildren(t *testing.T) {
	err := WriteTar(t.Context(), &bytes.Buffer{}, []Output{
		{Path: "/d", Whiteout: true},
		{Path: "/d/f", Header: Header{Type: Regular}},
	})
	if !errors.Is(err, ErrOutput) {
		t.Errorf("written below a whiteout: %v", err)
	}
}

func TestMarkersOpaque(t *testing.T) {
	tree := open(t, testimage.New(t, "-- layer --\nfile d/a\n-- layer --\nfile d/.wh..wh..opq\nfile d/b\nfile .wh.x\n"), Options{})
	if diff := cmp.Diff([]Marker{{Layer: 1, Path: "/d", Opaque: true}, {Layer: 1, Path: "/x"}}, tree.Markers()); diff != "" {
		t.Errorf("markers (-want +got):\n%s", diff)
	}
}
