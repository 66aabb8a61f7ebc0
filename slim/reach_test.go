package slim

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pare-image/pare/slim/imports"
)

// pythonApp is an application beside a library of packages of the OS and of
// Python's own.
const pythonApp = `
-- layer --
file usr/app/main.py "import helper.deep, json\nimport lazy_gone\ndef f():\n    import csv\n    from pkg import views, VERSION\n    importlib.import_module('space.part')\n'import never'\n"
file usr/app/helper/__init__.py
file usr/app/helper/deep.py "from . import near\nfrom .. import outside\n"
file usr/app/helper/near.py
file usr/app/never.py
file usr/lib/python3.11/os.py
file usr/lib/python3.11/json/__init__.py "def f():\n    import pydoc\n"
file usr/lib/python3.11/csv.py "import io\nimport _csv\ndef f():\n    import pydoc\n"
file usr/lib/python3.11/io.py
file usr/lib/python3.11/pydoc.py
file usr/lib/python3.11/lib-dynload/_csv.cpython-311-x86_64-linux-gnu.so
file usr/lib/python3/dist-packages/pkg/__init__.py
file usr/lib/python3/dist-packages/pkg/views.py "from pkg.models import *\n"
file usr/lib/python3/dist-packages/pkg/models.py
file usr/lib/python3/dist-packages/pkg/unused.py
file usr/lib/python3/dist-packages/pkg-1.dist-info/METADATA "Name: pkg\nVersion: 1\n"
file usr/lib/python3/dist-packages/space/part.py
file usr/lib/python3/dist-packages/space/more.py
`

const reachTouched = "/usr/app/main.py /usr/lib/python3.11/os.py /usr/lib/python3.11/json/__init__.py /usr/lib/python3/dist-packages"

func TestReachKeep(t *testing.T) {
	keep := Options{Granularity: GranularityFile, Reach: ReachKeep}
	runRuleCases(t, []ruleCase{
		{
			name: "Python", image: pythonApp, options: keep, opened: reachTouched,
			want: `
/usr/app/main.py access
/usr/app/helper/__init__.py reach-python /usr/app/main.py
/usr/app/helper/deep.py reach-python /usr/app/main.py
/usr/app/helper/near.py reach-python /usr/app/helper/deep.py
/usr/lib/python3.11/os.py access
/usr/lib/python3.11/json/__init__.py access
/usr/lib/python3.11/csv.py reach-python /usr/app/main.py
/usr/lib/python3.11/io.py reach-python /usr/lib/python3.11/csv.py
/usr/lib/python3.11/lib-dynload/_csv.cpython-311-x86_64-linux-gnu.so reach-python /usr/lib/python3.11/csv.py
/usr/lib/python3/dist-packages access
/usr/lib/python3/dist-packages/pkg/__init__.py reach-python /usr/app/main.py
/usr/lib/python3/dist-packages/pkg/views.py reach-python /usr/app/main.py
/usr/lib/python3/dist-packages/pkg/models.py reach-python /usr/lib/python3/dist-packages/pkg/views.py
/usr/lib/python3/dist-packages/pkg-1.dist-info/METADATA python /usr/lib/python3/dist-packages/pkg/__init__.py
/usr/lib/python3/dist-packages/space/part.py reach-python /usr/app/main.py
`,
		},
		{
			name: "Node", options: keep, opened: "/usr/bin/node /usr/app/server.js /usr/app/package.json",
			image: `
-- layer --
file usr/bin/node
file usr/app/package.json "{}"
file usr/app/server.js "const a = require('a'), f = () => require('./lib')\n// require('./never')\n"
file usr/app/never.js
file usr/app/lib/index.js "import('./esm.mjs'); require('./data'); require('../node_modules/a/native.node')\n"
file usr/app/lib/esm.mjs "export * from 'b/sub'\n"
file usr/app/lib/data.json "{}"
symlink usr/app/node_modules/a -> .pnpm/a
file usr/app/node_modules/.pnpm/a/index.js
file usr/app/node_modules/.pnpm/a/unused.js
file usr/app/node_modules/.pnpm/a/native.node
file usr/app/node_modules/b/package.json "{\"name\":\"b\",\"exports\":{\"./sub\":{\"require\":\"./no.cjs\",\"default\":\"./yes.mjs\"}}}"
file usr/app/node_modules/b/yes.mjs
file usr/app/node_modules/b/no.cjs
`,
			want: `
/usr/bin/node access
/usr/app/package.json access
/usr/app/server.js access
/usr/app/lib/index.js reach-node /usr/app/server.js
/usr/app/lib/esm.mjs reach-node /usr/app/lib/index.js
/usr/app/lib/data.json reach-node /usr/app/lib/index.js
/usr/app/node_modules/a link /usr/app/node_modules/.pnpm/a/index.js
/usr/app/node_modules/.pnpm/a/index.js reach-node /usr/app/server.js
/usr/app/node_modules/.pnpm/a/native.node reach-node /usr/app/lib/index.js
/usr/app/node_modules/b/yes.mjs reach-node /usr/app/lib/esm.mjs
/usr/app/node_modules/b/package.json node /usr/app/node_modules/b/yes.mjs
/usr/app/node_modules/b/no.cjs node /usr/app/node_modules/b/package.json
`,
		},
	})
}

