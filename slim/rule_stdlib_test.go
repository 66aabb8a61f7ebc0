package slim

import (
	"strings"
	"testing"
)

func TestRuleStdlib(t *testing.T) {
	image := `
-- content status --
Package: lib-python
Status: install ok installed
Architecture: all
Version: 1

Package: lib-more
Status: install ok installed
Architecture: all
Version: 1

Package: perl-modules
Status: install ok installed
Architecture: all
Version: 1

-- layer --
file var/lib/dpkg/status @status
file var/lib/dpkg/info/lib-python.list "/usr/lib/python3.11/os.py\n/usr/lib/python3.11/csv.py\n/usr/lib/python3.11/lib-dynload/_csv.so\n/usr/share/doc/lib-python/NEWS\n"
file var/lib/dpkg/info/lib-more.list "/usr/lib/python3.11/config/libpython.a\n/usr/lib/python3/dist-packages/extra.py\n"
file var/lib/dpkg/info/perl-modules.list "/usr/share/perl/5.36.0/CPAN.pm\n/usr/share/perl/5.36.0/Text/Wrap.pm\n"
file usr/lib/python3.11/os.py
file usr/lib/python3.11/csv.py
file usr/lib/python3.11/__pycache__/csv.cpython-311.pyc
file usr/lib/python3.11/lib-dynload/_csv.so
file usr/lib/python3.11/config/libpython.a
file usr/lib/python3.11/unowned.py
file usr/lib/python3.11/unused.py
file usr/lib/python3/dist-packages/extra.py
file usr/share/doc/lib-python/NEWS
file usr/share/perl/5.36.0/CPAN.pm
file usr/share/perl/5.36.0/Text/Wrap.pm
symlink usr/share/perl/5.36 -> 5.36.0
`
	const database = "/var/lib/dpkg/status package-database\n/var/lib/dpkg/info/lib-python.list package-database /usr/lib/python3.11/os.py\n"
	runRuleCases(t, []ruleCase{
		{
			name: "modules of the package that the workload used, no other's", image: image,
			opened: "/usr/lib/python3.11/os.py /usr/lib/python3.11/unowned.py", options: Options{Granularity: GranularityAuto},
			want: `
/usr/lib/python3.11/os.py access
/usr/lib/python3.11/unowned.py access
/usr/lib/python3.11/csv.py stdlib /usr/lib/python3.11/os.py
/usr/lib/python3.11/__pycache__/csv.cpython-311.pyc python /usr/lib/python3.11/csv.py
/usr/lib/python3.11/lib-dynload/_csv.so stdlib /usr/lib/python3.11/os.py
/var/lib/dpkg/status package-database
/var/lib/dpkg/info/lib-python.list package-database /usr/lib/python3.11/csv.py
`,
		},
		{
			name: "through the link of a version", image: image,
			opened: "/usr/share/perl/5.36/Text/Wrap.pm", options: Options{Granularity: GranularityAuto},
			want: `
/usr/share/perl/5.36 link /usr/share/perl/5.36.0/Text/Wrap.pm
/usr/share/perl/5.36.0/Text/Wrap.pm access
/usr/share/perl/5.36.0/CPAN.pm stdlib /usr/share/perl/5.36.0/Text/Wrap.pm
/var/lib/dpkg/status package-database
/var/lib/dpkg/info/perl-modules.list package-database /usr/share/perl/5.36.0/CPAN.pm
`,
		},
		{
			name: "Perl's own where Fedora has it, beside what is installed", image: `
-- content status --
Package: perl-libs
Status: install ok installed
Architecture: amd64
Version: 1

-- layer --
file var/lib/dpkg/status @status
file var/lib/dpkg/info/perl-libs.list "/usr/lib64/perl5/Config.pm\n/usr/share/perl5/strict.pm\n/usr/share/perl5/sort.pm\n"
file usr/lib64/perl5/Config.pm
file usr/share/perl5/strict.pm
file usr/share/perl5/sort.pm
file usr/share/perl5/vendor_perl/Other.pm
`,
			opened: "/usr/share/perl5/strict.pm", options: Options{Granularity: GranularityAuto},
			want: `
/usr/share/perl5/strict.pm access
/usr/share/perl5/sort.pm stdlib /usr/share/perl5/strict.pm
/usr/lib64/perl5/Config.pm stdlib /usr/share/perl5/strict.pm
/var/lib/dpkg/status package-database
/var/lib/dpkg/info/perl-libs.list package-database /usr/lib64/perl5/Config.pm
`,
		},
		{
			name: "one that no package owns, in no application directory: without tests and what is installed in it", image: `
-- layer --
file usr/local/python3/lib/python3.8/os.py
file usr/local/python3/lib/python3.8/json/tool.py
file usr/local/python3/lib/python3.8/json/tests/x.py
file usr/local/python3/lib/python3.8/test/x.py
file usr/local/python3/lib/python3.8/config-3.8-x86_64-linux-gnu/libpython3.8.a
file usr/local/python3/lib/python3.8/site-packages/other.py
file usr/local/python3/include/x.h
file root/.rbenv/versions/2.7.8/lib/ruby/2.7.0/set.rb
file root/.rbenv/versions/2.7.8/lib/ruby/2.7.0/csv.rb
file root/.rbenv/versions/2.7.8/lib/ruby/gems/2.7.0/gems/other-1/x.rb
file usr/local/ruby/lib/ruby/gems/2.7.0/gems/used-1/x.rb
file usr/local/ruby/lib/ruby/gems/2.7.0/gems/other-1/x.rb
`,
			opened:  "/usr/local/python3/lib/python3.8/os.py /root/.rbenv/versions/2.7.8/lib/ruby/2.7.0/set.rb /usr/local/ruby/lib/ruby/gems/2.7.0/gems/used-1/x.rb",
			options: Options{Granularity: GranularityAuto},
			want: `
/usr/local/python3/lib/python3.8/os.py access
/usr/local/python3/lib/python3.8/json stdlib /usr/local/python3/lib/python3.8/os.py
/usr/local/python3/lib/python3.8/json/tool.py stdlib /usr/local/python3/lib/python3.8/os.py
/root/.rbenv/versions/2.7.8/lib/ruby/2.7.0/set.rb access
/root/.rbenv/versions/2.7.8/lib/ruby/2.7.0/csv.rb stdlib /root/.rbenv/versions/2.7.8/lib/ruby/2.7.0/set.rb
/usr/local/ruby/lib/ruby/gems/2.7.0/gems/used-1/x.rb access
`,
		},
		{
			name: "only what was touched at file", image: image,
			opened: "/usr/lib/python3.11/os.py", options: Options{Granularity: GranularityFile},
			want: "/usr/lib/python3.11/os.py access\n" + database,
		},
		{
			name: "what was only looked at was not used", image: image,
			profile: accessed("/usr/lib/python3.11/os.py", "stat"), options: Options{Granularity: GranularityAuto},
			want: "/usr/lib/python3.11/os.py access\n" + database,
		},
	})
}

