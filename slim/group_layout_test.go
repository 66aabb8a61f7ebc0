package slim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// layout is the files of real packages, as dpkg-deb -c lists them, with one
// group's part of them: testdata/groups/NAME.txtar.
type layout struct {
	group   string
	tree    *layers.Tree
	touched []string // each brings the group
	want    []string // what comes; a directory stands for all below it
}

func layouts(t *testing.T) []layout {
	t.Helper()
	files, err := filepath.Glob("testdata/groups/*.txtar")
	if err != nil || len(files) < 12 {
		t.Fatalf("layouts: %q, %v", files, err)
	}
	var out []layout
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		l := layout{group: strings.TrimSuffix(filepath.Base(f), ".txtar")}
		ar := txtar.Parse(b)
		image := txtar.Archive{}
		for _, s := range ar.Files {
			switch s.Name {
			case "touched":
				l.touched = strings.Fields(string(s.Data))
			case "want":
				l.want = strings.Fields(string(s.Data))
			default:
				image.Files = append(image.Files, s)
			}
		}
		l.tree = open(t, string(txtar.Format(&image)))
		l.want = expand(t, l.tree, l.want)
		out = append(out, l)
	}
	return out
}

// expand puts the files below a directory in its place.
func expand(t *testing.T, tree *layers.Tree, want []string) []string {
	t.Helper()
	var out []string
	for _, w := range want {
		dir, whole := strings.CutSuffix(w, "/")
		n := len(out)
		for e := range tree.All() {
			if e.Path == w || whole && below(e.Path, dir) && e.Type != layers.Directory {
				out = append(out, e.Path)
			}
		}
		if len(out) == n {
			t.Fatalf("nothing at %s", w)
		}
	}
	return out
}

func TestGroupLayouts(t *testing.T) {
	for _, l := range layouts(t) {
		for _, touched := range l.touched {
			t.Run(l.group+touched, func(t *testing.T) {
				plan := planned(t, l.tree, opened(touched), Options{Granularity: GranularityFile, User: "0:0"})
				own, err := l.tree.Resolve(touched)
				if err != nil {
					t.Fatal(err)
				}
				got := groupFiles(plan)
				if d := cmp.Diff(without(l.want, append(own.Links, own.Entry.Path)...), without(got[l.group])); d != "" {
					t.Errorf("group %s (-want +got):\n%s", l.group, d)
				}
				delete(got, l.group)
				if len(got) > 0 {
					t.Errorf("other groups came too: %v", got)
				}
				checkChains(t, plan)
			})
		}
	}
}

// What a group brings is found again by its paths: verify names the group
// that brings a missing file back, and contents are kept while layers are read.
func TestGroupKnowsItsFiles(t *testing.T) {
	elsewhere := []string{"/opt/realms/example.conf", "/srv/brand/", "/usr/share/fontconfig/", "/etc/login.defs", "/etc/security/", "/sbin/"}
	for _, l := range layouts(t) {
		for _, p := range l.want {
			named := false
			for _, e := range elsewhere {
				named = named || strings.HasPrefix(p, e)
			}
			if got := GroupOf(p); got != l.group && !named {
				t.Errorf("%s is of group %q, want %q", p, got, l.group)
			}
		}
	}
}

// Places of Alpine, Fedora and official images, which Debian does not use.
const groupsElsewhere = `
-- layer --
file t
file usr/lib/ImageMagick-7.1.1/modules-Q16HDRI/coders/png.so
file usr/lib/ImageMagick-7.1.1/config-Q16HDRI/configure.xml
file etc/ImageMagick-7/policy.xml
file usr/lib/libMagickCore-7.Q16HDRI.so.10
file usr/lib64/libkrb5.so.3
file usr/lib64/krb5/plugins/tls/k5tls.so
file etc/krb5.conf "includedir /etc/krb5.conf.d/\n"
file etc/krb5.conf.d/kcm_default_ccache
file usr/lib64/libpam.so.0
file usr/lib64/security/pam_unix.so
file usr/lib64/security/pam_deny.so
file usr/lib64/security/pam_exec.so
file usr/lib64/security/pam_listfile.so
file usr/lib64/security/pam_ftp.so
file usr/bin/vsftpd 0755
file etc/pam.d/vsftpd "#%PAM-1.0\n-session optional /usr/lib64/security/pam_exec.so /usr/local/bin/notify\nauth required pam_listfile.so item=user \\\n  file=/etc/vsftpd/ftpusers\nauth substack password-auth\n"
file etc/pam.d/password-auth "auth [success=done new_authtok_reqd=ok \\\n default=die] pam_unix.so\nauth include ../shadow\npassword required pam_unix.so use=/etc/shadow\n"
file etc/pam.d/ftp "auth required pam_ftp.so\n"
file usr/lib/pam.d/other "auth required pam_deny.so\n"
file etc/vsftpd/ftpusers
file usr/local/bin/notify 0755
file etc/shadow 0600
file usr/lib64/perl5/vendor_perl/Encode.pm
file usr/lib64/perl5/vendor_perl/Encode/JP.pm
file usr/lib64/perl5/vendor_perl/auto/Encode/JP/JP.so
file usr/share/perl5/core_perl/unicore/Name.pl
file usr/share/perl5/core_perl/unicore/lib/Sc/Latn.pl
file usr/lib64/ruby/enc/encdb.so
file usr/lib64/ruby/enc/trans/big5.so
file usr/share/ruby/unicode_normalize/tables.rb
file usr/local/lib/ruby/3.3.0/x86_64-linux/enc/encdb.so
file usr/local/lib/ruby/3.3.0/x86_64-linux/enc/utf_16le.so
file opt/java/openjdk/lib/server/classes.jsa
file opt/java/openjdk/lib/server/classes_nocoops.jsa
file usr/lib/jvm/java-8/jre/lib/amd64/server/classes.jsa
file usr/lib64/sasl2/libscram.so
file usr/lib64/sasl2/libsasldb.so
file etc/sasldb2 0600
file usr/lib64/gio/modules/libgiognutls.so
file usr/lib64/gio/modules/giomodule.cache
file usr/share/misc/magic.mgc
file usr/share/magic.mgc
`