// What would be kept is reported, and is what keeping it keeps.
func TestReachReport(t *testing.T) {
	tree := open(t, pythonApp)
	p := opened(strings.Fields(reachTouched)...)
	plan := planned(t, tree, p, Options{Granularity: GranularityFile})
	var got []string
	for _, r := range plan.Risks {
		if strings.HasPrefix(r.Name, "reach-") {
			got = append(got, r.Name+" "+r.Path+" "+r.Text)
		}
	}
	const site, can = "/usr/lib/python3/dist-packages", ": kept code can import "
	want := []string{
		"reach-python /usr/lib/python3.11/csv.py the standard library" + can + "3 files of 48 bytes that are not kept, first from /usr/app/main.py",
		"reach-python /usr/app/helper/__init__.py /usr/app/helper" + can + "3 files of 42 bytes that are not kept, first from /usr/app/main.py",
		"reach-python " + site + "/pkg/__init__.py pkg 1" + can + "3 files of 25 bytes that are not kept, first from /usr/app/main.py",
		"reach-python " + site + "/space/part.py " + site + "/space" + can + "1 files of 0 bytes that are not kept, first from /usr/app/main.py",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("risks (-want +got):\n%s", d)
	}
	kept := planned(t, tree, p, Options{Granularity: GranularityFile, Reach: ReachKeep})
	for _, r := range kept.Risks {
		if strings.HasPrefix(r.Name, "reach-") {
			t.Errorf("kept and reported: %+v", r)
		}
	}
	if plan.OptionsDigest == kept.OptionsDigest {
		t.Error("the options' digest does not tell them apart")
	}
}

// Source that no Python or Node ran is data: nothing is read, or reported.
func TestReachOfUnusedLanguages(t *testing.T) {
	tree := open(t, "\n-- layer --\nfile usr/app/a.js \"require('./b')\"\nfile usr/app/b.js\nfile usr/app/a.py \"import b\"\nfile usr/app/b.py\nfile usr/lib/python3.11/os.py\n")
	for _, c := range []struct {
		opened string
		want   int
	}{{"/usr/app/a.js /usr/app/a.py", 0}, {"/usr/app/a.js /usr/app/a.py /usr/lib/python3.11/os.py", 1}} {
		plan := planned(t, tree, opened(strings.Fields(c.opened)...), Options{Granularity: GranularityFile})
		if n := len(plan.Risks); n != c.want {
			t.Errorf("%s: %d risks, want %d: %v", c.opened, n, c.want, plan.Risks)
		}
	}
}

