package langpkg

import (
	"cmp"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// Gem is one installed gem of Ruby (guides.rubygems.org/specification-reference;
// rubygems' lib/rubygems/basic_specification.rb says where its files lie).
type Gem struct {
	Name, Version string
	// Home is the directory that it is installed in, as it is in the tree: it
	// holds specifications, gems and extensions.
	Home string
	// Spec is its gemspec.
	Spec string
	// Default says that it comes with Ruby, in Ruby's own directories.
	Default bool
	// Dirs are the directories of the tree that hold its files and no others:
	// its own and those of its compiled extensions. Debian's gems may have
	// none, and lie in vendor_ruby.
	Dirs []string
	// Files are those of a default gem, clean and relative to one of Ruby's
	// directories: "net/http.rb".
	Files []string
	// Dependencies are the gems that it needs at run time, sorted.
	Dependencies []string
}

// Gems reads the gems of one home, and those that Bundler has of git
// repositories in it, sorted by Spec. A gemspec is Ruby: what RubyGems writes
// is understood, and never run.
func (r *Reader) Gems(home string) ([]*Gem, error) {
	var found []*Gem
	for _, sub := range []string{"specifications", "specifications/default"} {
		for _, e := range r.tree.Children(path.Join(home, sub)) {
			if full, ok := strings.CutSuffix(e.Name(), gemspec); ok && e.Type != layers.Directory {
				g := &Gem{Home: home, Spec: e.Path, Default: sub != "specifications"}
				g.Dirs = r.gemDirs(home, full)
				found = append(found, g)
			}
		}
	}
	found = append(found, r.gitGems(home)...)
	var specs []string
	for _, g := range found {
		specs = append(specs, g.Spec)
	}
	if err := r.prefetch(specs); err != nil {
		return nil, err
	}
	for _, g := range found {
		b, err := r.file(g.Spec)
		if err != nil {
			return nil, err
		}
		r.readGemspec(g, string(b))
	}
	found = slices.DeleteFunc(found, func(g *Gem) bool { return g.Name == "" })
	slices.SortFunc(found, func(a, b *Gem) int { return cmp.Compare(a.Spec, b.Spec) })
	return found, nil
}

const gemspec = ".gemspec"

// maxPlatforms bounds the directories of extensions, one for each platform and
// version of Ruby's ABI: images have one.
const maxPlatforms = 16

// gemDirs are the directories of a gem by its full name, as far as they exist.
func (r *Reader) gemDirs(home, full string) []string {
	return slices.DeleteFunc(append(r.extensionDirs(path.Join(home, "extensions"), full), path.Join(home, "gems", full)), func(dir string) bool {
		e, ok := r.tree.Lookup(dir)
		return !ok || e.Type != layers.Directory
	})
}

func (r *Reader) extensionDirs(extensions, full string) []string {
	var out []string
	for _, platform := range r.tree.Children(extensions) {
		for _, abi := range r.tree.Children(platform.Path) {
			if len(out) < maxPlatforms {
				out = append(out, path.Join(abi.Path, full))
			}
		}
	}
	return out
}

// gitGems are gems that Bundler checked out: HOME/bundler/gems/NAME-COMMIT.
func (r *Reader) gitGems(home string) []*Gem {
	var out []*Gem
	gems := path.Join(home, "bundler/gems")
	for _, dir := range r.tree.Children(gems) {
		for _, e := range r.tree.Children(dir.Path) {
			if strings.HasSuffix(e.Name(), gemspec) {
				out = append(out, &Gem{Home: home, Spec: e.Path, Dirs: append(r.extensionDirs(path.Join(gems, "extensions"), dir.Name()), dir.Path)})
			}
		}
	}
	return out
}

// What a gemspec says, by line: those that RubyGems writes
// (Gem::Specification#to_ruby), and the literals of those that people write.
var (
	gemField      = regexp.MustCompile(`^\w+\.(name|version)\s*=\s*["']([^"']+)["']`)
	gemDependency = regexp.MustCompile(`^\w+\.add_(?:runtime_)?dependency[\s(]+(?:%q<|["'])([^>"']+)`)
	gemFiles      = regexp.MustCompile(`^\w+\.files\s*=\s*\[`)
)

// maxGemWord bounds the name of the variable that a gemspec is.
const maxGemWord = 64

// readGemspec takes what is needed of a gemspec. In the branch for RubyGems
// before 1.2, after else, what only developers need looks like the rest.
func (r *Reader) readGemspec(g *Gem, text string) {
	old := false
	for line := range strings.Lines(text) {
		switch word := strings.TrimSpace(line); {
		case word == "else":
			old = true
		case word == "end":
			old = false
		case old:
		default:
			r.readGemspecLine(g, line)
		}
	}
	slices.Sort(g.Dependencies)
	g.Dependencies = slices.Compact(g.Dependencies)
	g.Dependencies = g.Dependencies[:min(len(g.Dependencies), r.needs)]
	r.needs -= len(g.Dependencies)
}

func (r *Reader) readGemspecLine(g *Gem, line string) {
	line = strings.TrimSpace(line)
	if head := line[:min(len(line), maxGemWord)]; !strings.Contains(head, ".") {
		return // s.name, whatever s is called
	}
	if m := gemField.FindStringSubmatch(line); m != nil {
		if m[1] == "name" {
			g.Name = m[2]
		} else {
			g.Version = m[2]
		}
		return
	}
	if m := gemDependency.FindStringSubmatch(line); m != nil && len(g.Dependencies) < maxRequires {
		g.Dependencies = append(g.Dependencies, m[1])
		return
	}
	if !g.Default || !gemFiles.MatchString(line) {
		return
	}
	quoted := false
	for word := range strings.SplitSeq(line, `"`) { // no name of a file has a quote in it
		if quoted && word != "" && r.lines > 0 {
			r.lines--
			g.Files = append(g.Files, strings.TrimPrefix(inGem(word), "lib/"))
		}
		quoted = !quoted
	}
}

// inGem is a name as a path that leads nowhere above.
func inGem(name string) string {
	if fs.ValidPath(name) { // as nearly all are: nothing to make anew
		return name
	}
	return path.Join("/", name)[1:]
}

// GemHomes are the directories that p would be in if they were homes of gems,
// by its name alone.
func GemHomes(p string) []string {
	var out []string
	for _, sub := range []string{"/specifications", "/gems", "/extensions"} {
		for i := 0; ; {
			j := strings.Index(p[i:], sub)
			if j < 0 {
				break
			}
			if i += j; i > 0 && (len(p) == i+len(sub) || p[i+len(sub)] == '/') {
				out = append(out, p[:i])
			}
			i += len(sub)
		}
	}
	return out
}
