package slim

import (
	"path"
	"regexp"
	"strings"

	"github.com/pare-image/pare/layers"
)

// ruleRuby keeps what belongs to a kept file of Ruby wherever it lies: of a
// gem, its gemspec and the marks by which RubyGems knows that its extensions
// were built (without them it ignores the gem); of Ruby's own library, the
// compiled module of the same name and rbconfig.rb; of an application, what
// Bundler reads.
var ruleRuby = rule{name: "ruby", visit: func(s *selection, e *layers.Entry) {
	if e.Type == layers.Directory || !isRuby(e.Name()) {
		return
	}
	r := Reason{Rule: "ruby", From: e.Path}
	if g := s.rubyEnv().gemOf(e.Path); g != nil {
		if !s.rubyGems[g] {
			s.rubyGems[g] = true
			s.add(g.Spec, r)
			for _, dir := range g.Dirs {
				s.addFiles(r, path.Join(dir, "gem.build_complete"))
			}
		}
		if !g.Default {
			return
		}
	}
	if m := rubyLibrary.FindStringSubmatch(e.Path); m != nil {
		s.addRubyLibrary(m[1], m[2], m[3], r)
		return
	}
	s.addBundle(path.Dir(e.Path), r)
}}

// isRuby says that Ruby loads a file by this name: code, an extension, or
// Rack's config.ru.
func isRuby(name string) bool {
	return strings.HasSuffix(name, ".rb") || strings.HasSuffix(name, ".so") || strings.HasSuffix(name, ".ru")
}

// rubyLibrary splits the path of a file of Ruby's own library: PREFIX/lib/ruby,
// the ABI's version, what is below.
var rubyLibrary = regexp.MustCompile(`^(.*/lib(?:64)?/ruby)/([0-9]+\.[0-9]+\.[0-9]+)/(.+)\.rb$`)

// addRubyLibrary keeps what comes with a module of Ruby's own library.
func (s *selection) addRubyLibrary(lib, abi, module string, r Reason) {
	for _, dir := range s.rubyDirs(lib, abi) {
		s.addFiles(r, path.Join(dir, module+".so"), path.Join(dir, "rbconfig.rb"))
	}
}

// bundleFiles are what Bundler reads of an application
// (bundler.io/man/bundle-config.1.html).
var bundleFiles = []string{"Gemfile", "Gemfile.lock", "gems.rb", "gems.locked", ".bundle/config"}

// addBundle keeps what Bundler reads of an application with code in dir: the
// nearest Gemfile, what was resolved by it, and the local configuration.
func (s *selection) addBundle(dir string, r Reason) {
	for ; dir != "/" && !s.rubyApps[dir]; dir = path.Dir(dir) {
		s.rubyApps[dir] = true
		if !s.has(path.Join(dir, "Gemfile")) && !s.has(path.Join(dir, "gems.rb")) {
			continue
		}
		for _, name := range bundleFiles {
			s.addFiles(r, path.Join(dir, name))
		}
		return
	}
}
