//go:build linux

package oracle

import (
	"archive/tar"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
)

// properties are changes to a stack that must not change its view. Each
// returns nil where the change does not apply to the stack.
var properties = []struct {
	name   string
	change func(t *testing.T, rnd *rand.Rand, s stack) v1.Image
}{
	{"names without prefix", func(t *testing.T, _ *rand.Rand, s stack) v1.Image { return s.renamed("").image(t) }},
	{"names with ./", func(t *testing.T, _ *rand.Rand, s stack) v1.Image { return s.renamed("./").image(t) }},
	{"names with /", func(t *testing.T, _ *rand.Rand, s stack) v1.Image { return s.renamed("/").image(t) }},
	{"another order", func(t *testing.T, rnd *rand.Rand, s stack) v1.Image { return s.reordered(rnd).image(t) }},
	{"gzip", func(t *testing.T, _ *rand.Rand, s stack) v1.Image { return s.compressed("gzip").image(t) }},
	{"zstd", func(t *testing.T, _ *rand.Rand, s stack) v1.Image { return s.compressed("zstd").image(t) }},
	{"no compression", func(t *testing.T, _ *rand.Rand, s stack) v1.Image { return s.compressed("none").image(t) }},
	{"an empty layer more", func(t *testing.T, rnd *rand.Rand, s stack) v1.Image { return s.withEmpty(rnd).image(t) }},
	{"a layer split in two", func(t *testing.T, rnd *rand.Rand, s stack) v1.Image {
		split, ok := s.split(rnd)
		if !ok {
			return nil
		}
		return split.image(t)
	}},
	{"the view as one layer", func(t *testing.T, _ *rand.Rand, s stack) v1.Image { return flattened(t, s.image(t)) }},
}

// TestMetamorphic holds the properties on random stacks. It needs no umoci,
// and no privilege: the stacks have all that root can unpack.
func TestMetamorphic(t *testing.T) {
	first, n := stacksFromEnv(t)
	n = min(n, 200)
	total := each(t, first, n, func(t *testing.T, seed uint64, count *tally) {
		s := generate(seed, abilities{root: true, xattr: true})
		want := ours(t, s.image(t))
		for _, p := range properties {
			img := p.change(t, rand.New(rand.NewPCG(seed, 1)), s)
			if img == nil {
				count.excluded[p.name]++
				continue
			}
			count.forms[p.name]++
			if diff := compare(want, ours(t, img), nil, count); len(diff) > 0 {
				t.Errorf("PARE_ORACLE_SEED=%d PARE_ORACLE_STACKS=1: %s:\n%s\n%s", seed, p.name, strings.Join(diff, "\n"), s)
			}
		}
	})
	for _, p := range properties {
		t.Logf("%s: %d stacks, does not apply to %d", p.name, total.forms[p.name], total.excluded[p.name])
		if total.forms[p.name] == 0 && n >= 20 {
			t.Errorf("%s: never tried", p.name)
		}
	}
}

// changed is the stack with every layer changed.
func (s stack) changed(change func(l *layer)) stack {
	out := stack{}
	for _, l := range s.layers {
		l.entries = slices.Clone(l.entries)
		change(&l)
		out.layers = append(out.layers, l)
	}
	return out
}

func (s stack) compressed(with string) stack {
	return s.changed(func(l *layer) { l.compression = with })
}

// renamed spells every name, link targets too, with this prefix.
func (s stack) renamed(prefix string) stack {
	return s.changed(func(l *layer) {
		for i := range l.entries {
			e := &l.entries[i]
			if path.Clean("/"+e.Name) != "/" {
				e.Name = prefix + bare(e.Name)
			}
			if e.Typeflag == tar.TypeLink {
				e.Linkname = prefix + bare(e.Linkname)
			}
		}
	})
}

func bare(name string) string { return strings.TrimPrefix(strings.TrimPrefix(name, "./"), "/") }

// reordered shuffles each layer: parents first, what goes through symlinks
// last, hard links after what they name, markers anywhere before those.
func (s stack) reordered(rnd *rand.Rand) stack {
	return s.changed(func(l *layer) {
		head, via := l.entries[:len(l.entries)-l.via], l.entries[len(l.entries)-l.via:]
		rnd.Shuffle(len(head), func(i, j int) { head[i], head[j] = head[j], head[i] })
		var nodes, markers []testimage.Entry
		for _, e := range head {
			if isMarker(e) {
				markers = append(markers, e)
			} else {
				nodes = append(nodes, e)
			}
		}
		slices.SortStableFunc(nodes, func(a, b testimage.Entry) int { return rank(a) - rank(b) })
		for _, m := range markers {
			nodes = slices.Insert(nodes, rnd.IntN(len(nodes)+1), m)
		}
		l.entries = append(nodes, via...)
	})
}

// rank orders directories by depth, then nodes, then hard links.
func rank(e testimage.Entry) int {
	switch e.Typeflag {
	case tar.TypeDir:
		return strings.Count(path.Clean("/"+e.Name), "/")
	case tar.TypeLink:
		return 1001
	}
	return 1000
}

func isMarker(e testimage.Entry) bool { return strings.HasPrefix(path.Base(e.Name), ".wh.") }

func (s stack) withEmpty(rnd *rand.Rand) stack {
	return stack{layers: slices.Insert(slices.Clone(s.layers), rnd.IntN(len(s.layers)+1), layer{compression: "gzip"})}
}

// split makes two of one layer, at any entry, markers in the first. It does
// not apply to a layer with names that go through its own symlinks: a link of
// a lower layer is replaced, not followed.
func (s stack) split(rnd *rand.Rand) (stack, bool) {
	i := rnd.IntN(len(s.layers))
	l := s.layers[i]
	if l.via > 0 || len(l.entries) < 2 {
		return stack{}, false
	}
	entries := slices.Clone(l.entries)
	slices.SortStableFunc(entries, func(a, b testimage.Entry) int {
		switch {
		case isMarker(a) == isMarker(b):
			return 0
		case isMarker(a):
			return -1
		}
		return 1
	})
	at := l.markers + rnd.IntN(len(entries)-l.markers+1)
	return stack{layers: slices.Replace(slices.Clone(s.layers), i, i+1,
		layer{entries: entries[:at], compression: l.compression}, layer{entries: entries[at:], compression: l.compression})}, true
}

// flattened writes an image's view as an image of one layer.
func flattened(t *testing.T, img v1.Image) v1.Image {
	t.Helper()
	tree, err := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	l, err := layers.NewLayer(t.Context(), tree.Outputs(nil), layers.LayerOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	one, err := testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, l)
	if err != nil {
		t.Fatal(err)
	}
	return one
}
