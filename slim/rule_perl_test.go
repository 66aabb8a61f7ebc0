package slim

import (
	"strings"
	"testing"
)

// perlApp is cut from Debian 12's perl-base, perl-modules-5.36, libperl5.36,
// libjson-xs-perl and what that depends on, with what cpanm installs.
const perlApp = `
-- content status --
Package: perl-base
Status: install ok installed
Architecture: amd64
Version: 5.36.0-7

Package: libjson-xs-perl
Status: install ok installed
Architecture: amd64
Version: 4.040-1
Depends: perl-base, libcommon-sense-perl, libtypes-serialiser-perl

Package: libcommon-sense-perl
Status: install ok installed
Architecture: amd64
Version: 3.75-3
Depends: perl-base

Package: libtypes-serialiser-perl
Status: install ok installed
Architecture: all
Version: 1.01-1
Depends: libcommon-sense-perl
-- layer --
file var/lib/dpkg/status @status
file var/lib/dpkg/info/perl-base.list "/usr/lib/x86_64-linux-gnu/perl-base/strict.pm\n/usr/lib/x86_64-linux-gnu/perl-base/warnings.pm\n"
file var/lib/dpkg/info/libjson-xs-perl.list "/usr/bin/json_xs\n/usr/lib/x86_64-linux-gnu/perl5/5.36/JSON/XS.pm\n/usr/lib/x86_64-linux-gnu/perl5/5.36/JSON/XS/Boolean.pm\n/usr/lib/x86_64-linux-gnu/perl5/5.36/auto/JSON/XS/XS.so\n"
file var/lib/dpkg/info/libcommon-sense-perl.list "/usr/lib/x86_64-linux-gnu/perl5/5.36/common/sense.pm\n/usr/lib/x86_64-linux-gnu/perl5/5.36/common/sense.pod\n"
file var/lib/dpkg/info/libtypes-serialiser-perl.list "/usr/share/perl5/Types/Serialiser.pm\n/usr/share/man/man3/Types::Serialiser.3pm.gz\n"
file usr/bin/json_xs 0755
file usr/lib/x86_64-linux-gnu/perl-base/strict.pm
file usr/lib/x86_64-linux-gnu/perl-base/warnings.pm
file usr/lib/x86_64-linux-gnu/perl-base/Errno.pm
file usr/lib/x86_64-linux-gnu/perl-base/Config.pm
file usr/lib/x86_64-linux-gnu/perl-base/Config_heavy.pl
file usr/lib/x86_64-linux-gnu/perl-base/File/Glob.pm
file usr/lib/x86_64-linux-gnu/perl-base/IO.pm
file usr/lib/x86_64-linux-gnu/perl-base/IO/File.pm
file usr/lib/x86_64-linux-gnu/perl-base/IO/Handle.pm
file usr/lib/x86_64-linux-gnu/perl-base/IO/Socket.pm
file usr/lib/x86_64-linux-gnu/perl-base/SelectSaver.pm
file usr/lib/x86_64-linux-gnu/perl-base/XSLoader.pm
file usr/lib/x86_64-linux-gnu/perl-base/auto/IO/IO.so
file usr/lib/x86_64-linux-gnu/perl-base/auto/File/Glob/Glob.so
symlink usr/share/perl/5.36 -> 5.36.0
file usr/share/perl/5.36.0/strict.pm
file usr/share/perl/5.36.0/Tie/Hash/NamedCapture.pm
file usr/share/perl/5.36.0/CPAN.pm
file usr/lib/x86_64-linux-gnu/perl5/5.36/JSON/XS.pm
file usr/lib/x86_64-linux-gnu/perl5/5.36/JSON/XS/Boolean.pm
file usr/lib/x86_64-linux-gnu/perl5/5.36/auto/JSON/XS/XS.so
file usr/lib/x86_64-linux-gnu/perl5/5.36/common/sense.pm
file usr/lib/x86_64-linux-gnu/perl5/5.36/common/sense.pod
file usr/share/perl5/Types/Serialiser.pm
file usr/share/man/man3/Types::Serialiser.3pm.gz
file usr/share/perl5/Other.pm
file usr/share/perl5/auto/Split/autosplit.ix
file usr/share/perl5/auto/Split/late.al
file usr/share/perl5/auto/Split/More/x.al
file usr/share/perl5/Split.pm
file usr/app/lib/perl5/x86_64-linux-gnu-thread-multi/auto/Shop/Core/.packlist "/usr/app/bin/shop\n/usr/app/man/man3/Shop::Core.3pm\n/usr/app/lib/perl5/x86_64-linux-gnu-thread-multi/Shop/Core.pm\n/usr/app/lib/perl5/x86_64-linux-gnu-thread-multi/auto/Shop/Core/Core.so\n"
file usr/app/lib/perl5/x86_64-linux-gnu-thread-multi/auto/Shop/Core/Core.so
file usr/app/lib/perl5/x86_64-linux-gnu-thread-multi/Shop/Core.pm
file usr/app/lib/perl5/x86_64-linux-gnu-thread-multi/.meta/Shop-Core-2.0/MYMETA.json "{\"name\":\"Shop-Core\",\"prereqs\":{\"runtime\":{\"requires\":{\"Dep\":0,\"Types::Serialiser\":0,\"perl\":0,\"strict\":0}},\"test\":{\"requires\":{\"Other\":0}}}}"
file usr/app/lib/perl5/x86_64-linux-gnu-thread-multi/auto/Dep/.packlist "/usr/app/lib/perl5/Dep.pm\n/usr/app/lib/perl5/Dep/More.pm\n"
file usr/app/lib/perl5/Dep.pm
file usr/app/lib/perl5/Dep/More.pm
file usr/app/bin/shop 0755
file usr/app/man/man3/Shop::Core.3pm
`

