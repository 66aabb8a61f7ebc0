package langpkg

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestPython(t *testing.T) {
	tree := open(t, `
-- content METADATA --
Metadata-Version: 2.1
Name: Zope.Interface
Version: 5.4
Requires-Dist: setuptools
Requires-Dist: sphinx (>=1.6,!=1.8) ; extra == 'docs'

Name: body
-- content PKG-INFO --
Metadata-Version: 1.1
Name: old
Version: 1
-- content requires.txt --
six>=1.10

[:python_version < "3"]
enum34

[docs]
sphinx
-- layer --
file v/lib/python3.11/site-packages/zope.interface-5.4.dist-info/METADATA @METADATA
file v/lib/python3.11/site-packages/zope.interface-5.4.dist-info/RECORD "zope/interface/__init__.py,sha256=x,1\n\"zope/a,b.py\",,\n../../../bin/tool,,\n../../../../../../etc/shadow,,\n/v/share/x,,\n/etc/shadow,,\n../../../../v/bin/../bin/tool,,\n"
file v/lib/python3.11/site-packages/zope.interface-5.4.dist-info/top_level.txt "zope\n../x\n/etc\n"
file v/lib/python3.11/site-packages/old-1.egg-info/PKG-INFO @PKG-INFO
file v/lib/python3.11/site-packages/old-1.egg-info/requires.txt @requires.txt
file v/lib/python3.11/site-packages/single_file-2.egg-info "Name: single_file\nVersion: 2\n"
dir v/lib/python3.11/site-packages/broken.dist-info
file v/lib/python3.11/site-packages/broken2.dist-info/METADATA "no metadata"
`)
	got, err := NewReader(tree).Python("/v/lib/python3.11/site-packages")
	if err != nil {
		t.Fatal(err)
	}
	const site = "/v/lib/python3.11/site-packages"
	want := []*Distribution{
		{
			Name: "old", Version: "1", Site: site, Info: site + "/old-1.egg-info", TopLevel: []string{"old"},
			Requires: []Requirement{{Name: "six"}, {Name: "enum34", marker: `python_version < "3"`}, {Name: "sphinx", marker: `extra == "docs"`}},
		},
		{Name: "single-file", Version: "2", Site: site, Info: site + "/single_file-2.egg-info", TopLevel: []string{"single_file"}},
		{
			Name: "zope-interface", Version: "5.4", Site: site, Info: site + "/zope.interface-5.4.dist-info",
			Files:    []string{"/v/bin/tool", site + "/zope/a,b.py", site + "/zope/interface/__init__.py", "/v/share/x"},
			TopLevel: []string{"zope"},
			Requires: []Requirement{{Name: "setuptools"}, {Name: "sphinx", marker: "extra == 'docs'"}},
		},
	}
	slices.Sort(want[2].Files)
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Requirement{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What is over the bounds is as if it were not there, and costs nothing.
func TestPythonBounds(t *testing.T) {
	tree := open(t, "\n-- layer --\nfile s/site-packages/a-1.dist-info/METADATA \"Name: a\\n\"\nfile s/site-packages/a-1.dist-info/RECORD \"a.py,,\\n\"\nfile s/site-packages/b-1.dist-info/METADATA \"Name: b\\n\"\n")
	r := NewReader(tree)
	r.left = 10
	got, err := r.Python("/s/site-packages")
	if err != nil || len(got) != 1 || got[0].Name != "a" || got[0].Files != nil {
		t.Errorf("%+v %v", got, err)
	}
}

func TestSitePrefix(t *testing.T) {
	for site, want := range map[string]string{
		"/usr/lib/python3/dist-packages":           "/usr",
		"/usr/local/lib/python3.11/site-packages":  "/usr/local",
		"/app/.venv/lib64/python3.9/site-packages": "/app/.venv",
		"/lib/python3.11/site-packages":            "/lib/python3.11/site-packages", // not all of the image
		"/opt/x/site-packages":                     "/opt/x/site-packages",
	} {
		if got := sitePrefix(site); got != want {
			t.Errorf("%s: %s, want %s", site, got, want)
		}
	}
}

func TestRequirements(t *testing.T) {
	env := Environment{PythonVersion: "3.11", Machine: "x86_64", Extras: []string{"fast-json"}}
	for _, c := range []struct {
		text   string
		name   string
		needed bool
	}{
		{"a", "a", true},
		{"A_b.C (>=1.0)", "a-b-c", true},
		{"a[x, Y_z]>=1,<2", "a", true},
		{"a @ https://example.org/a;b.whl", "a", true},
		{"a @ https://example.org/a.whl ; extra == 'x'", "a", false},
		{"a ; extra == 'docs'", "a", false},
		{"a ; extra == 'fast_JSON'", "a", true},
		{"a ; extra != 'docs'", "a", true},
		{"a ; python_version < '3.8'", "a", false},
		{"a ; python_version>='3.8'", "a", true},
		{"a ; python_version >= '3.9' and python_version < '3.11.1'", "a", true},
		{"a ; '3.2' <= python_version", "a", true},
		{"a ; python_version == '3.*'", "a", true},
		{"a ; python_version != '3.11.*'", "a", false},
		{"a ; python_version ~= '3.8'", "a", true}, // cannot be told
		{"a ; python_full_version < '3.8'", "a", true},
		{"a ; sys_platform == 'win32'", "a", false},
		{"a ; sys_platform == \"win32\" or os_name == \"posix\"", "a", true},
		{"a ; platform_system != 'Linux'", "a", false},
		{"a ; implementation_name == 'cpython' and extra == 'docs'", "a", false},
		{"a ; platform_python_implementation == 'PyPy'", "a", false},
		{"a ; platform_machine in 'x86_64 AMD64'", "a", true},
		{"a ; platform_machine not in 'x86_64 AMD64'", "a", false},
		{"a ; platform_release > '5' and extra == 'docs'", "a", false},
		{"a ; platform_release > '5'", "a", true},
		{"a ; (sys_platform == 'win32' or sys_platform == 'linux') and extra == 'docs'", "a", false},
		{"a ; (", "a", true},
		{"a ; extra == 'docs' nonsense", "a", true},
		{"a ;", "a", true},
	} {
		req, ok := ParseRequirement(c.text)
		if !ok || req.Name != c.name || req.Needed(env) != c.needed {
			t.Errorf("%q: %+v %v, needed %v", c.text, req, ok, req.Needed(env))
		}
	}
	for _, bad := range []string{"", " ", "[x]", ";a", "-a", "ä"} {
		if req, ok := ParseRequirement(bad); ok {
			t.Errorf("%q is %+v", bad, req)
		}
	}
	// Without a version, what asks for one cannot be told.
	if req, _ := ParseRequirement("a ; python_version < '3'"); !req.Needed(Environment{}) {
		t.Error("an unknown version decides")
	}
}

func FuzzRequirement(f *testing.F) {
	for _, s := range []string{"a[b]>1;extra=='x'", "a;((((", "a;'x' not in y or z", "a;python_version=='3.*'", "a;" + strings.Repeat("(", 2000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if req, ok := ParseRequirement(s); ok {
			req.Needed(Environment{PythonVersion: "3.11"})
			if req.Name == "" || req.Name != NormalizePython(req.Name) {
				t.Errorf("%q: %+v", s, req)
			}
		}
		parseRequiresTxt([]byte(s))
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte("a.py,sha256=x,1\n\"b,c\",,\n../../../bin/x,,\n"))
	f.Add([]byte("\"\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range recordFiles(b, "/v/lib/python3.11/site-packages", 100) {
			if !strings.HasPrefix(p, "/v/") || strings.Contains(p, "/../") {
				t.Errorf("%q leads out of the prefix", p)
			}
		}
		for _, p := range topLevel(b, "") {
			if strings.HasPrefix(p, "/") || strings.HasPrefix(p, "..") {
				t.Errorf("%q leads out of the site", p)
			}
		}
	})
}
