package slim

import (
	"slices"
	"strings"
	"testing"
)

func TestRulePython(t *testing.T) {
	const site = "/usr/lib/python3/dist-packages"
	module := `
-- layer --
file usr/lib/python3/dist-packages/a/__init__.py
file usr/lib/python3/dist-packages/a/__pycache__/__init__.cpython-311.pyc
file usr/lib/python3/dist-packages/a/b/__init__.py
file usr/lib/python3/dist-packages/a/b/c.py
file usr/lib/python3/dist-packages/a/b/other.py
file usr/lib/python3/dist-packages/a/b/__pycache__/c.cpython-311.pyc
file usr/lib/python3/dist-packages/a/b/__pycache__/c.cpython-311.opt-1.pyc
file usr/lib/python3/dist-packages/a/b/__pycache__/cc.cpython-311.pyc
file usr/lib/python3/dist-packages/a/b/__pycache__/c.d.cpython-311.pyc
`
	runRuleCases(t, []ruleCase{
		{
			name: "a source brings its compiled code and its packages", image: module, opened: site + "/a/b/c.py",
			want: strings.ReplaceAll(`
S/a/b/c.py access
S/a/b/__pycache__/c.cpython-311.pyc python S/a/b/c.py
S/a/b/__pycache__/c.cpython-311.opt-1.pyc python S/a/b/c.py
S/a/b/__init__.py python S/a/b/c.py
S/a/__init__.py python S/a/b/c.py
S/a/__pycache__/__init__.cpython-311.pyc python S/a/__init__.py
`, "S/", site+"/"),
		},
		{
			name: "compiled code brings its source", image: module, opened: site + "/a/__pycache__/__init__.cpython-311.pyc",
			want: strings.ReplaceAll(`
S/a/__pycache__/__init__.cpython-311.pyc access
S/a/__init__.py python S/a/__pycache__/__init__.cpython-311.pyc
`, "S/", site+"/"),
		},
		{
			name: "a source that was only looked at brings none: its compiled code was not loaded", image: module,
			profile: accessed(site+"/a/b/c.py", "stat"),
			want: strings.ReplaceAll(`
S/a/b/c.py access
S/a/b/__init__.py python S/a/b/c.py
S/a/__init__.py python S/a/b/c.py
S/a/__pycache__/__init__.cpython-311.pyc python S/a/__init__.py
`, "S/", site+"/"),
		},
		{
			name: "compiled code beside its source, and without one",
			image: `
-- layer --
file opt/x/m.py
file opt/x/m.pyc
file opt/x/only.pyc
file opt/x/__pycache__/gone.cpython-311.pyc
file opt/x/__pycache__/untagged.pyc
file opt/x/untagged.py
`,
			opened: "/opt/x/m.pyc /opt/x/only.pyc /opt/x/__pycache__/gone.cpython-311.pyc /opt/x/__pycache__/untagged.pyc",
			want: `
/opt/x/m.pyc access
/opt/x/m.py python /opt/x/m.pyc
/opt/x/only.pyc access
/opt/x/__pycache__/gone.cpython-311.pyc access
/opt/x/__pycache__/untagged.pyc access
`,
		},
		{
			name: "a package in a namespace, below another package; an extension module",
			image: `
-- layer --
file usr/lib/python3/dist-packages/top/__init__.py
file usr/lib/python3/dist-packages/top/space/pkg/__init__.py
file usr/lib/python3/dist-packages/top/space/pkg/ext.cpython-311-x86_64-linux-gnu.so
file usr/lib/python3/dist-packages/top/space/other/__init__.py
`,
			opened: site + "/top/space/pkg/ext.cpython-311-x86_64-linux-gnu.so",
			want: strings.ReplaceAll(`
S/top/space/pkg/ext.cpython-311-x86_64-linux-gnu.so access
S/top/space/pkg/__init__.py python S/top/space/pkg/ext.cpython-311-x86_64-linux-gnu.so
S/top/__init__.py python S/top/space/pkg/ext.cpython-311-x86_64-linux-gnu.so
`, "S/", site+"/"),
		},
		{
			name: "outside of site-packages, the first directory without __init__ ends the chain",
			image: `
-- layer --
file opt/x/__init__.py
file opt/x/scripts/pkg/__init__.py
file opt/x/scripts/pkg/m.py
`,
			opened: "/opt/x/scripts/pkg/m.py",
			want: `
/opt/x/scripts/pkg/m.py access
/opt/x/scripts/pkg/__init__.py python /opt/x/scripts/pkg/m.py
`,
		},
		{
			name: "a venv is its configuration, its interpreter and what .pth files name",
			image: `
-- layer --
file usr/bin/python3.11 0755
symlink srv/v/bin/python -> python3
symlink srv/v/bin/python3 -> /usr/bin/python3.11
file srv/v/bin/pip 0755
file srv/v/pyvenv.cfg "home = /usr/bin\n"
file srv/v/lib/python3.11/site-packages/m.py
file srv/v/lib/python3.11/site-packages/other.py
file srv/v/lib/python3.11/site-packages/x.pth "# comment\nimport os\n../extra\n/srv/src\n/gone\n"
file srv/v/lib/python3.11/extra/e.py
file srv/src/s.py
`,
			opened: "/srv/v/lib/python3.11/site-packages/m.py",
			want: `
/srv/src python /srv/v/lib/python3.11/site-packages/x.pth
/srv/v/bin/python link /usr/bin/python3.11
/srv/v/bin/python3 link /usr/bin/python3.11
/srv/v/lib/python3.11/extra python /srv/v/lib/python3.11/site-packages/x.pth
/srv/v/lib/python3.11/site-packages/m.py access
/srv/v/lib/python3.11/site-packages/x.pth python /srv/v/lib/python3.11/site-packages/m.py
/srv/v/pyvenv.cfg python /srv/v/lib/python3.11/site-packages/m.py
/usr/bin/python3.11 python /srv/v/pyvenv.cfg
`,
		},
		{
			name: "the metadata of a distribution of which a file is kept, and not that which was read alone", image: distributions,
			opened: site + "/flask/app.py " + site + "/unused-1.dist-info/METADATA",
			want: strings.ReplaceAll(`
S/flask/app.py access
S/flask/__init__.py python S/flask/app.py
S/flask-2.dist-info/METADATA python S/flask/app.py
S/flask-2.dist-info/RECORD python S/flask/app.py
S/flask-2.dist-info/entry_points.txt python S/flask/app.py
S/unused-1.dist-info/METADATA access
`, "S/", site+"/"),
		},
		{
			name:   "a zipapp is one file",
			image:  "\n-- layer --\nfile usr/bin/python3 0755\nfile srv/app/x.pyz 0755 \"#!/usr/bin/python3\\nPK\"\nfile srv/app/y.py\n",
			opened: "/srv/app/x.pyz",
			want:   "/srv/app/x.pyz access\n/usr/bin/python3 script /srv/app/x.pyz",
		},
	})
}