var perlPaths = strings.NewReplacer(
	"$B/", "/usr/lib/x86_64-linux-gnu/perl-base/",
	"$M/", "/usr/share/perl/5.36.0/",
	"$X/", "/usr/lib/x86_64-linux-gnu/perl5/5.36/",
	"$S/", "/usr/share/perl5/",
	"$L/", "/usr/app/lib/perl5/",
)

// perlItself is what any use of Perl keeps, F the module that showed it.
const perlItself = `
$B/Errno.pm perl F
$B/File/Glob.pm perl F
$B/auto/File/Glob/Glob.so perl $B/File/Glob.pm
$B/Config_heavy.pl perl F
$B/IO.pm perl F
$B/IO/File.pm perl F
$B/IO/Handle.pm perl F
$B/SelectSaver.pm perl F
$B/XSLoader.pm perl F
$B/auto/IO/IO.so perl $B/IO.pm
$M/Tie/Hash/NamedCapture.pm perl F
`

func TestRulePerl(t *testing.T) {
	dpkg := "/var/lib/dpkg/status package-database\n"
	runRuleCases(t, []ruleCase{
		{
			name: "what the interpreter loads by name", image: perlApp,
			opened: perlPaths.Replace("$B/strict.pm"),
			want: perlPaths.Replace("$B/strict.pm access\n"+strings.ReplaceAll(perlItself, " F\n", " $B/strict.pm\n")) + dpkg +
				perlPaths.Replace("/var/lib/dpkg/info/perl-base.list package-database $B/strict.pm"),
		},
		{
			name: "a module's extension, and what was split off it", image: perlApp,
			opened: perlPaths.Replace("$X/JSON/XS.pm $S/Split.pm"),
			want: perlPaths.Replace(strings.ReplaceAll(perlItself, " F\n", " $X/JSON/XS.pm\n")+`
$X/JSON/XS.pm access
$X/auto/JSON/XS/XS.so perl $X/JSON/XS.pm
$S/Split.pm access
$S/auto/Split/autosplit.ix perl $S/Split.pm
$S/auto/Split/late.al perl $S/Split.pm
/var/lib/dpkg/info/libjson-xs-perl.list package-database $X/JSON/XS.pm
`) + dpkg,
		},
		{
			name: "an extension's module", image: perlApp,
			opened: perlPaths.Replace("$X/auto/JSON/XS/XS.so"),
			want: perlPaths.Replace(strings.ReplaceAll(perlItself, " F\n", " $X/auto/JSON/XS/XS.so\n")+`
$X/JSON/XS.pm perl $X/auto/JSON/XS/XS.so
$X/auto/JSON/XS/XS.so access
/var/lib/dpkg/info/libjson-xs-perl.list package-database $X/JSON/XS.pm
`) + dpkg,
		},
	})
}

