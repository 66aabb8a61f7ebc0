package rebase

import (
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
)

func TestFindBase(t *testing.T) {
	config := func(layers string) *v1.ConfigFile {
		c, err := testimage.New(t, layers).ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	base := func(name, layers string) Base {
		b, err := DescribeBase(name, v1.Hash{}, testimage.New(t, layers))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const one, two, zstd, three = "-- layer --\nfile a\n", "-- layer --\nfile b\n", "-- layer zstd --\nfile a\n", "-- layer --\nfile c\n"
	for _, c := range []struct {
		name, app  string
		candidates []Base
		want       string
	}{
		{"one", one + three, []Base{base("other", two), base("right", one)}, "right"},
		{"the longest", one + two + three, []Base{base("short", one), base("long", one+two)}, "long"},
		{"the first of equals", one + three, []Base{base("first", one), base("second", one)}, "first"},
		{"another compression", one + three, []Base{base("zstd", zstd)}, "zstd"},
		{"longer than the image", one, []Base{base("long", one+two)}, ""},
		{"without layers", one, []Base{base("scratch", "")}, ""},
		{"none", one, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := FindBase(config(c.app), c.candidates)
			if got.Name != c.want || errors.Is(err, ErrNoBase) != (c.want == "") {
				t.Errorf("got %q (%v), want %q", got.Name, err, c.want)
			}
		})
	}
}
