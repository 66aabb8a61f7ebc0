package slim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/onbase"
)

// baseFor is a base for an image: some of its lower layers, often as they are,
// and something of its own.
func (m maker) baseFor(img v1.Image) (v1.Image, error) {
	if m.IntN(4) == 0 {
		return m.image()
	}
	all, err := img.Layers()
	if err != nil {
		return nil, err
	}
	ls := all[:m.IntN(len(all)+1)]
	if m.IntN(2) == 0 {
		own, err := testimage.Layer(m.layer(len(ls) == 0), m.pick(m.compressions))
		if err != nil {
			return nil, err
		}
		ls = append(ls[:len(ls):len(ls)], own)
	}
	return testimage.Image(&v1.ConfigFile{OS: "linux", Architecture: "amd64"}, ls...)
}

// For any image, base, profile and options: what is built, read back, is
// exactly the plan; the base is there as it was; nothing of it is carried
// again; and it is the same when it is built twice.
func TestBuiltOnBase(t *testing.T) {
	n := *images
	if testing.Short() {
		n = min(n, 60)
	}
	built := 0
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := maker{rand.New(rand.NewPCG(uint64(seed), 79)), []string{"gzip", "none"}}
			source, o, ok := m.standing(t)
			if !ok {
				return // links to what later became a directory
			}
			p := m.profile(source)
			k, err := Select(t.Context(), source, p, o)
			if err != nil {
				return // a profile that names nothing, a passwd that is a directory
			}
			plan, err := NewPlan(t.Context(), source, p, k, o)
			if errors.Is(err, onbase.ErrUnfit) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if plan.Err() != nil {
				return // a directory over a file
			}
			out := buildTwice(t, source, o.Base, plan)
			built++
			checkOnBase(t, source, o.Base.Tree, out, plan)
			checkKept(t, source, k, out, plan)
			checkSummary(t, plan)
			if t.Failed() {
				t.Logf("options %+v\nprofile %+v\nsource %q\nbase %q", o, p.Accesses, dumpTree(t, source), dumpTree(t, o.Base.Tree))
			}
		})
	}
	if built < n/3 {
		t.Errorf("only %d of %d images were built", built, n)
	}
}

// standing is an image, and options with a base for it.
func (m maker) standing(t *testing.T) (*layers.Tree, Options, bool) {
	t.Helper()
	img, err := m.image()
	if err != nil {
		t.Fatal(err)
	}
	base, err := m.baseFor(img)
	if err != nil {
		t.Fatal(err)
	}
	var trees []*layers.Tree
	for _, i := range []v1.Image{img, base} {
		tree, err := layers.Open(t.Context(), i, layers.Options{Scratch: t.TempDir()})
		if errors.Is(err, layers.ErrInvalid) {
			return nil, Options{}, false
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tree.Close() })
		trees = append(trees, tree)
	}
	o := m.options(trees[0])
	o.Base, o.Prefer = NewBase("base", v1.Hash{}, base, trees[1]), m.pick([]string{PreferSource, PreferBase})
	return trees[0], o, true
}

func buildTwice(t *testing.T, source *layers.Tree, base *Base, plan *Plan) *layers.Tree {
	t.Helper()
	var images []v1.Image
	var digests []string
	for range 2 {
		img, err := BuildOn(t.Context(), source, base, plan, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		d, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		images, digests = append(images, img), append(digests, d.String())
	}
	if digests[0] != digests[1] {
		t.Errorf("built twice: %q", digests)
	}
	checkLayersOf(t, images[0], base.Image)
	return openImage(t, images[0])
}

// checkKept holds that every kept file of the source has its own content in
// the output, or stands aside for a reason that the plan tells.
func checkKept(t *testing.T, source *layers.Tree, k *KeepSet, out *layers.Tree, plan *Plan) {
	t.Helper()
	from := map[string]*Entry{}
	for i := range plan.Entries {
		from[plan.Entries[i].sourcePath()] = &plan.Entries[i]
	}
	dropped := map[string]string{}
	for _, d := range plan.Dropped {
		dropped[d.Path] = d.Rule
	}
	for _, p := range k.order {
		e, ok := source.Lookup(p)
		if !ok || e.Type != layers.Regular {
			continue
		}
		at, kept := from[p]
		switch {
		case !kept && dropped[p] == ruleBase:
		case !kept:
			// two names of the source that have become one of the base
			if r, err := out.Resolve(p); err != nil || r.Entry.Type != layers.Regular || content(t, out, r.Entry.Path) != content(t, source, p) {
				t.Errorf("%q is kept, and neither in the plan nor by another name in the output (%v)", p, err)
			}
		case at.Source >= 0:
			if d := cmp.Diff(content(t, source, p), content(t, out, at.Path)); d != "" {
				t.Errorf("%q (-source +output):\n%s", p, d)
			}
		case !at.Base && at.Reasons[0].Rule == "":
			t.Errorf("%q is written without a reason", p)
		}
	}
}