func TestRuleCPAN(t *testing.T) {
	auto := Options{Granularity: GranularityAuto}
	dpkg := "/var/lib/dpkg/status package-database\n"
	runRuleCases(t, []ruleCase{
		{
			name: "Debian's package with those that it depends on: modules only", image: perlApp, options: auto,
			opened: perlPaths.Replace("$X/JSON/XS.pm $B/strict.pm"),
			want: perlPaths.Replace(strings.ReplaceAll(perlItself, " F\n", " $B/strict.pm\n")+`
$B/strict.pm access
$B/warnings.pm stdlib $B/strict.pm
$X/JSON/XS.pm access
$X/JSON/XS/Boolean.pm cpan $X/JSON/XS.pm
$X/auto/JSON/XS/XS.so cpan $X/JSON/XS.pm
$X/common/sense.pm cpan $X/JSON/XS.pm
$S/Types/Serialiser.pm cpan $X/JSON/XS.pm
/var/lib/dpkg/info/perl-base.list package-database $B/strict.pm
/var/lib/dpkg/info/libjson-xs-perl.list package-database $X/JSON/XS.pm
/var/lib/dpkg/info/libcommon-sense-perl.list package-database $X/common/sense.pm
/var/lib/dpkg/info/libtypes-serialiser-perl.list package-database $S/Types/Serialiser.pm
`) + dpkg,
		},
		{
			name: "a packlist, with what cpanm noted that it requires", image: perlApp, options: auto,
			opened: perlPaths.Replace("$L/x86_64-linux-gnu-thread-multi/Shop/Core.pm"),
			want: strings.ReplaceAll(perlPaths.Replace(strings.ReplaceAll(perlItself, " F\n", " $C\n")+`
$C access
/usr/app/bin/shop cpan $C
$L/x86_64-linux-gnu-thread-multi/auto/Shop/Core/.packlist cpan $C
$L/x86_64-linux-gnu-thread-multi/auto/Shop/Core/Core.so cpan $C
$L/x86_64-linux-gnu-thread-multi/auto/Dep/.packlist cpan $C
$L/Dep.pm cpan $C
$L/Dep/More.pm cpan $C
$S/Types/Serialiser.pm cpan $C
$X/common/sense.pm cpan $C
/var/lib/dpkg/info/libcommon-sense-perl.list package-database $X/common/sense.pm
/var/lib/dpkg/info/libtypes-serialiser-perl.list package-database $S/Types/Serialiser.pm
`), "$C", "/usr/app/lib/perl5/x86_64-linux-gnu-thread-multi/Shop/Core.pm") + dpkg,
		},
		{
			name: "a module that was only looked at", image: perlApp, options: auto,
			profile: accessed("/usr/share/perl5/Other.pm", "stat"),
			want:    perlPaths.Replace(strings.ReplaceAll(perlItself, " F\n", " $S/Other.pm\n") + "$S/Other.pm access\n"),
		},
	})
}

func TestPerlRootOf(t *testing.T) {
	for p, want := range map[string]string{
		"/usr/lib/x86_64-linux-gnu/perl-base/strict.pm":                             "/usr/lib/x86_64-linux-gnu/perl-base",
		"/usr/share/perl/5.36.0/Net/perl5/x.pm":                                     "/usr/share/perl/5.36.0",
		"/usr/share/perl5/JSON.pm":                                                  "/usr/share/perl5",
		"/usr/lib/x86_64-linux-gnu/perl5/5.36/JSON/XS.pm":                           "/usr/lib/x86_64-linux-gnu/perl5/5.36",
		"/usr/local/lib/perl5/site_perl/5.38.2/x86_64-linux-gnu/auto/JSON/XS/XS.so": "/usr/local/lib/perl5/site_perl/5.38.2/x86_64-linux-gnu",
		"/usr/share/perl5/vendor_perl/JSON.pm":                                      "/usr/share/perl5/vendor_perl",
		"/app/local/lib/perl5/x86_64-linux-gnu-thread-multi/Shop/Core.pm":           "/app/local/lib/perl5/x86_64-linux-gnu-thread-multi",
		"/usr/bin/perl5.36.0":                                                       "",
		"/usr/share/perl5":                                                          "",
		"/usr/lib/python3/dist-packages/perl.py":                                    "",
	} {
		if got := perlRootOf(p); got != want {
			t.Errorf("%s is in %q, want %q", p, got, want)
		}
	}
}
