package slim

import (
	"strings"
	"testing"
)

// rubyApp is cut from Debian 12's libruby3.1, ruby-sinatra, ruby-rack, puma,
// ruby-nio4r and ruby-rubygems, with ruby-tilt as Debian 11 has it: in
// vendor_ruby.
const rubyApp = `
-- content status --
Package: ruby-tilt
Status: install ok installed
Architecture: all
Version: 2.0.10-2

Package: ruby-rubygems
Status: install ok installed
Architecture: all
Version: 3.3.15-2
-- content sinatra --
# stub: sinatra 3.0.5 ruby lib
Gem::Specification.new do |s|
  s.name = "sinatra".freeze
  s.version = "3.0.5"
  if s.respond_to? :add_runtime_dependency then
    s.add_runtime_dependency(%q<rack>.freeze, ["~> 2.2", ">= 2.2.4"])
    s.add_runtime_dependency(%q<tilt>.freeze, ["~> 2.0"])
    s.add_runtime_dependency(%q<missing>.freeze, ["~> 2.0"])
    s.add_development_dependency(%q<minitest>.freeze, ["~> 2"])
  else
    s.add_dependency(%q<minitest>.freeze, ["~> 2"])
  end
end
-- content json --
Gem::Specification.new do |s|
  s.name = "json".freeze
  s.version = "2.6.1"
  s.files = ["README.md".freeze, "json.rb".freeze, "json/add/set.rb".freeze, "json/ext/parser.so".freeze]
end
-- content puma --
Gem::Specification.new do |s|
  s.name = "puma".freeze
  s.version = "5.6.5"
  s.add_runtime_dependency(%q<nio4r>.freeze, ["~> 2.0"])
end
-- layer --
file var/lib/dpkg/status @status
file var/lib/dpkg/info/ruby-tilt.list "/usr/lib/ruby/vendor_ruby/tilt.rb\n/usr/lib/ruby/vendor_ruby/tilt/erb.rb\n/usr/share/rubygems-integration/all/specifications/tilt-2.0.10.gemspec\n/usr/bin/tilt\n"
file var/lib/dpkg/info/ruby-rubygems.list "/usr/lib/ruby/vendor_ruby/rubygems.rb\n/usr/lib/ruby/vendor_ruby/rubygems/doctor.rb\n/usr/share/rubygems-integration/all/specifications/rubygems-update-3.3.15.gemspec\n"
file usr/lib/ruby/vendor_ruby/rubygems.rb
file usr/lib/ruby/vendor_ruby/rubygems/doctor.rb
file usr/lib/ruby/vendor_ruby/tilt.rb
file usr/lib/ruby/vendor_ruby/tilt/erb.rb
file usr/bin/tilt 0755
file usr/share/rubygems-integration/all/specifications/tilt-2.0.10.gemspec "s.name = \"tilt\".freeze\n"
file usr/share/rubygems-integration/all/specifications/rubygems-update-3.3.15.gemspec "s.name = \"rubygems-update\".freeze\n"
file usr/share/rubygems-integration/all/specifications/sinatra-3.0.5.gemspec @sinatra
file usr/share/rubygems-integration/all/specifications/rack-2.2.22.gemspec "s.name = \"rack\".freeze\n"
file usr/share/rubygems-integration/all/specifications/minitest-5.gemspec "s.name = \"minitest\".freeze\n"
file usr/share/rubygems-integration/all/gems/minitest-5/lib/minitest.rb
file usr/share/rubygems-integration/all/gems/sinatra-3.0.5/VERSION
file usr/share/rubygems-integration/all/gems/sinatra-3.0.5/lib/sinatra.rb
file usr/share/rubygems-integration/all/gems/sinatra-3.0.5/lib/sinatra/images/404.png
file usr/share/rubygems-integration/all/gems/rack-2.2.22/lib/rack.rb
file usr/lib/x86_64-linux-gnu/rubygems-integration/3.1.0/specifications/puma-5.6.5.gemspec @puma
file usr/lib/x86_64-linux-gnu/rubygems-integration/3.1.0/extensions/x86_64-linux/3.1.0/puma-5.6.5/gem.build_complete
file usr/lib/x86_64-linux-gnu/rubygems-integration/3.1.0/extensions/x86_64-linux/3.1.0/puma-5.6.5/puma/puma_http11.so
file usr/lib/x86_64-linux-gnu/rubygems-integration/3.1.0/gems/puma-5.6.5/lib/puma.rb
file usr/lib/x86_64-linux-gnu/rubygems-integration/3.1.0/gems/puma-5.6.5/lib/puma/cluster.rb
file usr/lib/x86_64-linux-gnu/rubygems-integration/3.1.0/specifications/nio4r-2.5.8.gemspec "s.name = \"nio4r\".freeze\n"
file usr/lib/x86_64-linux-gnu/rubygems-integration/3.1.0/gems/nio4r-2.5.8/lib/nio.rb
file var/lib/gems/3.1.0/specifications/nio4r-2.6.0.gemspec "s.name = \"nio4r\".freeze\n"
file var/lib/gems/3.1.0/gems/nio4r-2.6.0/lib/nio.rb
file usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec @json
dir usr/lib/ruby/gems/3.1.0/gems/json-2.6.1
file usr/lib/ruby/3.1.0/json.rb
file usr/lib/ruby/3.1.0/json/add/set.rb
file usr/lib/ruby/3.1.0/openssl.rb
file usr/lib/ruby/3.1.0/openssl/ssl.rb
file usr/lib/x86_64-linux-gnu/ruby/3.1.0/json/ext/parser.so
file usr/lib/x86_64-linux-gnu/ruby/3.1.0/openssl.so
file usr/lib/x86_64-linux-gnu/ruby/3.1.0/rbconfig.rb
file usr/shop/config.ru
file usr/shop/Gemfile
file usr/shop/Gemfile.lock
file usr/shop/.bundle/config
file usr/shop/lib/models/item.rb
file usr/shop/lib/models/other.rb
`