func TestInAnyStdlib(t *testing.T) {
	for p, want := range map[string]bool{
		"/usr/lib/python3.11/csv.py":                               true,
		"/usr/lib64/python3.9/lib-dynload/_csv.so":                 true,
		"/usr/lib/python2.7/csv.py":                                true,
		"/usr/lib/python2.7/dist-packages/six.py":                  false,
		"/usr/lib/python3/dist-packages/csv.py":                    false,
		"/usr/lib/python3.12/site-packages/x.py":                   false,
		"/usr/lib/ruby/3.1.0/csv.rb":                               true,
		"/usr/lib/x86_64-linux-gnu/ruby/3.1.0/date_core.so":        true,
		"/usr/lib/ruby/vendor_ruby/rack.rb":                        false,
		"/usr/lib/ruby/gems/3.1.0/gems/rbs-2.0/x.rb":               true,
		"/usr/share/rubygems-integration/all/gems/rack-2/rack.rb":  false,
		"/usr/share/perl/5.36.0/CPAN.pm":                           true,
		"/usr/lib/aarch64-linux-gnu/perl/5.36.0/Encode.pm":         true,
		"/usr/lib/x86_64-linux-gnu/perl-base/strict.pm":            true,
		"/usr/share/perl5/core_perl/CPAN.pm":                       true,
		"/usr/share/perl5/JSON.pm":                                 false,
		"/usr/lib/x86_64-linux-gnu/perl5/5.36/JSON/XS.pm":          false,
		"/usr/share/perl5/vendor_perl/JSON.pm":                     false,
		"/usr/lib/x86_64-linux-gnu/ruby/vendor_ruby/3.1.0/puma.so": false,
	} {
		if got := inAnyStdlib(p); got != want {
			t.Errorf("%s: %v", p, got)
		}
	}
}

// Old images have Python 2, some of them beside Python 3.
func TestPython2(t *testing.T) {
	runRuleCases(t, []ruleCase{{
		name: "its library, codecs and requirements", image: `
-- content status --
Package: libpython2.7-stdlib
Status: install ok installed
Architecture: amd64
Version: 2.7.18-8

-- layer --
file var/lib/dpkg/status @status
file var/lib/dpkg/info/libpython2.7-stdlib.list "/usr/lib/python2.7/os.py\n/usr/lib/python2.7/json/tool.py\n"
file usr/lib/python2.7/os.py
file usr/lib/python2.7/os.pyc
file usr/lib/python2.7/json/tool.py
file usr/lib/python2.7/encodings/utf_8.py
file usr/lib/python2.7/encodings/cp437.py
file usr/lib/python2.7/dist-packages/six.py
file usr/lib/python2.7/dist-packages/six.egg-info/PKG-INFO "Name: six\nVersion: 1\n"
file usr/lib/python2.7/dist-packages/six.egg-info/requires.txt "[:python_version < '3.4']\nenum34\n"
file usr/lib/python2.7/dist-packages/enum34.py
file usr/lib/python2.7/dist-packages/enum34.egg-info/PKG-INFO "Name: enum34\nVersion: 1\n"
file usr/lib/python3.9/os.py
`,
		opened: "/usr/lib/python2.7/os.py /usr/lib/python2.7/encodings/utf_8.py /usr/lib/python2.7/dist-packages/six.py /usr/lib/python3.9/os.py", options: Options{Granularity: GranularityAuto},
		want: strings.NewReplacer("$P/", "/usr/lib/python2.7/").Replace(`
$P/os.py access
$P/os.pyc python $P/os.py
$P/json/tool.py stdlib $P/os.py
$P/encodings/utf_8.py access
$P/encodings/cp437.py group:python $P/encodings/utf_8.py
$P/dist-packages/six.py access
$P/dist-packages/six.egg-info/PKG-INFO pip $P/dist-packages/six.py
$P/dist-packages/six.egg-info/requires.txt pip $P/dist-packages/six.py
$P/dist-packages/enum34.py pip $P/dist-packages/six.py
$P/dist-packages/enum34.egg-info/PKG-INFO pip $P/dist-packages/six.py
/usr/lib/python3.9/os.py access
/var/lib/dpkg/status package-database
/var/lib/dpkg/info/libpython2.7-stdlib.list package-database $P/json/tool.py
`),
	}})
}