func TestGroupsElsewhere(t *testing.T) {
	pam := []string{"/etc/pam.d/password-auth", "/etc/vsftpd/ftpusers", "/usr/lib/pam.d/other", "/usr/lib64/security/pam_deny.so", "/usr/lib64/security/pam_exec.so", "/usr/lib64/security/pam_listfile.so", "/usr/lib64/security/pam_unix.so", "/usr/local/bin/notify"}
	for _, c := range []struct {
		group, touched string
		want           []string // besides what was touched
	}{
		{"imagemagick", "/usr/lib/libMagickCore-7.Q16HDRI.so.10", []string{"/etc/ImageMagick-7/policy.xml", "/usr/lib/ImageMagick-7.1.1/config-Q16HDRI/configure.xml", "/usr/lib/ImageMagick-7.1.1/modules-Q16HDRI/coders/png.so"}},
		{"krb5", "/usr/lib64/libkrb5.so.3", []string{"/etc/krb5.conf", "/etc/krb5.conf.d/kcm_default_ccache", "/usr/lib64/krb5/plugins/tls/k5tls.so"}},
		{"pam", "/etc/pam.d/vsftpd", pam},
		{"pam", "/usr/lib64/libpam.so.0", []string{"/usr/lib/pam.d/other", "/usr/lib64/security/pam_deny.so"}},
		{"perl-encode", "/usr/lib64/perl5/vendor_perl/Encode.pm", []string{"/usr/lib64/perl5/vendor_perl/Encode/JP.pm", "/usr/lib64/perl5/vendor_perl/auto/Encode/JP/JP.so"}},
		{"perl-unicore", "/usr/share/perl5/core_perl/unicore/Name.pl", []string{"/usr/share/perl5/core_perl/unicore/lib/Sc/Latn.pl"}},
		{"ruby-enc", "/usr/lib64/ruby/enc/encdb.so", []string{"/usr/lib64/ruby/enc/trans/big5.so", "/usr/share/ruby/unicode_normalize/tables.rb"}},
		{"ruby-enc", "/usr/local/lib/ruby/3.3.0/x86_64-linux/enc/encdb.so", []string{"/usr/local/lib/ruby/3.3.0/x86_64-linux/enc/utf_16le.so", "/usr/share/ruby/unicode_normalize/tables.rb"}},
		{"java-cds", "/opt/java/openjdk/lib/server/classes.jsa", []string{"/opt/java/openjdk/lib/server/classes_nocoops.jsa"}},
		{"sasl", "/usr/lib64/sasl2/libscram.so", []string{"/usr/lib64/sasl2/libsasldb.so"}},
		{"gio", "/usr/lib64/gio/modules/giomodule.cache", []string{"/usr/lib64/gio/modules/libgiognutls.so"}},
		{"magic", "/usr/share/misc/magic.mgc", []string{"/usr/share/magic.mgc"}},
	} {
		t.Run(c.group+c.touched, func(t *testing.T) {
			plan := planned(t, open(t, groupsElsewhere), opened(c.touched), Options{Granularity: GranularityFile, User: "0:0"})
			if d := cmp.Diff(map[string][]string{c.group: c.want}, groupFiles(plan)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// A program that libpam was loaded into starts, most often, the service of
// its own name.
func TestPAMServiceOfProgram(t *testing.T) {
	p := opened("/usr/lib64/libpam.so.0", "/usr/bin/vsftpd")
	for i := range p.Accesses {
		p.Accesses[i].Kinds = []profile.Kind{profile.Exec, profile.Open}
	}
	got := groupFiles(planned(t, open(t, groupsElsewhere), p, Options{Granularity: GranularityFile, User: "0:0"}))
	want := []string{"/etc/pam.d/password-auth", "/etc/pam.d/vsftpd", "/etc/vsftpd/ftpusers", "/usr/lib/pam.d/other", "/usr/lib64/security/pam_deny.so", "/usr/lib64/security/pam_exec.so", "/usr/lib64/security/pam_listfile.so", "/usr/lib64/security/pam_unix.so", "/usr/local/bin/notify"}
	if d := cmp.Diff(map[string][]string{"pam": want}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
