package slim

import (
	"strings"
	"testing"

	"github.com/pare-image/pare/layers"
)

// What is kept was wanted when its layer was read, or it is read twice.
func TestKeptContentWasWanted(t *testing.T) {
	for _, c := range []struct {
		name, image, opened string
		o                   Options
	}{
		{"a program and its libraries", glibc + program("usr/bin/app", "libc.so.6", "libz.so.1") + library("usr/lib/libz.so.1.3") + "symlink usr/lib/libz.so.1 -> libz.so.1.3\n", "/usr/bin/app /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6 /usr/lib/libz.so.1", Options{}},
		{"an application", "\n-- layer --\nfile srv/shop/main.py\nfile srv/shop/lib/part.py\n-- config --\n" + `{"WorkingDir":"/srv/shop"}`, "/srv/shop/main.py", Options{}},
		{"what the config names", "\n-- layer --\nfile t\nfile usr/bin/run.sh 0755 \"#!/bin/sh\\n\"\nfile bin/sh 0755\nfile usr/bin/curl 0755\nfile opt/x.conf\n-- config --\n" + `{"Entrypoint":["run.sh","/opt/x.conf"],"Healthcheck":{"Test":["CMD","curl"]}}`, "/t", Options{}},
		{"a library that was never loaded", glibc + program("usr/bin/app", "libc.so.6", "libz.so.1") + library("usr/lib/x86_64-linux-gnu/libz.so.1"), "/usr/bin/app /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6", Options{}},
		{"groups", groupImage, "/etc/nsswitch.conf /lib/x86_64-linux-gnu/libnss_dns.so.2 /etc/ssl/certs/ca-certificates.crt /usr/lib/x86_64-linux-gnu/libcrypto.so.3 /etc/localtime /usr/lib/locale/C.utf8/LC_CTYPE /usr/lib/x86_64-linux-gnu/gconv/UTF-16.so /usr/share/terminfo/x/xterm /usr/lib/python3.11/encodings/idna.py", Options{}},
		{"distributions of Python", distributions, "/usr/lib/python3/dist-packages/flask/app.py /usr/lib/python3.11/os.py", Options{}},
		{"what can be imported", pythonApp, reachTouched, Options{Granularity: GranularityFile, Reach: ReachKeep}},
		{"packages of Node", nodeApp, "/usr/app/server.js /usr/app/node_modules/express/index.js /usr/app/node_modules/linked/i.js", Options{}},
		{"gems", rubyApp, "/usr/lib/ruby/3.1.0/json.rb /usr/share/rubygems-integration/all/gems/sinatra-3.0.5/lib/sinatra.rb", Options{}},
		{"distributions of CPAN", perlApp, "/usr/lib/x86_64-linux-gnu/perl5/5.36/JSON/XS.pm /usr/app/lib/perl5/x86_64-linux-gnu-thread-multi/Shop/Core.pm", Options{}},
		{"packages of Composer", phpImage, "/etc/php/8.2/fpm/conf.d/20-mbstring.ini /etc/php/8.2/fpm/php-fpm.conf /usr/w/pre.php /usr/w/vendor/splitbrain/slika/src/Slika.php /usr/share/php/Symfony/Component/Console/Application.php", Options{}},
		{"package database and licences", debian, "/usr/bin/tool /lib/libc.so.6", Options{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := open(t, c.image)
			p := opened(strings.Fields(c.opened)...)
			plan := planned(t, tree, p, c.o)
			want := WantContent(tree.Config(), p, c.o)
			for _, e := range plan.Entries {
				if src, ok := tree.Lookup(e.Path); ok && src.Type == layers.Regular && e.Source >= 0 && !want(e.Path, &src.Header) {
					t.Errorf("%s is kept (%s) and was not wanted", e.Path, e.Reasons[0].Rule)
				}
			}
			for e := range tree.All() {
				if strings.HasPrefix(e.Path, "/var/lib/dpkg/") && strings.HasSuffix(e.Path, ".list") && !want(e.Path, &e.Header) {
					t.Errorf("%s is read and was not wanted", e.Path)
				}
			}
		})
	}
}

// A hint that takes everything is none.
func TestNotEverythingIsWanted(t *testing.T) {
	tree := open(t, debian)
	want := WantContent(tree.Config(), opened("/usr/bin/tool"), Options{})
	for _, p := range []string{"/usr/share/data/x", "/usr/lib/libm.so.6"} {
		e, ok := tree.Lookup(p)
		if !ok {
			t.Fatalf("no %s", p)
		}
		large := e.Header
		large.Size = 2 << 20
		if want(p, &large) {
			t.Errorf("%s is wanted", p)
		}
	}
}
