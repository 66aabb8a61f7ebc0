package langpkg

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cpanImage is what cpanm 1.7046 makes with --local-lib of two distributions,
// one with an extension and a program, and a third whose name is not that of
// its main module.
const cpanImage = `
-- content meta --
{
   "name" : "Shop-Core",
   "prereqs" : {
      "build" : { "requires" : { "ExtUtils::MakeMaker" : "0" } },
      "runtime" : { "requires" : { "Dep" : "0", "perl" : "v5.10.0" } },
      "test" : { "requires" : { "Test::More" : "0" } }
   },
   "version" : "2.0"
}
-- content lwp --
{"name":"libwww-perl","prereqs":{"runtime":{"requires":{"URI":"1.10"}}}}
-- layer --
file app/local/lib/perl5/A/auto/Dep/.packlist "/app/local/lib/perl5/Dep.pm\n"
file app/local/lib/perl5/A/auto/Shop/Core/.packlist "/app/local/bin/shop\n/app/local/lib/perl5/A/Shop/Core.pm\n/app/local/lib/perl5/A/auto/Shop/Core/Core.so type=file\n/etc/shadow\n../../../../../../../etc/passwd\n/app/local/../../etc/group\n"
file app/local/lib/perl5/A/auto/Shop/Core/Core.so
file app/local/lib/perl5/A/auto/LWP/.packlist "/app/local/lib/perl5/LWP.pm\n"
file app/local/lib/perl5/A/.meta/Shop-Core-2.0/MYMETA.json @meta
file app/local/lib/perl5/A/.meta/libwww-perl-6.67/MYMETA.json @lwp
file app/local/lib/perl5/A/.meta/libwww-perl-6.67/install.json "{\"name\":\"libwww::perl\",\"provides\":{\"LWP\":{\"file\":\"LWP.pm\"},\"LWP::UserAgent\":{}}}"
file app/local/lib/perl5/A/.meta/broken-1/MYMETA.json "[1"
`

func TestCPAN(t *testing.T) {
	got, err := NewReader(open(t, cpanImage)).CPAN("/app/local/lib/perl5/A")
	if err != nil {
		t.Fatal(err)
	}
	const auto = "/app/local/lib/perl5/A/auto/"
	want := []*CPAN{
		{Name: "Dep", Packlist: auto + "Dep/.packlist", Files: []string{"/app/local/lib/perl5/Dep.pm"}},
		{Name: "LWP", Packlist: auto + "LWP/.packlist", Files: []string{"/app/local/lib/perl5/LWP.pm"}, Requires: []string{"URI"}},
		{
			Name: "Shop/Core", Packlist: auto + "Shop/Core/.packlist",
			Files:    []string{"/app/local/bin/shop", "/app/local/lib/perl5/A/Shop/Core.pm", auto + "Shop/Core/Core.so"},
			Requires: []string{"Dep", "perl"},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("distributions (-want +got):\n%s", d)
	}
}
