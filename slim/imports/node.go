package imports

// Node is one import of a JavaScript file.
type Node struct {
	// Spec is the specifier: "./a.js", "express", "#db".
	Spec string
	// ESM says that it is imported and not required.
	ESM bool
}

// ScanNode finds require("x"), require.resolve("x"), import … from "x",
// import "x", import("x") and export … from "x" with a literal, in the order
// of the file (tc39.es/ecma262, nodejs.org/api/modules.html).
func ScanNode(src []byte) []Node {
	s := nodeScanner{lexer: nodeLexer{src: string(src)}}
	s.lexer.hashbang()
	for len(s.out) < maxImports {
		t, ok := s.lexer.token()
		if !ok {
			break
		}
		s.take(t)
	}
	return s.out
}

// nodeScanner sees one token after the other and keeps the last five.
type nodeScanner struct {
	lexer  nodeLexer
	last   [5]token // the newest last
	clause bool     // between import or export and from
	out    []Node
}

func (s *nodeScanner) take(t token) {
	before := s.last[4]
	switch {
	case t.kind == str && s.clause && before.is(name, "from"):
		s.add(t.text, true)
		s.clause = false
	case t.kind == str && before.is(name, "import") && !s.last[3].is(punct, "."):
		s.add(t.text, true)
		s.clause = false
	case t.is(punct, ")") || t.is(punct, ","):
		s.call()
	}
	s.clause = s.inClause(t)
	copy(s.last[:], s.last[1:])
	s.last[4] = t
}

func (t token) is(k kind, text string) bool { return t.kind == k && t.text == text }

// inClause says that t may stand between import or export and from.
func (s *nodeScanner) inClause(t token) bool {
	if t.kind == name && (t.text == "import" || t.text == "export") {
		return !s.last[4].is(punct, ".")
	}
	if !s.clause {
		return false
	}
	switch t.kind {
	case name, str:
		return true
	case punct:
		return t.text == "{" || t.text == "}" || t.text == "," || t.text == "*"
	}
	return false
}

// call looks at the tokens before ")" or ",": require ( "x", require .
// resolve ( "x", import ( "x".
func (s *nodeScanner) call() {
	l := &s.last
	if l[4].kind != str || !l[3].is(punct, "(") {
		return
	}
	switch {
	case l[2].is(name, "import") && !l[1].is(punct, "."):
		s.add(l[4].text, true)
	case l[2].is(name, "require") && (!l[1].is(punct, ".") || l[0].is(name, "module")):
		s.add(l[4].text, false)
	case l[2].is(name, "resolve") && l[1].is(punct, ".") && l[0].is(name, "require"):
		s.add(l[4].text, false)
	}
}

func (s *nodeScanner) add(spec string, esm bool) {
	if spec != "" {
		s.out = append(s.out, Node{spec, esm})
	}
}
