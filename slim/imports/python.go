package imports

import "strings"

// Python is one import of a Python file.
type Python struct {
	// Module is dotted, "" in "from . import x".
	Module string
	// Level is the number of leading dots: 0 is absolute.
	Level int
	// From says that it is "from … import", and Names are what is behind:
	// attributes or submodules.
	From  bool
	Names []string
	// Library is what ctypes or cffi load: a file's name ("libmagic.so.1") or,
	// where Find is set, what ctypes.util.find_library looks for ("magic").
	// Nothing else is then set.
	Library string
	Find    bool
	// Top says that the statement is at the left margin: it runs whenever the
	// file is loaded.
	Top bool
}

// ScanPython finds import statements, and calls with a literal that import
// (import_module, __import__) or load a library (of ctypes: CDLL, PyDLL,
// LoadLibrary, find_library; of cffi: dlopen), in the order of the file. Imports below
// "if TYPE_CHECKING:" are left out: they never run
// (docs.python.org/3/reference/lexical_analysis.html, simple_stmts.html).
func ScanPython(src []byte) []Python {
	s := pythonScanner{lexer: pythonLexer{src: string(src)}, skip: -1}
	for len(s.out) < maxImports && s.line() {
	}
	return s.out
}

type pythonScanner struct {
	lexer pythonLexer
	out   []Python
	skip  int // lines indented deeper are left out; -1 for none
}

// line reads one logical line; false at the end.
func (s *pythonScanner) line() bool {
	toks, indent, more := s.lexer.line()
	if len(toks) == 0 {
		return more
	}
	if s.skip >= 0 && indent > s.skip {
		return more
	}
	s.skip = -1
	if typeChecking(toks) {
		s.skip = indent
		return more
	}
	start, depth := 0, 0
	for i, t := range toks {
		depth += bracket(t)
		if depth == 0 && (t.is(punct, ";") || t.is(punct, ":")) {
			s.statement(toks, start, i, indent)
			start = i + 1
		}
	}
	s.statement(toks, start, len(toks), indent)
	s.calls(toks, indent == 0)
	return more
}

// typeChecking matches "if TYPE_CHECKING:" and "if typing.TYPE_CHECKING:".
func typeChecking(toks []token) bool {
	n := len(toks)
	return (n == 3 || n == 5 && toks[2].is(punct, ".")) && toks[0].text == "if" && toks[n-2].text == "TYPE_CHECKING" && toks[n-1].text == ":"
}

// statement takes "import a.b as c, d" and "from .a import (b as c, d)" from
// a part of a logical line.
func (s *pythonScanner) statement(line []token, start, end, indent int) {
	top := indent == 0 && (start == 0 || line[start-1].text == ";")
	toks := line[start:end]
	if len(toks) < 2 || toks[0].kind != name {
		return
	}
	switch toks[0].text {
	case "import":
		for rest := toks[1:]; len(rest) > 0; {
			mod, left := dotted(rest)
			s.add(Python{Module: mod, Top: top})
			rest = afterComma(left)
		}
	case "from":
		imp := Python{Top: top, From: true}
		rest := toks[1:]
		for len(rest) > 0 && rest[0].text == "." {
			imp.Level++
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0].text != "import" {
			imp.Module, rest = dotted(rest)
		}
		if len(rest) < 2 || rest[0].text != "import" {
			return
		}
		imp.Names = importNames(rest[1:])
		s.add(imp)
	}
}

func importNames(toks []token) []string {
	if len(toks) > 0 && toks[0].text == "(" {
		toks = toks[1:]
	}
	var out []string
	for len(toks) > 0 && len(out) < maxImports {
		if toks[0].kind == name {
			out = append(out, toks[0].text)
		}
		toks = afterComma(toks)
	}
	return out
}

func (s *pythonScanner) add(p Python) {
	if (p.Module != "" || p.Level > 0) && len(s.out) < maxImports {
		s.out = append(s.out, p)
	}
}

func dotted(toks []token) (string, []token) {
	var parts []string
	for len(toks) > 0 && toks[0].kind == name {
		parts = append(parts, toks[0].text)
		toks = toks[1:]
		if len(toks) < 2 || toks[0].text != "." || toks[0].kind != punct {
			break
		}
		toks = toks[1:]
	}
	return strings.Join(parts, "."), toks
}

func afterComma(toks []token) []token {
	for i, t := range toks {
		if t.kind == punct && t.text == "," {
			return toks[i+1:]
		}
	}
	return nil
}

// literalCalls are the functions of which a literal first argument counts.
var literalCalls = map[string]bool{
	"import_module": true, "__import__": true,
	"CDLL": true, "PyDLL": true, "LoadLibrary": true, "find_library": true, "dlopen": true,
}

// calls finds import_module("a.b"), import_module(".b", __package__) and
// __import__("a").
func (s *pythonScanner) calls(toks []token, top bool) {
	for i := 0; i+3 < len(toks) && len(s.out) < maxImports; i++ {
		t := toks[i]
		if t.kind != name || !literalCalls[t.text] {
			continue
		}
		arg, end := toks[i+2], toks[i+3]
		if toks[i+1].text != "(" || arg.kind != str || end.kind != punct || end.text != ")" && end.text != "," {
			continue
		}
		if t.text != "import_module" && t.text != "__import__" {
			s.out = append(s.out, Python{Library: arg.text, Find: t.text == "find_library"})
			continue
		}
		mod := strings.TrimLeft(arg.text, ".")
		s.add(Python{Module: mod, Level: len(arg.text) - len(mod), Top: top})
	}
}
