package rebase

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckLanguages(t *testing.T) {
	const python, perl, ruby = "file usr/bin/python3.11 0755\n", "file usr/bin/perl5.36.0 0755\n", "file usr/local/lib/ruby/3.1.0/x86_64-linux/rbconfig.rb\n"
	for name, c := range map[string]struct {
		old, base, upper string
		want             []string
	}{
		"the same": {python, python, "file usr/local/lib/python3.11/dist-packages/x.py", nil},
		"another Python": {
			python, "file usr/bin/python3.13 0755\n", "file venv/lib/python3.11/site-packages/x.py\nfile venv/lib/python3.11/site-packages/y.py",
			[]string{"language-version /venv/lib/python3.11/site-packages/x.py: 2 files of the image are for Python 3.11; the new base has 3.13 [layer 1]"},
		},
		"an extension of another Python": {
			python, "file usr/bin/python3.13 0755\n", "file usr/lib/python3/dist-packages/x/y.cpython-311-x86_64-linux-gnu.so\nfile usr/lib/python3/dist-packages/x/z.py",
			[]string{"language-version /usr/lib/python3/dist-packages/x/y.cpython-311-x86_64-linux-gnu.so: 1 files of the image are for Python 3.11; the new base has 3.13 [layer 1]"},
		},
		"the image brings its Python": {python, "", "file usr/local/lib/python3.11/site-packages/x.py\nfile usr/local/bin/python3.11 0755", nil},
		"there was none before":       {"", "", "file usr/local/lib/python3.11/site-packages/x.py", nil},
		"code of any Python":          {python, "", "file usr/lib/python3/dist-packages/x.py", nil},
		"another Perl": {
			perl, "file usr/bin/perl5.40.1 0755\n", "file usr/local/lib/x86_64-linux-gnu/perl/5.36.0/X.pm\nfile usr/share/perl5/Y.pm",
			[]string{"language-version /usr/local/lib/x86_64-linux-gnu/perl/5.36.0/X.pm: 1 files of the image are for Perl 5.36; the new base has 5.40 [layer 1]"},
		},
		"another Ruby": {
			ruby, "file usr/bin/ruby3.3 0755\n", "file var/lib/gems/3.1.0/gems/x/lib/x.rb",
			[]string{"language-version /var/lib/gems/3.1.0/gems/x/lib/x.rb: 1 files of the image are for Ruby 3.1; the new base has 3.3 [layer 1]"},
		},
		"no Ruby": {
			"file usr/bin/ruby3.1 0755\n", "", "file app/vendor/bundle/ruby/3.1.0/gems/x/x.rb",
			[]string{"language-version /app/vendor/bundle/ruby/3.1.0/gems/x/x.rb: 1 files of the image are for Ruby 3.1; the new base has none [layer 1]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openScene(t, "-- layer --\nfile a\n"+c.old, "-- layer --\nfile a\n"+c.base, c.upper)
			if diff := cmp.Diff(c.want, checked(t, checkLanguages, s)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
