package slim

import (
	"cmp"
	"path"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/langpkg"
)

// rubyEnv is the gems of an image of which the workload used or looked at
// one. Rules share it; it is made when one first asks.
type rubyEnv struct {
	gems   []*langpkg.Gem
	byName map[string][]*langpkg.Gem
	files  map[*langpkg.Gem][]string // those outside of the gem's directories
	ofDir  map[string]*langpkg.Gem
	ofFile map[string]*langpkg.Gem
}

// rubyEnv finds it once.
func (s *selection) rubyEnv() *rubyEnv {
	if s.ruby != nil {
		return s.ruby
	}
	env := &rubyEnv{
		byName: map[string][]*langpkg.Gem{}, files: map[*langpkg.Gem][]string{},
		ofDir: map[string]*langpkg.Gem{}, ofFile: map[string]*langpkg.Gem{},
	}
	s.ruby = env
	for _, home := range s.gemHomes() {
		gems, err := s.langs.Gems(home)
		s.err = cmp.Or(s.err, err)
		env.gems = append(env.gems, gems...)
	}
	for _, g := range env.gems {
		if len(env.byName[g.Name]) < maxNamesakes {
			env.byName[g.Name] = append(env.byName[g.Name], g)
		}
		for _, dir := range g.Dirs {
			env.ofDir[dir] = g
		}
		env.files[g] = s.gemFiles(g)
		for _, f := range env.files[g] {
			env.ofFile[f] = g
		}
	}
	return env
}

// gemHomes are the homes of gems that were touched, and then those besides in
// which Ruby of distributions finds gems (gem environment gempath; Debian's
// debian/patches of ruby and rubygems-integration).
func (s *selection) gemHomes() []string {
	maybe := map[string]bool{}
	for _, p := range s.touchedIn {
		for _, home := range langpkg.GemHomes(p) {
			maybe[home] = true
		}
	}
	homes := s.homesOf(sortedKeys(maybe))
	if len(homes) == 0 {
		return nil
	}
	parents := []string{"/var/lib/gems", "/usr/share/rubygems-integration"}
	for _, root := range s.libraryRoots() {
		parents = append(parents, path.Join(root, "ruby/gems"), path.Join(root, "rubygems-integration"))
	}
	for _, parent := range parents {
		for _, e := range s.tree.Children(parent) {
			homes = append(homes, e.Path)
		}
	}
	return s.homesOf(homes)
}

// homesOf are the directories that hold gemspecs, as they are in the tree.
func (s *selection) homesOf(dirs []string) []string {
	var out []string
	for _, dir := range s.realDirs(dirs) {
		if e, ok := s.tree.Lookup(path.Join(dir, "specifications")); ok && e.Type == layers.Directory {
			out = append(out, dir)
		}
	}
	return out
}

// gemFiles are the files of a gem that has no directory of its own: those that
// a default gem names, in Ruby's directories; those in vendor_ruby of the OS
// package that brought the gemspec.
func (s *selection) gemFiles(g *langpkg.Gem) []string {
	var out []string
	if g.Default {
		for _, dir := range s.rubyDirs(path.Dir(path.Dir(g.Home)), path.Base(g.Home)) {
			for _, f := range g.Files {
				if e, ok := s.tree.Lookup(path.Join(dir, f)); ok && e.Type != layers.Directory {
					out = append(out, e.Path)
				}
			}
		}
		return out
	}
	owner, owned := s.packages.Owner(g.Spec)
	if !owned {
		return nil
	}
	for _, p := range owner.Paths() {
		if e, ok := s.tree.Lookup(p); ok && e.Type != layers.Directory && strings.Contains(p, "/vendor_ruby/") {
			out = append(out, p)
		}
	}
	return out
}

// rubyDirs are the directories of Ruby's own library of an ABI ("3.1.0"):
// PREFIX/lib/ruby/ABI, those of platforms in it, and Debian's multiarch ones.
func (s *selection) rubyDirs(lib, abi string) []string {
	if dirs, ok := s.rubyLibs[path.Join(lib, abi)]; ok {
		return dirs
	}
	dirs := []string{path.Join(lib, abi)}
	for _, e := range s.tree.Children(dirs[0]) {
		if e.Type == layers.Directory && strings.Contains(e.Name(), "-linux") {
			dirs = append(dirs, e.Path)
		}
	}
	for _, e := range s.tree.Children(path.Dir(lib)) {
		if e.Type == layers.Directory && strings.Contains(e.Name(), "-linux-") {
			dirs = append(dirs, path.Join(e.Path, "ruby", abi))
		}
	}
	dirs = s.realDirs(dirs)
	s.rubyLibs[path.Join(lib, abi)] = dirs
	return dirs
}

// gemOf is the gem that a file is of; nil for none.
func (env *rubyEnv) gemOf(p string) *langpkg.Gem {
	if len(env.gems) == 0 {
		return nil
	}
	if g := env.ofFile[p]; g != nil {
		return g
	}
	for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
		if g := env.ofDir[dir]; g != nil {
			return g
		}
	}
	return nil
}
