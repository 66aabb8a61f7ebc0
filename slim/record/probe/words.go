package probe

import (
	"errors"
	"strings"
)

var errQuote = errors.New("a quote is not closed")

// words splits a line as a POSIX shell does, without expanding anything:
// single quotes keep all, double quotes keep all but \" \\ \$ \` and a
// backslash before a newline, a backslash outside keeps the next character
// (XCU 2.2). Operators and $ are ordinary characters.
func words(line string) ([]string, error) {
	var out []string
	var w strings.Builder
	in := false // inside a word
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\n', '\r':
			if in {
				out = append(out, w.String())
				w.Reset()
			}
			in = false
			continue
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, errQuote
			}
			w.WriteString(line[i+1 : i+1+end])
			i += end + 1
		case '"':
			n, ok := doubleQuoted(&w, line[i+1:])
			if !ok {
				return nil, errQuote
			}
			i += n
		case '\\':
			if i++; i == len(line) {
				return nil, errors.New("a backslash at the end escapes nothing")
			}
			w.WriteByte(line[i])
		default:
			w.WriteByte(c)
		}
		in = true
	}
	if in {
		out = append(out, w.String())
	}
	return out, nil
}

// doubleQuoted appends the text up to the closing quote; n counts the quote.
func doubleQuoted(w *strings.Builder, s string) (n int, ok bool) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return i + 1, true
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '\n':
			i++
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\"\\$`", s[i+1]) >= 0:
			i++
			fallthrough
		default:
			w.WriteByte(s[i])
		}
	}
	return 0, false
}