// What only Debian's directory for everybody has counts where it is declared
// or was used; tests of packages import a lot of what lies there.
func TestReachOfSharedPackages(t *testing.T) {
	tree := open(t, `
-- layer --
file usr/app/package.json "{\"name\":\"app\",\"version\":\"1\",\"dependencies\":{\"declared\":\"*\"}}"
file usr/app/server.js "require('declared'); require('undeclared'); require('touched/b')"
file usr/share/nodejs/declared/index.js "require('./more'); require('deep')"
file usr/share/nodejs/declared/more.js
file usr/share/nodejs/deep/index.js
file usr/share/nodejs/undeclared/index.js
file usr/share/nodejs/touched/a.js
file usr/share/nodejs/touched/b.js
`)
	plan := planned(t, tree, opened("/usr/app/server.js", "/usr/app/package.json", "/usr/share/nodejs/touched/a.js"), Options{Granularity: GranularityFile, Reach: ReachKeep})
	var got []string
	for _, e := range plan.Entries {
		if e.Reasons[0].Rule == "reach-node" {
			got = append(got, strings.TrimPrefix(e.Path, "/usr/share/nodejs/"))
		}
	}
	if d := cmp.Diff([]string{"declared/index.js", "declared/more.js", "touched/b.js"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What only code that is not kept imports is summed up, and source that the
// workload did not touch and that is long is not read: it is no risk's cause.
func TestReachOfWhatIsNotKept(t *testing.T) {
	long := "import fourth\n" + strings.Repeat("#", smallSource)
	tree := open(t, `
-- content long --
`+long+`
-- layer --
file usr/lib/python3.11/os.py
file usr/app/main.py "import first, third"
file usr/lib/python3/dist-packages/first/__init__.py "import second"
file usr/lib/python3/dist-packages/second/__init__.py
file usr/lib/python3/dist-packages/third/__init__.py @long
file usr/lib/python3/dist-packages/fourth/__init__.py
`)
	plan := planned(t, tree, opened("/usr/app/main.py", "/usr/lib/python3.11/os.py", "/usr/lib/python3/dist-packages"), Options{Granularity: GranularityFile})
	var got []string
	for _, r := range plan.Risks {
		got = append(got, r.Path+" "+r.Text)
	}
	const site = "/usr/lib/python3/dist-packages"
	want := []string{
		fmt.Sprintf("%[1]s/third/__init__.py %[1]s/third: kept code can import 1 files of %d bytes that are not kept, first from /usr/app/main.py", site, len(long)+1),
		fmt.Sprintf("%[1]s/first/__init__.py %[1]s/first: kept code can import 1 files of 13 bytes that are not kept, first from /usr/app/main.py", site),
		" 1 more, smaller ones and those that only these import: 1 files of 0 bytes; --reach keep keeps all",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("risks (-want +got):\n%s", d)
	}
}

// Many packages are one line each, up to a bound.
func TestReachReportIsBounded(t *testing.T) {
	var image, main strings.Builder
	for i := range maxReachRisks + 5 {
		fmt.Fprintf(&image, "file usr/lib/python3/dist-packages/p%02d/__init__.py\n", i)
		fmt.Fprintf(&main, "import p%02d\n", i)
	}
	tree := open(t, "\n-- layer --\n"+image.String()+"file usr/lib/python3.11/os.py\nfile usr/app/main.py "+strconv.Quote(main.String())+"\n")
	plan := planned(t, tree, opened("/usr/app/main.py", "/usr/lib/python3/dist-packages", "/usr/lib/python3.11/os.py"), Options{Granularity: GranularityFile})
	n, more := 0, ""
	for _, r := range plan.Risks {
		if r.Name == "reach-python" && r.Path != "" {
			n++
		} else if r.Name == "reach-python" {
			more = r.Text
		}
	}
	if n != maxReachRisks || more != "5 more, smaller ones and those that only these import: 5 files of 0 bytes; --reach keep keeps all" {
		t.Errorf("%d, %q", n, more)
	}
}

// finderTree is a directory for modulefinder, the import scanner of CPython's
// own library (Lib/modulefinder.py), which compiles the source.
var finderTree = map[string]string{
	"main.py":                 "import a, pkg.sub.deep as d\nfrom pkg import other, name\nfrom space.inner import leaf\n'''\nimport no_string\n'''\ndef f():\n    from pkg.sub import (late,\n      late2)\n# import no_comment\ntry:\n    import gone\nexcept ImportError: import fallback\nx = 'import no_text'; import b; import c\n",
	"a.py":                    "import \\\n    after\n",
	"after.py":                "f'{1} import no_f'\nr'\\''; import raw\n",
	"b.py":                    "class A:\n    import inclass\n",
	"c.py":                    "",
	"raw.py":                  "",
	"inclass.py":              "if 1:\n\tif 2:\n\t\timport tabs\n",
	"tabs.py":                 "",
	"fallback.py":             "from pkg.star import *\n",
	"no_string.py":            "",
	"no_comment.py":           "",
	"no_text.py":              "",
	"no_f.py":                 "",
	"unused.py":               "",
	"pkg/__init__.py":         "from .hidden import x\nname = 1\n",
	"pkg/hidden.py":           "from . import sibling\nx = 1\n",
	"pkg/sibling.py":          "from .sub.up import *\n",
	"pkg/other.py":            "import pkg.third\n",
	"pkg/third.py":            "",
	"pkg/star.py":             "",
	"pkg/name2.py":            "",
	"pkg/sub/__init__.py":     "",
	"pkg/sub/deep.py":         "from ..sub2.x import y\n",
	"pkg/sub/late.py":         "",
	"pkg/sub/late2.py":        "",
	"pkg/sub/up.py":           "from .. import fourth\n",
	"pkg/fourth.py":           "",
	"pkg/sub2/__init__.py":    "",
	"pkg/sub2/x.py":           "y = 1\n",
	"space/inner/__init__.py": "",
	"space/inner/leaf.py":     "",
}

const finderScript = `
import modulefinder, sys
root = sys.argv[1]
f = modulefinder.ModuleFinder(path=[root])
f.run_script(root + "/main.py")
for m in sorted(x.__file__ for x in f.modules.values() if x.__file__):
    print(m[len(root):])
`

// The scanner and the resolver against CPython's. It does not know namespace
// packages, so that the one of the tree is made a package for it.
func TestReachAgainstModulefinder(t *testing.T) {
	needProgram(t, "python3")
	dir := t.TempDir()
	var image strings.Builder
	image.WriteString("\n-- layer --\nfile usr/lib/python3.11/os.py\n")
	for _, name := range sortedKeys(finderTree) {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(finderTree[name]), 0o644); err != nil {
			t.Fatal(err)
		}
		image.WriteString("file usr/app/" + name + " " + strconv.Quote(finderTree[name]) + "\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "space/__init__.py"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "python3", "-I", "-c", finderScript, dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		if p := strings.TrimSpace(line); p != "/space/__init__.py" {
			want = append(want, p)
		}
	}
	plan := planned(t, open(t, image.String()), opened("/usr/app/main.py", "/usr/lib/python3.11/os.py"), Options{Granularity: GranularityFile, Reach: ReachKeep})
	var got []string
	for _, e := range plan.Entries {
		if p, ok := strings.CutPrefix(e.Path, "/usr/app"); ok && strings.HasSuffix(p, ".py") {
			got = append(got, p)
		}
	}
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" || len(got) < 20 {
		t.Errorf("%d files (-modulefinder +pare):\n%s", len(got), d)
	}
}

// Every import statement of the installed Python's library, and every library
// that it loads by a literal name, against its own parser.
func TestScanAgainstAST(t *testing.T) {
	needProgram(t, "python3")
	const script = `
import ast, sys, warnings
warnings.simplefilter("ignore")
for name in sys.stdin.read().split("\n"):
    if not name: continue
    try: tree = ast.parse(open(name, "rb").read())
    except Exception: continue
    out = set()
    formatted = {id(m) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for m in ast.walk(n)}
    for n in ast.walk(tree):
        if id(n) in formatted: continue # code in f-strings does not count
        if isinstance(n, ast.Import): out |= {a.name for a in n.names}
        if isinstance(n, ast.Call) and n.args and isinstance(n.args[0], ast.Constant) and isinstance(n.args[0].value, str):
            f = n.func.attr if isinstance(n.func, ast.Attribute) else n.func.id if isinstance(n.func, ast.Name) else ""
            if f in ("CDLL", "PyDLL", "LoadLibrary", "find_library", "dlopen"): out.add("library " + n.args[0].value)
        if isinstance(n, ast.ImportFrom): out.add("." * n.level + (n.module or "") + ":" + ",".join(a.name for a in n.names if a.name != "*"))
    print(name, *sorted(out), sep="\t")
`
	root, err := exec.CommandContext(t.Context(), "python3", "-I", "-c", "import os; print(os.path.dirname(os.__file__))").Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	err = filepath.WalkDir(strings.TrimSpace(string(root)), func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "site-packages" || d.Name() == "dist-packages") {
			return fs.SkipDir
		}
		if err == nil && strings.HasSuffix(p, ".py") && len(files) < 400 {
			files = append(files, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-I", "-c", script)
	cmd.Stdin = strings.NewReader(strings.Join(files, "\n"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Split(strings.TrimSpace(line), "\t")
		src, err := os.ReadFile(words[0])
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(src), "TYPE_CHECKING") || strings.Contains(string(src), "import_module(") || strings.Contains(string(src), "__import__(") {
			continue // on purpose not the same
		}
		var got []string
		for _, imp := range imports.ScanPython(src) {
			s := strings.Repeat(".", imp.Level) + imp.Module
			switch {
			case imp.Library != "":
				s = "library " + imp.Library
			case imp.From:
				s += ":" + strings.Join(imp.Names, ",")
			}
			got = append(got, s)
		}
		slices.Sort(got)
		checked++
		if d := cmp.Diff(words[1:], slices.Compact(got), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-ast +pare):\n%s", words[0], d)
		}
	}
	if checked < 100 {
		t.Errorf("only %d files were compared", checked)
	}
}

func needProgram(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing; make install-deps", name)
	}
	t.Skipf("no %s here", name)
}

// What ctypes and cffi load by literal names counts as imported.
func TestReachPythonLibraries(t *testing.T) {
	const lib = "usr/lib/x86_64-linux-gnu/"
	runRuleCases(t, []ruleCase{{
		name: "ctypes", options: Options{Granularity: GranularityFile, Reach: ReachKeep},
		opened: "/app /usr/lib/python3.11/os.py /usr/app/main.py",
		image: glibc + program("app", "libc.so.6") + library(lib+"libmagic.so.1") + library(lib+"libsqlite3.so.0.8.6") +
			"symlink " + lib + "libsqlite3.so.0 -> libsqlite3.so.0.8.6\n" + library(lib+"libother.so.1") + "file usr/lib/python3.11/os.py\n" +
			`file usr/app/main.py "ffi.dlopen('libmagic.so.1')\nx = find_library('sqlite3')\nCDLL('gone.so')\n# CDLL('libother.so.1')\n"` + "\n",
		want: glibcKept + `
/usr/lib/python3.11/os.py access
/usr/app/main.py access
/usr/lib/x86_64-linux-gnu/libmagic.so.1 reach-python /usr/app/main.py
/usr/lib/x86_64-linux-gnu/libsqlite3.so.0 link /usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6
/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6 reach-python /usr/app/main.py
`,
	}})
}
