package pkgdb

import (
	"fmt"
	"testing"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

func TestDistribution(t *testing.T) {
	for _, c := range []struct{ release, want string }{
		{"ID=debian\nVERSION_ID=\"12\"\n", "debian 12"},
		{"ID=ubuntu\nVERSION_ID='22.04'\n", "ubuntu 22.04"},
		{"ID=alpine\nVERSION_ID=3.19.1\n", "alpine 3.19"},
		{"ID=\"rhel\"\nVERSION_ID=\"9.4\"\n", "rhel 9"},
		{"ID=arch\n", ""},
		{"", ""},
	} {
		img := testimage.New(t, fmt.Sprintf("-- layer --\nfile etc/os-release %q\n", c.release))
		tree, err := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		if got := Distribution(tree); got != c.want {
			t.Errorf("%q: %q, want %q", c.release, got, c.want)
		}
	}
}
