package reference

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

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
