package imports

import (
	"slices"
	"strings"
)

// nodeLexer splits JavaScript into tokens. Whether "/" divides or begins a
// regular expression is told by the token before, which is wrong behind the
// ")" of an if; a string that then begins in the wrong place ends with its
// line.
type nodeLexer struct {
	src    string
	pos    int
	before token
	braces []int // open "{" at each level of "${" in templates
}

func (l *nodeLexer) hashbang() {
	if strings.HasPrefix(l.src, "#!") {
		l.toEnd("\n")
	}
}

// toEnd goes behind the next mark, or to the end.
func (l *nodeLexer) toEnd(mark string) {
	if i := strings.Index(l.src[l.pos:], mark); i >= 0 {
		l.pos += i + len(mark)
		return
	}
	l.pos = len(l.src)
}

// token returns the next token; false at the end.
func (l *nodeLexer) token() (token, bool) {
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		switch rest := l.src[l.pos:]; {
		case c <= ' ':
			l.pos++
			continue
		case strings.HasPrefix(rest, "//"):
			l.toEnd("\n")
			continue
		case strings.HasPrefix(rest, "/*"):
			l.pos += 2
			l.toEnd("*/")
			continue
		}
		l.before = l.one(c)
		return l.before, true
	}
	return token{}, false
}

func (l *nodeLexer) one(c byte) token {
	switch {
	case c == '"' || c == '\'':
		return l.quoted(c)
	case c == '`':
		l.pos++
		return l.template()
	case isNameByte(c) || c == '$':
		return l.word()
	case c == '/' && !l.divides():
		return l.regexp()
	}
	l.pos++
	if n := len(l.braces); n > 0 {
		switch c {
		case '{':
			l.braces[n-1]++
		case '}':
			if l.braces[n-1] == 0 {
				l.braces = l.braces[:n-1]
				if t := l.template(); t.kind == punct {
					return t // another "${"
				}
				return token{kind: opaque}
			}
			l.braces[n-1]--
		}
	}
	return token{punct, l.src[l.pos-1 : l.pos]}
}

func (l *nodeLexer) word() token {
	start := l.pos
	for l.pos < len(l.src) && (isNameByte(l.src[l.pos]) || l.src[l.pos] == '$') {
		l.pos++
	}
	if c := l.src[start]; c >= '0' && c <= '9' {
		return token{kind: opaque}
	}
	return token{name, l.src[start:min(l.pos, start+maxName)]}
}

// beforeValue are the keywords that a value follows.
var beforeValue = []string{"await", "case", "delete", "do", "else", "in", "instanceof", "new", "of", "return", "throw", "typeof", "void", "yield"}

func (l *nodeLexer) divides() bool {
	switch t := l.before; t.kind {
	case name:
		return !slices.Contains(beforeValue, t.text)
	case punct:
		return t.text == ")" || t.text == "]" || t.text == "}"
	}
	return true
}

// quoted reads a string; it ends at the line's end at the latest.
func (l *nodeLexer) quoted(quote byte) token {
	l.pos++
	start, plain := l.pos, true
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case '\\':
			plain = false
			l.pos++
		case '\n':
			return token{kind: opaque}
		case quote:
			value := l.src[start:l.pos]
			l.pos++
			return literal(value, plain)
		}
		l.pos++
	}
	l.pos = len(l.src)
	return token{kind: opaque}
}

func literal(value string, plain bool) token {
	if !plain || len(value) > maxName {
		return token{kind: opaque}
	}
	return token{str, value}
}

// template reads on in a template up to its end, or to a "${", behind which
// tokens follow until its "}".
func (l *nodeLexer) template() token {
	start, plain := l.pos, true
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == '\\':
			plain = false
			l.pos++
		case c == '`':
			value := l.src[start:l.pos]
			l.pos++
			return literal(value, plain)
		case c == '$' && l.pos+1 < len(l.src) && l.src[l.pos+1] == '{':
			l.pos += 2
			l.braces = append(l.braces, 0)
			return token{kind: punct, text: "${"}
		}
		l.pos++
	}
	l.pos = len(l.src)
	return token{kind: opaque}
}

// regexp reads a regular expression; it ends at the line's end at the latest.
func (l *nodeLexer) regexp() token {
	class := false
	for l.pos++; l.pos < len(l.src); l.pos++ {
		switch c := l.src[l.pos]; {
		case c == '\\':
			l.pos++
		case c == '\n':
			return token{kind: opaque}
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			l.pos++
			return token{kind: opaque}
		}
	}
	l.pos = len(l.src)
	return token{kind: opaque}
}
