package rebase

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckPlatform(t *testing.T) {
	image := func(json string) string { return "-- image --\n" + json + "\n-- layer --\nfile a\n" }
	amd64 := image(`{"os":"linux","architecture":"amd64"}`)
	for _, c := range []struct{ name, app, base, want string }{
		{"the same", amd64, amd64, ""},
		{"another machine", amd64, image(`{"os":"linux","architecture":"arm64"}`), "the image is for linux/amd64, the new base for linux/arm64"},
		{"another system", amd64, image(`{"os":"windows","architecture":"amd64"}`), "the image is for linux/amd64, the new base for windows/amd64"},
		{"another variant", image(`{"os":"linux","architecture":"arm","variant":"v7"}`), image(`{"os":"linux","architecture":"arm","variant":"v6"}`), "the image is for linux/arm/v7, the new base for linux/arm/v6"},
		{"a variant that one does not name", image(`{"os":"linux","architecture":"arm64"}`), image(`{"os":"linux","architecture":"arm64","variant":"v8"}`), ""},
		{"another version", image(`{"os":"windows","architecture":"amd64","os.version":"10.0.1"}`), image(`{"os":"windows","architecture":"amd64","os.version":"10.0.2"}`), "the image is for windows/amd64:10.0.1, the new base for windows/amd64:10.0.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scene{app: openTree(t, c.app), base: openTree(t, c.base)}
			fs, err := checkPlatform.run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, f := range sortFindings(fs, nil) {
				got.WriteString(f.Text)
			}
			if diff := cmp.Diff(c.want, got.String()); diff != "" {
				t.Errorf("finding (-want +got):\n%s", diff)
			}
		})
	}
}
