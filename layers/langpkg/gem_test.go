package langpkg

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// gemImage is cut from puma 5.6.5, sinatra 3.0.5 and Ruby 3.1.2 of Debian 12,
// with a gem as Bundler has it of a git repository.
const gemImage = `
-- content puma --
# -*- encoding: utf-8 -*-
# stub: puma 5.6.5 ruby lib
# stub: ext/puma_http11/extconf.rb

Gem::Specification.new do |s|
  s.name = "puma".freeze
  s.version = "5.6.5"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.require_paths = ["lib".freeze]
  s.files = ["bin/puma".freeze, "lib/puma.rb".freeze]
  s.installed_by_version = "3.3.15" if s.respond_to? :installed_by_version

  if s.respond_to? :specification_version then
    s.specification_version = 4
  end

  if s.respond_to? :add_runtime_dependency then
    s.add_runtime_dependency(%q<nio4r>.freeze, ["~> 2.0"])
    s.add_development_dependency(%q<rake>.freeze, [">= 0"])
  else
    s.add_dependency(%q<nio4r>.freeze, ["~> 2.0"])
    s.add_dependency(%q<rake>.freeze, [">= 0"])
  end
end
-- content json --
# stub: json 2.6.1 ruby lib
# stub: ext/json/ext/generator/extconf.rb ext/json/ext/parser/extconf.rb ext/json/extconf.rb

Gem::Specification.new do |s|
  s.name = "json".freeze
  s.version = "2.6.1"
  s.extensions = ["ext/json/extconf.rb".freeze]
  s.files = ["README.md".freeze, "json.rb".freeze, "json/ext/parser.so".freeze, "lib/json/version.rb".freeze, "../../../../etc/shadow".freeze]
end
-- content git --
Gem::Specification.new do |spec|
  spec.name        = 'shop-core'
  spec.version     = Shop::VERSION
  spec.files       = Dir["lib/**/*"]
  spec.add_dependency 'rack', '~> 2.2'
  spec.add_runtime_dependency("tilt")
  spec.add_development_dependency "minitest"
end
-- layer --
file h/specifications/puma-5.6.5.gemspec @puma
file h/specifications/default/json-2.6.1.gemspec @json
file h/specifications/notes.txt
file h/specifications/empty-1.gemspec
dir h/specifications/dir.gemspec
file h/gems/puma-5.6.5/lib/puma.rb
file h/extensions/x86_64-linux/3.1.0/puma-5.6.5/puma/puma_http11.so
file h/extensions/x86_64-linux/3.1.0/other-1/x.so
file h/bundler/gems/shop-1a2b3c/shop-core.gemspec @git
`

func TestGems(t *testing.T) {
	got, err := NewReader(open(t, gemImage)).Gems("/h")
	if err != nil {
		t.Fatal(err)
	}
	want := []*Gem{
		{
			Name: "shop-core", Home: "/h", Spec: "/h/bundler/gems/shop-1a2b3c/shop-core.gemspec",
			Dirs: []string{"/h/bundler/gems/shop-1a2b3c"}, Dependencies: []string{"rack", "tilt"},
		},
		{
			Name: "json", Version: "2.6.1", Home: "/h", Spec: "/h/specifications/default/json-2.6.1.gemspec", Default: true,
			Files: []string{"README.md", "json.rb", "json/ext/parser.so", "json/version.rb", "etc/shadow"}, // below Ruby's directories
		},
		{
			Name: "puma", Version: "5.6.5", Home: "/h", Spec: "/h/specifications/puma-5.6.5.gemspec",
			Dirs:         []string{"/h/extensions/x86_64-linux/3.1.0/puma-5.6.5", "/h/gems/puma-5.6.5"},
			Dependencies: []string{"nio4r"},
		},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("gems (-want +got):\n%s", d)
	}
}

func TestGemHomes(t *testing.T) {
	for p, want := range map[string][]string{
		"/usr/lib/ruby/gems/3.1.0/gems/rake-13.0.6/lib/rake.rb":                            {"/usr/lib/ruby", "/usr/lib/ruby/gems/3.1.0"},
		"/usr/share/rubygems-integration/all/specifications":                               {"/usr/share/rubygems-integration/all"},
		"/usr/share/rubygems-integration/all/specifications/default/x.gemspec":             {"/usr/share/rubygems-integration/all"},
		"/var/lib/gems/3.1.0/extensions/x86_64-linux/3.1.0/puma-5.6.5/puma/puma_http11.so": {"/var/lib", "/var/lib/gems/3.1.0"},
		"/var/lib/gems/3.1.0/gemsets/x":                                                    {"/var/lib"},
		"/app/vendor/bundle/ruby/3.1.0/bundler/gems/shop-1a2b3c/lib/shop.rb":               {"/app/vendor/bundle/ruby/3.1.0/bundler"},
		"/gems/x":                    nil,
		"/usr/lib/ruby/3.1.0/set.rb": nil,
	} {
		got := GemHomes(p)
		if d := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", p, d)
		}
	}
}

// What a gemspec can cost is bounded, and reading it is linear.
func TestHostileGemspecs(t *testing.T) {
	var many strings.Builder
	many.WriteString("s.name = \"a\"\n")
	for i := range 100_000 {
		fmt.Fprintf(&many, "s.add_dependency \"d%d\"\n", i)
	}
	for name, text := range map[string]string{
		"dependencies":      many.String(),
		"one line":          "s.name = \"a\"\ns.files = [" + strings.Repeat(`"x".freeze, `, 500_000),
		"quotes unclosed":   "s.name = \"a\"\ns.files = [" + strings.Repeat(`"`, 4_000_000),
		"spaces":            "s.name = \"a\"\n" + strings.Repeat(" ", 4_000_000) + "s.files",
		"not UTF-8":         "s.name = \"a\"\ns.add_dependency \"\xff\xfe\"\n",
		"a word with no =":  "s.name = \"a\"\n" + strings.Repeat("s", 4_000_000),
		"ends without else": "s.name = \"a\"\n" + strings.Repeat("end\nelse\n", 500_000),
	} {
		t.Run(name, func(t *testing.T) {
			r := &Reader{lines: maxLines, needs: maxNeeds}
			g := &Gem{Default: true}
			start := time.Now()
			r.readGemspec(g, text)
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			if g.Name != "a" || len(g.Dependencies) > maxRequires || len(g.Files) > maxLines {
				t.Errorf("name %q, %d dependencies, %d files", g.Name, len(g.Dependencies), len(g.Files))
			}
		})
	}
}
