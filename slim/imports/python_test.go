package imports

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// show is an import on a line: dots and module, names, and a mark for those
// that run whenever the file is loaded.
func show(imps []Python) []string {
	var out []string
	for _, i := range imps {
		s := strings.Repeat(".", i.Level) + i.Module
		if i.Library != "" {
			s = "library " + i.Library
		}
		if i.Find {
			s += " find"
		}
		if len(i.Names) > 0 {
			s += ":" + strings.Join(i.Names, ",")
		}
		if i.Top {
			s += " top"
		}
		out = append(out, s)
	}
	return out
}

func TestScanPython(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      []string
	}{
		{"statements", "import a\nimport b.c as d, e\nfrom f.g import h as i, j\nfrom k import *\n", []string{"a top", "b.c top", "e top", "f.g:h,j top", "k top"}},
		{
			"libraries", "a = ctypes.CDLL('liba.so.1')\nb = cdll.LoadLibrary(\n \"libb.so\", x)\nffi.dlopen('libc.so.6', 1)\nd = find_library('d')\nCDLL(find_library(name))\nCDLL(None)\nCDLL('x' + y)\n",
			[]string{"library liba.so.1", "library libb.so", "library libc.so.6", "library d find"},
		},
		{"relative", "from . import a\nfrom ..b import c\nfrom ...d.e import f\nfrom .... import g\n", []string{".:a top", "..b:c top", "...d.e:f top", "....:g top"}},
		{"in brackets over lines", "from a import (  # all of it\n    b, c as d,\n\n    e,\n)\nimport f\n", []string{"a:b,c,e top", "f top"}},
		{"continued lines", "import a, \\\n  b\nfrom c \\\r\n  import d\n", []string{"a top", "b top", "c:d top"}},
		{"several on a line", "import a; import b; x = 1; from c import d\n", []string{"a top", "b top", "c:d top"}},
		{"behind a colon", "try: import a\nexcept ImportError: from b import c\n", []string{"a", "b:c"}},
		{"indented", "def f():\n    import a\n\timport b\n", []string{"a", "b"}},
		{"spaces in a dotted name", "import a . b\nfrom . c import d\n", []string{"a.b top", ".c:d top"}},
		{"no new line at the end, a mark at the begin", "\ufeffimport a", []string{"a top"}},
		{"not in strings", "'import a'\n\"\"\"\nimport b\n'''\nfrom c import d\n\"\"\"\nx = '\\\nimport e'\nr'\\'; import f\n", nil},
		{"after strings", "x = r'\\\\'; import a\ny = b'''x''' ; import b\nf'{x}' ; import c\n'''x\n''' ; import d\n", []string{"a top", "b top", "c top", "d top"}},
		{"an unfinished string ends with its line", "x = 'abc\nimport a\n", []string{"a top"}},
		{"not in comments", "# import a\nx = 1 # ; import b\n", nil},
		{"names that begin alike", "importlib.x\nimported = 1\nfromage = import_\nx.import_module\n", nil},
		{"attributes called import", "x = a.from_(b)\nraise X from e\nyield from f()\n", nil},
		{"calls", "importlib.import_module('a.b')\nm = import_module(\"c\")\n__import__('d', globals())\nimport_module('.e', package=__name__)\n", []string{"a.b top", "c top", "d top", ".e top"}},
		{"calls of what is computed", "import_module(f'a.{x}')\nimport_module('a' + x)\nimport_module('a.%s' % x)\nimport_module(name)\n__import__(b'a')\nimport_module('a\\x2e')\n", nil},
		{"calls in calls, over lines", "x = [f(\n  import_module(\n    'a'\n  )\n)]\n", []string{"a top"}},
		{"for type checkers only", "if TYPE_CHECKING:\n    import a\n    if x:\n        import b\nelse:\n    import c\nif typing.TYPE_CHECKING:\n    import d\n\nimport e\n", []string{"c", "e top"}},
		{"not for type checkers", "if not TYPE_CHECKING:\n    import a\nif TYPE_CHECKING or x:\n    import b\n", []string{"a", "b"}},
		{"brackets in strings", "x = '('\nimport a\ny = \"[\"; import b\n", []string{"a top", "b top"}},
		{"a lambda and an annotation", "f: int = lambda x: import_\nimport a\n", []string{"a top"}},
		{"other letters", "import größe\n", []string{"größe top"}},
		{"nothing whole", "import\nfrom\nfrom a\nfrom a import\nfrom . import\nimport a.\nimport_module(\n", []string{"a top"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, show(ScanPython([]byte(c.src)))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestScanNode(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      []string // specifier, " esm" behind what is imported
	}{
		{"require", "const a = require('a'), b = require(\"./b\")\nmodule.require('c')\nrequire.resolve('d')\nrequire(`e`)\n", []string{"a", "./b", "c", "d", "e"}},
		{"import", "import a from 'a'\nimport {b as c, 'x y' as d} from \"b\";import * as e from './e.js'\nimport f, {g} from 'f'\nimport 'h'\n", []string{"a esm", "b esm", "./e.js esm", "f esm", "h esm"}},
		{"export", "export * from 'a'\nexport {b as default} from 'b'\nexport * as c from 'c'\nexport const from = 'no'\nexport {from}; 'no'\n", []string{"a esm", "b esm", "c esm"}},
		{"import()", "const a = await import('a')\nimport(\"b\", {with: {type: 'json'}})\nimport.meta.url\n", []string{"a esm", "b esm"}},
		{"attributes", "import a from 'a' with {type: 'json'}\n", []string{"a esm"}},
		{"computed", "require('a' + b); require(`a${b}`); import('a' + b); require(a); require('a\\x62')\n", nil},
		{"others' methods", "x.require('a'); x.import('b'); y.require.resolve; _require('c'); requirejs('d')\n", nil},
		{"not in strings and comments", "'require(\"a\")'; \"import 'b'\"; // require('c')\n/* require('d')\nimport 'e' */\n`\nrequire('f')\nimport 'g'\n`\n", nil},
		{"in a template's substitution", "`a ${require('a')} ${`b ${x({}) + require('b')}`} '`; require('c')\n", []string{"a", "b", "c"}},
		{"regular expressions", "x = /['\"`]/g; require('a'); if (/[/'\"]/.test(y)) require('b'); return /\\/'/\nrequire('c')\n", []string{"a", "b", "c"}},
		{"division", "x = a / b; y = c[0] / 'd'.length / f() / 2; require('a')\n", []string{"a"}},
		{"a string ends with its line", "x = 'abc\nrequire('a')\n", []string{"a"}},
		{"hashbang", "#!/usr/bin/env node --require('x')\nrequire('a')\n", []string{"a"}},
		{"minified", "!function(e,t){\"object\"==typeof exports?module.exports=t(require(\"a\")):t(e.b)}(this,(function(e){return/'/.test(e)?require('c'):import('d')}));import{e}from\"e\";export*from\"f\"", []string{"a", "c", "d esm", "e esm", "f esm"}},
		{"nothing whole", "import\nimport {a} from\nrequire(\nexport * from\nimport(\n`${", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, i := range ScanNode([]byte(c.src)) {
				if i.ESM {
					i.Spec += " esm"
				}
				got = append(got, i.Spec)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// A hostile file costs what its size allows.
func TestScanBounds(t *testing.T) {
	many := []byte(strings.Repeat("import a\n", maxImports+10))
	if n := len(ScanPython(many)); n != maxImports {
		t.Errorf("%d imports of Python", n)
	}
	if n := len(ScanPython([]byte("import " + strings.Repeat("a,", maxImports+10)))); n > maxImports {
		t.Errorf("%d imports of Python on a line", n)
	}
	if n := len(ScanNode([]byte(strings.Repeat("import 'a'\n", maxImports+10)))); n != maxImports {
		t.Errorf("%d imports of Node", n)
	}
	for i, open := range []string{"(", "`${", "'", "\"\"\"", "/", "\\", "{", "[", "import ", "from ", "/*"} {
		src := []byte(strings.Repeat(open, 300_000))
		if got := fmt.Sprint(len(ScanPython(src)), len(ScanNode(src))); got == "" {
			t.Error(i)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{"from . import (a,\n b)\n", "import_module('''x''')", "\\", "'\\", "r'\\", "`${`${/[/]/}`}`", "import{a}from'b'", "if TYPE_CHECKING:\n import a", "/", "/*"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, i := range ScanPython(src) {
			if i.Module == "" && i.Level == 0 || len(i.Module) > len(src) {
				t.Errorf("%+v", i)
			}
		}
		for _, i := range ScanNode(src) {
			if i.Spec == "" || !strings.Contains(string(src), i.Spec) {
				t.Errorf("%+v", i)
			}
		}
	})
}
