package imports

import (
	"slices"
	"strings"
)

type kind int8

const (
	punct  kind = iota
	name        // identifiers and keywords
	str         // a literal without escapes or substitutions: text is its value
	opaque      // any other literal
)

type token struct {
	kind kind
	text string
}

// maxLine bounds the tokens of one logical line: tables of data are one.
const maxLine = 20_000

// pythonLexer splits Python into logical lines of tokens.
type pythonLexer struct {
	src  string
	pos  int
	toks []token // of the last line
}

// line returns the tokens of the next logical line and its indentation; false
// at the end of the file. They are good until the next call. Lines in brackets, and those that end in a
// backslash, are joined.
func (l *pythonLexer) line() (toks []token, indent int, more bool) {
	indent, toks = l.indent(), l.toks[:0]
	defer func() { l.toks = toks }()
	depth := 0
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		switch {
		case c == '\n':
			l.pos++
			if depth <= 0 {
				return toks, indent, true
			}
			continue
		case c == '\\':
			l.pos++
			if strings.HasPrefix(l.src[l.pos:], "\r\n") {
				l.pos++
			}
			l.pos++ // the newline
			continue
		case c == '#':
			l.comment()
			continue
		case c == ' ' || c == '\t' || c == '\r' || c == '\f':
			l.pos++
			continue
		}
		t := l.token(c)
		depth += bracket(t)
		if len(toks) < maxLine {
			toks = append(toks, t)
		}
	}
	return toks, indent, false
}

// bracket is by how much t opens (or closes) brackets.
func bracket(t token) int {
	if t.kind != punct {
		return 0
	}
	switch t.text {
	case "(", "[", "{":
		return 1
	case ")", "]", "}":
		return -1
	}
	return 0
}

func (l *pythonLexer) indent() int {
	start := l.pos
	if start == 0 && strings.HasPrefix(l.src, "\ufeff") {
		l.pos, start = 3, 3
	}
	for l.pos < len(l.src) && (l.src[l.pos] == ' ' || l.src[l.pos] == '\t' || l.src[l.pos] == '\f') {
		l.pos++
	}
	return l.pos - start
}

func (l *pythonLexer) comment() {
	if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
		l.pos += i
		return
	}
	l.pos = len(l.src)
}

func (l *pythonLexer) token(c byte) token {
	switch {
	case c == '"' || c == '\'':
		return l.text("")
	case isNameByte(c):
		start := l.pos
		for l.pos < len(l.src) && isNameByte(l.src[l.pos]) {
			l.pos++
		}
		word := l.src[start:l.pos]
		if l.pos < len(l.src) && (l.src[l.pos] == '"' || l.src[l.pos] == '\'') && isPrefix(word) {
			return l.text(strings.ToLower(word))
		}
		return token{name, word}
	}
	l.pos++
	return token{punct, l.src[l.pos-1 : l.pos]}
}

func isPrefix(word string) bool {
	return slices.Contains([]string{"r", "u", "b", "f", "t", "br", "rb", "fr", "rf", "tr", "rt"}, strings.ToLower(word))
}

// isNameByte takes letters, digits, and all of UTF-8 beyond ASCII.
func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// text reads a string that starts here. A short one ends at the line's end at
// the latest.
func (l *pythonLexer) text(prefix string) token {
	quote := l.src[l.pos : l.pos+1]
	long := l.pos+3 <= len(l.src) && l.src[l.pos+1] == quote[0] && l.src[l.pos+2] == quote[0]
	if long {
		quote = l.src[l.pos : l.pos+3]
	}
	l.pos += len(quote)
	start, plain := l.pos, !strings.ContainsAny(prefix, "bft")
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == '\\':
			plain = false
			l.pos++
		case c == '\n' && !long:
			return token{kind: opaque}
		case c == quote[0] && strings.HasPrefix(l.src[l.pos:], quote):
			value := l.src[start:l.pos]
			l.pos += len(quote)
			if !plain || len(value) > maxName {
				return token{kind: opaque}
			}
			return token{str, value}
		}
		l.pos++
	}
	l.pos = len(l.src)
	return token{kind: opaque}
}

// maxName bounds literals that are taken for names.
const maxName = 1024