// rubyPaths writes out what fixtures abbreviate: gems for all (A), of this
// architecture (X), extensions (E), Ruby's own library (R) and its compiled
// part (L).
var rubyPaths = strings.NewReplacer(
	"A/", "/usr/share/rubygems-integration/all/",
	"E/", "/usr/lib/x86_64-linux-gnu/rubygems-integration/3.1.0/extensions/x86_64-linux/3.1.0/",
	"X/", "/usr/lib/x86_64-linux-gnu/rubygems-integration/3.1.0/",
	"R/", "/usr/lib/ruby/3.1.0/",
	"L/", "/usr/lib/x86_64-linux-gnu/ruby/3.1.0/",
)

func TestRuleRuby(t *testing.T) {
	runRuleCases(t, []ruleCase{
		{
			name: "of a gem, its gemspec and the mark of built extensions", image: rubyApp,
			opened: rubyPaths.Replace("X/gems/puma-5.6.5/lib/puma.rb"),
			want: rubyPaths.Replace(`
X/gems/puma-5.6.5/lib/puma.rb access
X/specifications/puma-5.6.5.gemspec ruby X/gems/puma-5.6.5/lib/puma.rb
E/puma-5.6.5/gem.build_complete ruby X/gems/puma-5.6.5/lib/puma.rb
`),
		},
		{
			name: "of Ruby's library, the compiled module, rbconfig.rb, and the gemspec of a default gem", image: rubyApp,
			opened: rubyPaths.Replace("R/openssl.rb R/json.rb /usr/lib/ruby/gems/3.1.0/specifications"),
			want: rubyPaths.Replace(`
R/openssl.rb access
L/openssl.so ruby R/openssl.rb
L/rbconfig.rb ruby R/json.rb
R/json.rb access
/usr/lib/ruby/gems/3.1.0/specifications access
/usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec ruby R/json.rb
`),
		},
		{
			name: "Bundler's files of the nearest Gemfile", image: rubyApp,
			opened: "/usr/shop/lib/models/item.rb /usr/shop/config.ru",
			want: `
/usr/shop/lib/models/item.rb access
/usr/shop/config.ru access
/usr/shop/Gemfile ruby /usr/shop/config.ru
/usr/shop/Gemfile.lock ruby /usr/shop/config.ru
/usr/shop/.bundle/config ruby /usr/shop/config.ru
`,
		},
	})
}

