package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// prepareBenchRecord makes the images that testdata/benchrecord starts, and
// says where they are: NAME=REFERENCE, one a line.
func prepareBenchRecord(ctx context.Context, b *bed) error {
	var out strings.Builder
	for _, name := range []string{"nginx", "python", "node"} {
		a := apps[name]
		s, err := b.makeSource(ctx, &a)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s=%s\n", name, s.ociRef())
	}
	return os.WriteFile(filepath.Join(b.run, "bench-record.images"), []byte(out.String()), 0o644)
}