// distributions are what pip or Debian leave: with a RECORD, by the names of
// their code, or in a package of the OS.
const distributions = `
-- content flask --
Name: Flask
Version: 2
Requires-Dist: Jinja2>=3
Requires-Dist: click[Color]
Requires-Dist: absent
Requires-Dist: tomli; python_version < "3.11"
Requires-Dist: typing_ext; python_version >= "3.11"
Requires-Dist: unused; extra == "dotenv"
-- content click --
Name: click
Version: 8
Requires-Dist: colorama; extra == "color"
Requires-Dist: unused; sys_platform == "win32"
Requires-Dist: flask
-- content status --
Package: python3-jinja2
Status: install ok installed
Architecture: all
Version: 3
Depends: python3-markup

Package: python3-markup
Status: install ok installed
Architecture: all
Version: 1
-- layer --
file var/lib/dpkg/info/python3-markup.list "/usr/lib/python3/dist-packages/markup.py\n/usr/lib/python3/dist-packages/markup-1.egg-info\n"
file usr/lib/python3/dist-packages/markup.py
file usr/lib/python3/dist-packages/markup-1.egg-info "Name: markup\n"
file var/lib/dpkg/status @status
file var/lib/dpkg/info/python3-jinja2.list "/usr/lib/python3/dist-packages/jinja2/__init__.py\n/usr/lib/python3/dist-packages/jinja2/filters.py\n/usr/lib/python3/dist-packages/Jinja2-3.egg-info/PKG-INFO\n/usr/share/doc/python3-jinja2/README\n"
file usr/share/doc/python3-jinja2/README
file usr/lib/python3.11/os.py
file usr/lib/python3/dist-packages/flask/__init__.py
file usr/lib/python3/dist-packages/flask/app.py
file usr/lib/python3/dist-packages/flask/cli.py
file usr/lib/python3/dist-packages/flask-2.dist-info/METADATA @flask
file usr/lib/python3/dist-packages/flask-2.dist-info/RECORD "flask/__init__.py,,\nflask/app.py,,\nflask/cli.py,,\nflask/gone.py,,\n../../../bin/flask,,\n../../../share/doc/python3-jinja2/README,,\nflask-2.dist-info/METADATA,,\n"
file usr/lib/python3/dist-packages/flask-2.dist-info/entry_points.txt
file usr/lib/python3/dist-packages/flask-2.dist-info/direct_url.json
file usr/bin/flask 0755
file usr/lib/python3/dist-packages/jinja2/__init__.py
file usr/lib/python3/dist-packages/jinja2/filters.py
file usr/lib/python3/dist-packages/jinja2/local.py
file usr/lib/python3/dist-packages/Jinja2-3.egg-info/PKG-INFO "Name: Jinja2\nVersion: 3\n"
file usr/lib/python3/dist-packages/click/core.py
file usr/lib/python3/dist-packages/click-8.dist-info/METADATA @click
file usr/lib/python3/dist-packages/colorama.py
file usr/lib/python3/dist-packages/colorama_more.py
file usr/lib/python3/dist-packages/colorama-1.dist-info/METADATA "Name: colorama\n"
file usr/lib/python3/dist-packages/tomli.py
file usr/lib/python3/dist-packages/tomli-1.dist-info/METADATA "Name: tomli\n"
file usr/lib/python3/dist-packages/typing_ext.py
file usr/lib/python3/dist-packages/typing_ext-1.dist-info/METADATA "Name: typing-ext\n"
file usr/lib/python3/dist-packages/unused.py
file usr/lib/python3/dist-packages/unused-1.dist-info/METADATA "Name: unused\n"
`

