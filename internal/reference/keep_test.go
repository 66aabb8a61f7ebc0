package reference

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pare-image/pare/internal/testimage"
)

func numbered(t *testing.T, n int) v1.Image {
	t.Helper()
	return testimage.New(t, fmt.Sprintf("-- layer --\nfile a %q\n", fmt.Sprint(n)))
}

// Without a tag nothing is replaced but the same image.
func TestLayoutKeepsUntagged(t *testing.T) {
	dir := t.TempDir() + "/x"
	var all []v1.Image
	for i := range 3 {
		all = append(all, numbered(t, i))
		mustWrite(t, "oci:"+dir, all[i], nil)
	}
	mustWrite(t, "oci:"+dir, all[0], nil) // once more
	for _, img := range all {
		mustOpen(t, "oci:"+dir+"@"+digestOf(t, img).String())
	}
	b, err := os.ReadFile(dir + "/" + indexFile)
	if err != nil || strings.Count(string(b), `"digest"`) != 3 {
		t.Errorf("index %s, %v", b, err)
	}
}

// An archive of images without a name is not replaced, whatever the name.
func TestArchiveKeepsUntagged(t *testing.T) {
	two := fileOf(t, tarOf(t, member{name: dockerManifest, body: `[{"Config":"a","Layers":[]},{"Config":"b","Layers":[]}]`}))
	for _, name := range []string{"", ":app:v1"} {
		_, err := Write(t.Context(), parse(t, "docker-archive:"+two+name), numbered(t, 0), nil, Options{})
		if !errors.Is(err, ErrDestination) {
			t.Errorf("two images, %q: %v", name, err)
		}
	}
	for _, kind := range []Kind{OCIArchive, DockerArchive} {
		file := string(kind) + ":" + t.TempDir() + "/x"
		mustWrite(t, file, numbered(t, 0), nil)
		mustWrite(t, file, numbered(t, 1), nil) // of the same name: none
		_, err := Write(t.Context(), parse(t, file+":app:v1"), numbered(t, 2), nil, Options{})
		if !errors.Is(err, ErrDestination) || !strings.Contains(err.Error(), "without a name") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// meanwhile is a layer that lets others work while it is read for the first time.
type meanwhile struct {
	v1.Layer
	once *sync.Once
	do   func()
}

func (l meanwhile) Compressed() (io.ReadCloser, error) {
	l.once.Do(l.do)
	return l.Layer.Compressed()
}

// lastLayerAfter is img with its last layer read only after do.
func lastLayerAfter(t *testing.T, img v1.Image, do func()) v1.Image {
	t.Helper()
	ls, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	ls[len(ls)-1] = meanwhile{ls[len(ls)-1], new(sync.Once), do}
	out, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), ls...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Another run makes the layout that this one is about to make.
func TestLayoutMadeMeanwhile(t *testing.T) {
	parent := t.TempDir()
	name := "oci:" + parent + "/x"
	img := lastLayerAfter(t, testimage.New(t, twoLayers), func() { mustWrite(t, name+":theirs", numbered(t, 1), nil) })
	mustWrite(t, name+":ours", img, nil)
	view(t, mustOpen(t, name+":ours").Image)
	view(t, mustOpen(t, name+":theirs").Image)
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
		t.Errorf("beside it: %v, %v", entries, err)
	}
}

// A blob that was there goes before the index is written, as when another run
// takes back what it had added.
func TestLayoutBlobTakenBack(t *testing.T) {
	dir := t.TempDir() + "/x"
	img := testimage.New(t, twoLayers)
	ls, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	shared, err := ls[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	first, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), ls[0])
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, "oci:"+dir+":first", first, nil)
	mustWrite(t, "oci:"+dir+":ours", lastLayerAfter(t, img, func() {
		if err := os.Remove(dir + "/" + sha256Dir + "/" + shared.Hex); err != nil {
			t.Error(err)
		}
	}), nil)
	view(t, mustOpen(t, "oci:"+dir+":ours").Image)
}
