package slim

import (
	"cmp"
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
)

// phpEnv is what Composer installed, as far as the workload used it. Rules
// share it; it is made when one first asks.
type phpEnv struct {
	vendors  []string // sorted
	packages map[string][]*langpkg.Composer
	of       map[string]composerPackage   // by directory
	byName   map[string][]composerPackage // by vendor, NUL, name
}

// composerPackage is a package in its vendor directory.
type composerPackage struct {
	vendor string
	*langpkg.Composer
}

// phpEnv finds it once.
func (s *selection) phpEnv() *phpEnv {
	if s.php != nil {
		return s.php
	}
	env := &phpEnv{packages: map[string][]*langpkg.Composer{}, of: map[string]composerPackage{}, byName: map[string][]composerPackage{}}
	s.php = env
	maybe := map[string]bool{}
	for _, p := range s.touchedIn {
		for _, vendor := range langpkg.ComposerVendors(p) {
			maybe[vendor] = true
		}
	}
	for _, vendor := range s.realDirs(sortedKeys(maybe)) {
		all, err := s.langs.Composer(vendor)
		s.err = cmp.Or(s.err, err)
		if len(all) > 0 {
			env.vendors = append(env.vendors, vendor)
			env.packages[vendor] = all
		}
		for _, c := range all {
			env.note(composerPackage{vendor, c})
		}
	}
	return env
}

func (env *phpEnv) note(c composerPackage) {
	if c.Dir != "" {
		env.of[c.Dir] = c
	}
	for _, name := range append([]string{c.Name}, c.Provides...) {
		if key := c.vendor + "\x00" + name; len(env.byName[key]) < maxNamesakes {
			env.byName[key] = append(env.byName[key], c)
		}
	}
}

// composerOf is the package that a file is of; false for none.
func (env *phpEnv) composerOf(p string) (composerPackage, bool) {
	if len(env.vendors) == 0 {
		return composerPackage{}, false
	}
	for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
		if c, ok := env.of[dir]; ok {
			return c, true
		}
	}
	return composerPackage{}, false
}

// vendorOf is the vendor directory whose autoloader loads a file; "" for none.
func (env *phpEnv) vendorOf(p string) string {
	if c, ok := env.composerOf(p); ok {
		return c.vendor
	}
	for _, vendor := range env.vendors {
		if below(p, vendor) {
			return vendor
		}
	}
	return ""
}

// phpLibrary is where Debian installs libraries of PHP.
const phpLibrary = "/usr/share/php"

// phpFiles are what an OS package has of a library of PHP.
func (s *selection) phpFiles(paths []string) []string {
	var out []string
	for _, p := range paths {
		if e, ok := s.tree.Lookup(p); ok && e.Type != layers.Directory && strings.HasPrefix(p, phpLibrary+"/") {
			out = append(out, p)
		}
	}
	return out
}
