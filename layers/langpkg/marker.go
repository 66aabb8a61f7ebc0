package langpkg

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Environment is what markers ask about (PEP 508). An empty field is unknown.
type Environment struct {
	PythonVersion string // "3.11"
	Machine       string // as uname -m has it: "x86_64"
	// Extras of the distribution that are asked for, normalized; there are
	// no others.
	Extras []string
}

// truth is yes, no, or one that cannot be told.
type truth int8

const (
	no truth = iota
	unknown
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// value is a marker variable's; false when it is unknown. Images are of Linux
// and, in practice, of CPython; PyPy's images give unknown versions.
func (e Environment) value(name string) (string, bool) {
	switch name {
	case "python_version":
		return e.PythonVersion, e.PythonVersion != ""
	case "platform_machine":
		return e.Machine, e.Machine != ""
	}
	v, ok := map[string]string{
		"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux",
		"platform_python_implementation": "CPython", "implementation_name": "cpython",
	}[name]
	return v, ok
}

// evalMarker evaluates a marker:
//
//	or   = and { "or" and }
//	and  = term { "and" term }
//	term = "(" or ")" | value op value
//
// What is no marker is unknown.
func evalMarker(s string, env Environment) truth {
	p := markerParser{tokens: markerToken.FindAllString(s, maxMarkerTokens), env: env}
	t := p.or(0)
	if p.bad || p.pos < len(p.tokens) {
		return unknown
	}
	return t
}

const (
	maxMarkerTokens = 1000
	maxMarkerDepth  = 50
)

var markerToken = regexp.MustCompile(`"[^"]*"|'[^']*'|[A-Za-z_][A-Za-z0-9_.]*|[<>=!~]=?=?|[()]|\S`)

type markerParser struct {
	tokens []string
	pos    int
	env    Environment
	bad    bool
}

func (p *markerParser) next() string {
	if p.pos >= len(p.tokens) {
		p.bad = true
		return ""
	}
	p.pos++
	return p.tokens[p.pos-1]
}

func (p *markerParser) take(word string) bool {
	if p.pos < len(p.tokens) && p.tokens[p.pos] == word {
		p.pos++
		return true
	}
	return false
}

func (p *markerParser) or(depth int) truth {
	t := p.and(depth)
	for p.take("or") {
		t = max(t, p.and(depth))
	}
	return t
}

func (p *markerParser) and(depth int) truth {
	t := p.term(depth)
	for p.take("and") {
		t = min(t, p.term(depth))
	}
	return t
}

func (p *markerParser) term(depth int) truth {
	if p.bad || depth > maxMarkerDepth {
		p.bad = true
		return unknown
	}
	if p.take("(") {
		t := p.or(depth + 1)
		p.bad = p.bad || !p.take(")")
		return t
	}
	left := p.next()
	op := p.next()
	if op == "not" && p.take("in") {
		op = "not in"
	}
	return p.compare(left, op, p.next())
}

func (p *markerParser) compare(left, op, right string) truth {
	if left == "extra" || right == "extra" {
		name, _ := p.operand(left)
		if left == "extra" {
			name, _ = p.operand(right)
		}
		has := slices.Contains(p.env.Extras, NormalizePython(name))
		return truthOf(has == (op != "!="))
	}
	a, okA := p.operand(left)
	b, okB := p.operand(right)
	if !okA || !okB {
		return unknown
	}
	switch op {
	case "in":
		return truthOf(strings.Contains(b, a))
	case "not in":
		return truthOf(!strings.Contains(b, a))
	}
	return compareValues(a, op, b, left == "python_version" || right == "python_version")
}

// operand is a quoted text or a variable's value.
func (p *markerParser) operand(tok string) (string, bool) {
	if len(tok) >= 2 && (tok[0] == '"' || tok[0] == '\'') {
		return tok[1 : len(tok)-1], true
	}
	return p.env.value(tok)
}

// compareValues compares versions of numbers, else texts for (in)equality.
func compareValues(a, op, b string, version bool) truth {
	prefix := strings.HasSuffix(b, ".*")
	va, okA := numbers(a)
	vb, okB := numbers(strings.TrimSuffix(b, ".*"))
	if !version || !okA || !okB {
		switch op {
		case "==", "===":
			return truthOf(a == b)
		case "!=":
			return truthOf(a != b)
		}
		return unknown
	}
	if prefix {
		va = va[:min(len(va), len(vb))]
	}
	for len(va) < len(vb) {
		va = append(va, 0)
	}
	for len(vb) < len(va) {
		vb = append(vb, 0)
	}
	c := slices.Compare(va, vb)
	switch op {
	case "==", "===":
		return truthOf(c == 0)
	case "!=":
		return truthOf(c != 0)
	case "<":
		return truthOf(c < 0)
	case "<=":
		return truthOf(c <= 0)
	case ">":
		return truthOf(c > 0)
	case ">=":
		return truthOf(c >= 0)
	}
	return unknown
}

// numbers are those of a version such as "3.11"; false for any other text.
func numbers(s string) ([]int, bool) {
	var out []int
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}