func TestRulePip(t *testing.T) {
	const site = "/usr/lib/python3/dist-packages"
	auto := Options{Granularity: GranularityAuto}
	whole := `
/usr/bin/flask pip F
S/flask/__init__.py pip F
S/flask/cli.py pip F
S/flask-2.dist-info/METADATA pip F
S/flask-2.dist-info/RECORD pip F
S/flask-2.dist-info/direct_url.json pip F
S/flask-2.dist-info/entry_points.txt pip F
S/jinja2/__init__.py pip F
S/jinja2/filters.py pip F
S/Jinja2-3.egg-info/PKG-INFO pip F
S/markup.py pip F
S/markup-1.egg-info pip F
/var/lib/dpkg/info/python3-markup.list package-database S/markup-1.egg-info
S/click/core.py pip F
S/click-8.dist-info/METADATA pip F
S/colorama.py pip F
S/colorama-1.dist-info/METADATA pip F
S/typing_ext.py pip F
S/typing_ext-1.dist-info/METADATA pip F
/var/lib/dpkg/info/python3-jinja2.list package-database S/Jinja2-3.egg-info/PKG-INFO
/var/lib/dpkg/status package-database
`
	from := func(text, used string) string {
		return strings.NewReplacer(" F\n", " "+used+"\n", "S/", site+"/").Replace(text)
	}
	venv := `
-- layer --
file opt/v/pyvenv.cfg "include-system-site-packages = SYSTEM\n"
file opt/v/lib/python3.11/site-packages/a.py
file opt/v/lib/python3.11/site-packages/a-1.dist-info/METADATA "Name: a\nRequires-Dist: b\n"
file opt/v/lib/python3.11/site-packages/a-1.dist-info/RECORD "a.py,,\n"
file usr/lib/python3/dist-packages/b.py
file usr/lib/python3/dist-packages/b/own.py
file usr/lib/python3/dist-packages/b-1.dist-info/METADATA "Name: b\n"
file usr/lib/python3/dist-packages/c.py
-- config --
{"WorkingDir":"/opt/v/lib/python3.11/site-packages/nowhere"}
`
	runRuleCases(t, []ruleCase{
		{
			name: "whole, with what it requires that is installed", image: distributions, options: auto,
			opened: site + "/flask/app.py /usr/lib/python3.11/os.py",
			want:   from(whole+"S/flask/app.py access\n/usr/lib/python3.11/os.py access\n", site+"/flask/app.py"),
		},
		{
			name: "not at granularity file", image: distributions,
			opened: site + "/click/core.py",
			want:   strings.ReplaceAll("S/click/core.py access\nS/click-8.dist-info/METADATA python S/click/core.py", "S", site),
		},
		{
			name: "what was only looked at, listed, or is metadata brings nothing", image: distributions, options: auto,
			profile: joined(accessed(site+"/flask/app.py", "stat"), accessed(site, "list"), accessed(site+"/click-8.dist-info/METADATA", "open")),
			want: strings.ReplaceAll(`
S/flask/app.py access
S/flask/__init__.py python S/flask/app.py
S/flask-2.dist-info/METADATA python S/flask/app.py
S/flask-2.dist-info/RECORD python S/flask/app.py
S/flask-2.dist-info/entry_points.txt python S/flask/app.py
S/click-8.dist-info/METADATA access
/usr/lib/python3/dist-packages access
`, "S/", site+"/"),
		},
		{
			name: "what a .pth file loads at every start brings nothing", options: auto,
			image: `
-- layer --
file usr/lib/python3/dist-packages/hack.pth "import os; os.environ and __import__('_hack').shim()\n"
file usr/lib/python3/dist-packages/_hack/__init__.py
file usr/lib/python3/dist-packages/tools/__init__.py
file usr/lib/python3/dist-packages/tools-1.dist-info/METADATA "Name: tools\n"
file usr/lib/python3/dist-packages/tools-1.dist-info/RECORD "_hack/__init__.py,,\ntools/__init__.py,,\nhack.pth,,\n"
`,
			opened: site + "/hack.pth " + site + "/_hack/__init__.py",
			want: strings.ReplaceAll(`
S/hack.pth access
S/_hack/__init__.py access
S/tools-1.dist-info/METADATA python S/_hack/__init__.py
S/tools-1.dist-info/RECORD python S/_hack/__init__.py
`, "S/", site+"/"),
		},
		{
			name: "a marker decides over the OS package's dependencies", options: auto,
			image:  strings.Replace(distributions, `Jinja2-3.egg-info/PKG-INFO "Name: Jinja2\nVersion: 3\n"`, `Jinja2-3.egg-info/PKG-INFO "Name: Jinja2\nRequires-Dist: markup; sys_platform == 'win32'\n"`, 1),
			opened: site + "/jinja2/filters.py",
			want: strings.ReplaceAll(`
S/jinja2/filters.py access
S/jinja2/__init__.py pip S/jinja2/filters.py
S/Jinja2-3.egg-info/PKG-INFO pip S/jinja2/filters.py
/var/lib/dpkg/info/python3-jinja2.list package-database S/Jinja2-3.egg-info/PKG-INFO
/var/lib/dpkg/status package-database
`, "S/", site+"/"),
		},
		{
			name: "by a program that it installs", image: distributions, options: auto,
			profile: joined(accessed("/usr/bin/flask", "exec"), accessed(site, "list"), accessed("/usr/lib/python3.11/os.py", "open")),
			want:    from(strings.Replace(whole, "/usr/bin/flask pip F", "/usr/bin/flask access\nS/flask/app.py pip F", 1)+"/usr/lib/python3.11/os.py access\n"+site+" access\n", "/usr/bin/flask"),
		},
		{
			name: "a venv has what it requires for itself", options: auto,
			image:  strings.ReplaceAll(strings.ReplaceAll(venv, "SYSTEM", "false"), "opt/v", "usr/v"),
			opened: "/usr/v/lib/python3.11/site-packages/a.py " + site + "/c.py",
			want: from(strings.ReplaceAll(`
V/a.py access
V/a-1.dist-info/METADATA pip V/a.py
V/a-1.dist-info/RECORD pip V/a.py
/usr/v/pyvenv.cfg python V/a.py
S/c.py access
`, "V/", "/usr/v/lib/python3.11/site-packages/"), ""),
		},
		{
			name: "or sees the system's", options: auto,
			image:  strings.ReplaceAll(strings.ReplaceAll(venv, "SYSTEM", "true"), "opt/v", "usr/v"),
			opened: "/usr/v/lib/python3.11/site-packages/a.py " + site + "/c.py",
			want: from(strings.ReplaceAll(`
V/a.py access
V/a-1.dist-info/METADATA pip V/a.py
V/a-1.dist-info/RECORD pip V/a.py
/usr/v/pyvenv.cfg python V/a.py
S/b.py pip V/a.py
S/b/own.py pip V/a.py
S/b-1.dist-info/METADATA pip V/a.py
S/c.py access
`, "V/", "/usr/v/lib/python3.11/site-packages/"), ""),
		},
	})
}

// At granularity file, no rule brings a whole package, whatever was touched.
func TestNoWholePackagesByFile(t *testing.T) {
	for _, image := range []string{distributions, nodeApp, rubyApp, perlApp, phpImage} {
		tree := open(t, image)
		for e := range tree.All() {
			if e.Path == "/" {
				continue
			}
			plan := planned(t, tree, opened(e.Path), Options{Granularity: GranularityFile, User: "0:0"})
			for _, kept := range plan.Entries {
				if slices.ContainsFunc(kept.Reasons, func(r Reason) bool {
					return slices.Contains([]string{"pip", "npm", "gem", "cpan", "composer", "app-dir", "package"}, r.Rule)
				}) {
					t.Errorf("%s brings %s: %+v", e.Path, kept.Path, kept.Reasons)
				}
			}
		}
	}
}
