package slim

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/pare-image/pare/internal/testimage"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// open reads an image described in testimage's text form.
func open(t *testing.T, archive string) *layers.Tree {
	t.Helper()
	return openImage(t, testimage.New(t, archive))
}

func openImage(t *testing.T, img v1.Image) *layers.Tree {
	t.Helper()
	tree, err := layers.Open(t.Context(), img, layers.Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// opened is a profile in which each path was opened, in this order.
func opened(paths ...string) *profile.Profile {
	p := &profile.Profile{}
	for i, name := range paths {
		p.Accesses = append(p.Accesses, profile.Access{Path: name, Exists: true, Kinds: []profile.Kind{profile.Open}, FirstMS: int64(i)})
	}
	u, err := profile.Union(p)
	if err != nil {
		panic(err)
	}
	return u
}

// slimmed runs the whole way and returns the plan and the tree read back.
func slimmed(t *testing.T, tree *layers.Tree, p *profile.Profile, o Options) (*Plan, *layers.Tree) {
	t.Helper()
	plan := planned(t, tree, p, o)
	img, err := Build(t.Context(), tree, plan, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Fatalf("the image is not valid: %v", err)
	}
	return plan, openImage(t, img)
}

func planned(t *testing.T, tree *layers.Tree, p *profile.Profile, o Options) *Plan {
	t.Helper()
	k, err := Select(t.Context(), tree, p, o)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(t.Context(), tree, p, k, o)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func paths(t *layers.Tree) []string {
	var out []string
	for e := range t.All() {
		out = append(out, e.Path)
	}
	return out
}

const threeLayers = `
-- layer --
dir etc
file etc/passwd 0644 0:0 "root:x:0:0::/root:/bin/sh\n"
dir srv 0755 0:0
file srv/old 0644 0:0 "old"
dir opt/app 0755 0:0
file opt/app/secret 0644 0:0 "token"
-- layer --
file opt/app/.wh.secret
dir srv 0700 0:0
file srv/index 0644 0:0 "index"
link srv/also => srv/index
-- layer --
file srv/new 0644 0:0 "new"
dir srv 0755 5:5
`

// A directory has in each layer what the merged view has there.
func TestLayersPreserved(t *testing.T) {
	tree := open(t, threeLayers)
	plan, out := slimmed(t, tree, opened("/srv/old", "/srv/index", "/srv/also", "/srv/new"), Options{Granularity: GranularityFile})
	want := []string{"/", "/etc", "/etc/group", "/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/resolv.conf", "/srv", "/srv/also", "/srv/index", "/srv/new", "/srv/old"}
	if d := cmp.Diff(want, paths(out)); d != "" {
		t.Errorf("paths (-want +got):\n%s", d)
	}
	for layer, want := range []string{"0755 0:0", "0700 0:0", "0755 5:5"} {
		h, ok := out.DirAt("/srv", layer)
		if got := octal(h.Mode) + " " + owner(h); !ok || got != want {
			t.Errorf("/srv after layer %d is %s, want %s", layer, got, want)
		}
	}
	if n := len(plan.Layers); n != 4 || plan.Layers[3].Source != pareOwnLayer {
		t.Errorf("layers: %+v", plan.Layers)
	}
	if e, _ := out.Lookup("/srv/index"); len(e.Paths()) != 2 {
		t.Errorf("the hard link is lost: %q", e.Paths())
	}
}

func owner(h layers.Header) string { return strconv.Itoa(h.UID) + ":" + strconv.Itoa(h.GID) }

// allowable are the findings that can be allowed.
func allowable() []string {
	return slices.DeleteFunc(slices.Clone(findingNames), func(name string) bool { return notAllowed[name] != "" })
}