func TestRuleGem(t *testing.T) {
	auto := Options{Granularity: GranularityAuto}
	dpkg := `
/var/lib/dpkg/status package-database
`
	runRuleCases(t, []ruleCase{
		{
			name: "whole, with the gems that it needs, wherever they lie, and not those of developers", image: rubyApp, options: auto,
			opened: rubyPaths.Replace("A/gems/sinatra-3.0.5/lib/sinatra.rb"),
			want: rubyPaths.Replace(`
A/gems/sinatra-3.0.5/lib/sinatra.rb access
A/gems/sinatra-3.0.5/VERSION gem A/gems/sinatra-3.0.5/lib/sinatra.rb
A/gems/sinatra-3.0.5/lib/sinatra gem A/gems/sinatra-3.0.5/lib/sinatra.rb
A/gems/sinatra-3.0.5/lib/sinatra/images gem A/gems/sinatra-3.0.5/lib/sinatra.rb
A/gems/sinatra-3.0.5/lib/sinatra/images/404.png gem A/gems/sinatra-3.0.5/lib/sinatra.rb
A/specifications/sinatra-3.0.5.gemspec gem A/gems/sinatra-3.0.5/lib/sinatra.rb
A/gems/rack-2.2.22 gem A/gems/sinatra-3.0.5/lib/sinatra.rb
A/gems/rack-2.2.22/lib gem A/gems/sinatra-3.0.5/lib/sinatra.rb
A/gems/rack-2.2.22/lib/rack.rb gem A/gems/sinatra-3.0.5/lib/sinatra.rb
A/specifications/rack-2.2.22.gemspec gem A/gems/sinatra-3.0.5/lib/sinatra.rb
A/specifications/tilt-2.0.10.gemspec gem A/gems/sinatra-3.0.5/lib/sinatra.rb
/usr/lib/ruby/vendor_ruby/tilt.rb gem A/gems/sinatra-3.0.5/lib/sinatra.rb
/usr/lib/ruby/vendor_ruby/tilt/erb.rb gem A/gems/sinatra-3.0.5/lib/sinatra.rb
/var/lib/dpkg/info/ruby-tilt.list package-database /usr/lib/ruby/vendor_ruby/tilt.rb
`) + dpkg,
		},
		{
			name: "of two versions that it could need, the one that was used", image: rubyApp, options: auto,
			opened: rubyPaths.Replace("/var/lib/gems/3.1.0/gems/nio4r-2.6.0/lib/nio.rb E/puma-5.6.5/puma/puma_http11.so X/specifications/nio4r-2.5.8.gemspec"),
			want: rubyPaths.Replace(`
/var/lib/gems/3.1.0/gems/nio4r-2.6.0/lib/nio.rb access
/var/lib/gems/3.1.0/specifications/nio4r-2.6.0.gemspec gem /var/lib/gems/3.1.0/gems/nio4r-2.6.0/lib/nio.rb
E/puma-5.6.5/puma/puma_http11.so access
E/puma-5.6.5/gem.build_complete gem E/puma-5.6.5/puma/puma_http11.so
X/gems/puma-5.6.5 gem E/puma-5.6.5/puma/puma_http11.so
X/gems/puma-5.6.5/lib gem E/puma-5.6.5/puma/puma_http11.so
X/gems/puma-5.6.5/lib/puma gem E/puma-5.6.5/puma/puma_http11.so
X/gems/puma-5.6.5/lib/puma.rb gem E/puma-5.6.5/puma/puma_http11.so
X/gems/puma-5.6.5/lib/puma/cluster.rb gem E/puma-5.6.5/puma/puma_http11.so
X/specifications/puma-5.6.5.gemspec gem E/puma-5.6.5/puma/puma_http11.so
X/specifications/nio4r-2.5.8.gemspec access
`),
		},
		{
			name: "a gem that comes with Ruby, in Ruby's directories; RubyGems itself is always loaded", image: rubyApp, options: auto,
			opened: rubyPaths.Replace("R/json.rb /usr/lib/ruby/vendor_ruby/rubygems.rb A/specifications/sinatra-3.0.5.gemspec"),
			want: rubyPaths.Replace(`
R/json.rb access
R/json/add/set.rb gem R/json.rb
L/json/ext/parser.so gem R/json.rb
L/rbconfig.rb ruby R/json.rb
/usr/lib/ruby/gems/3.1.0/gems/json-2.6.1 gem R/json.rb
/usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec gem R/json.rb
/usr/lib/ruby/vendor_ruby/rubygems.rb access
A/specifications/rubygems-update-3.3.15.gemspec ruby /usr/lib/ruby/vendor_ruby/rubygems.rb
A/specifications/sinatra-3.0.5.gemspec access
/var/lib/dpkg/info/ruby-rubygems.list package-database /usr/lib/ruby/vendor_ruby/rubygems.rb
`) + dpkg,
		},
	})
}
