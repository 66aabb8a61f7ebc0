package onbase

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// ErrUnfit says that an image cannot stand on a base, whatever the user would
// allow.
var ErrUnfit = errors.New("the image cannot stand on this base")

// Fit refuses (ErrUnfit) a base of another platform, and one whose C library
// is of another family than that of the source's kept programs. It says all
// that is wrong.
func Fit(source, base *layers.Tree, kept []string) error {
	if err := errors.Join(fitPlatform(source.Config(), base.Config()), fitLibrary(source, base, kept)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	return nil
}

func fitPlatform(source, base *v1.ConfigFile) error {
	if layers.SamePlatform(source, base) {
		return nil
	}
	return fmt.Errorf("the image is for %q and the base for %q; choose a base for the image's platform", layers.PlatformName(source), layers.PlatformName(base))
}

// fitLibrary compares the loader that kept programs name with those that the
// base has. A base without any (a static one) takes each.
func fitLibrary(source, base *layers.Tree, kept []string) error {
	have := map[string]string{} // family to a loader of the base
	for e := range base.All() {
		if f := elfdeps.LibcFamily(e.Path); f != "" && e.Type != layers.Directory && inLibraries(e.Path) && have[f] == "" {
			have[f] = e.Path
		}
	}
	if len(have) == 0 {
		return nil
	}
	kept = slices.Sorted(slices.Values(kept))
	for _, p := range kept {
		e, ok := source.Lookup(p)
		if !ok || e.Type != layers.Regular || e.Sniff().ELF == nil || e.Sniff().ELF.Soname != "" {
			continue // a C library is started by itself too
		}
		f := elfdeps.LibcFamily(e.Sniff().ELF.Interp)
		if f == "" || have[f] != "" {
			continue
		}
		for other, loader := range have {
			return fmt.Errorf("%q is a program for %s (%q) and the base has %s (%q); choose a base with %s, or a static one", p, f, e.Sniff().ELF.Interp, other, loader, f)
		}
	}
	return nil
}

// inLibraries says that a path is where the kernel is told to find a loader.
func inLibraries(p string) bool {
	for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
		if strings.HasPrefix(path.Base(dir), "lib") {
			return true
		}
	}
	return false
}
