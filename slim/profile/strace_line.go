package profile

import (
	"strconv"
	"strings"
)

// event is one line of `strace -f`, taken apart (see strace(1)).
type event struct {
	pid  int
	time float64 // seconds; -1 when the line has none
	// relative says that time counts from the line before (-r).
	relative bool
	call     string
	args     string // between the parentheses; cut off when unfinished
	ret      string // after "= "
	// unfinished and resumed are the two halves of a call that another
	// process's line interrupted.
	unfinished, resumed bool
	exited              bool
	// replacedBy is the thread whose execve took the process over, and goes on
	// by its number; 0 for none.
	replacedBy int
}

const superseded = "+++ superseded by execve in pid "

// parseLine takes a line apart; false for signals, strace's own words, and
// what is no line of strace's.
func parseLine(s string) (event, bool) {
	e := event{time: -1}
	s = e.cutPID(s)
	s = e.cutTime(s)
	switch {
	case strings.HasPrefix(s, "+++ exited") || strings.HasPrefix(s, "+++ killed"):
		e.exited = true
		return e, true
	case strings.HasPrefix(s, superseded):
		num, _, _ := strings.Cut(s[len(superseded):], " ")
		e.replacedBy, _ = strconv.Atoi(num)
		return e, e.replacedBy > 0
	case strings.HasPrefix(s, "<... "):
		rest, ok := strings.CutPrefix(s, "<... ")
		name, tail, found := strings.Cut(rest, " resumed>")
		if !ok || !found {
			return e, false
		}
		e.call, e.resumed = name, true
		return e, e.cutResult(tail)
	}
	name, tail, ok := strings.Cut(s, "(")
	if !ok || name == "" || !isName(name) {
		return e, false
	}
	e.call = name
	if args, ok := cutSuffixTrim(tail, "<unfinished ...>"); ok {
		e.args, e.unfinished = args, true
		return e, true
	}
	return e, e.cutResult(tail)
}

func cutSuffixTrim(s, suffix string) (string, bool) {
	head, ok := strings.CutSuffix(strings.TrimRight(s, " "), suffix)
	return strings.TrimRight(head, " "), ok
}

func isName(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_') {
			return false
		}
	}
	return true
}

// cutPID takes "[pid  12] " (to a terminal) or "12 " (to a file) off.
func (e *event) cutPID(s string) string {
	if rest, ok := strings.CutPrefix(s, "[pid "); ok {
		if num, tail, ok := strings.Cut(rest, "]"); ok {
			if pid, err := strconv.Atoi(strings.TrimSpace(num)); err == nil {
				e.pid = pid
				return strings.TrimLeft(tail, " ")
			}
		}
		return s
	}
	if strings.HasPrefix(s, " ") {
		return s // -r without -f
	}
	num, tail, ok := strings.Cut(s, " ")
	if pid, err := strconv.Atoi(num); ok && err == nil {
		e.pid = pid
		return strings.TrimLeft(tail, " ")
	}
	return s
}

// cutTime takes a time off: -t and -tt (15:04:05.000000), -ttt (seconds since
// 1970), -r (seconds since the line before, below a million).
func (e *event) cutTime(s string) string {
	word, tail, ok := strings.Cut(strings.TrimLeft(s, " "), " ")
	if !ok || word == "" || word[0] < '0' || word[0] > '9' {
		return s
	}
	if h, rest, ok := strings.Cut(word, ":"); ok {
		m, sec, ok2 := strings.Cut(rest, ":")
		hh, err1 := strconv.Atoi(h)
		mm, err2 := strconv.Atoi(m)
		ss, err3 := strconv.ParseFloat(sec, 64)
		if ok2 && err1 == nil && err2 == nil && err3 == nil {
			e.time = float64(hh*3600+mm*60) + ss
			return strings.TrimLeft(tail, " ")
		}
		return s
	}
	v, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return s
	}
	e.time, e.relative = v, v < 1e6
	return strings.TrimLeft(tail, " ")
}

// cutResult splits "args) = ret" at the last parenthesis that closes the call.
func (e *event) cutResult(s string) bool {
	end := closing(s)
	if end < 0 {
		return false
	}
	e.args = s[:end]
	_, ret, ok := strings.Cut(s[end:], "= ")
	e.ret = strings.TrimSpace(ret)
	return ok
}

// closing finds the parenthesis that ends a call, outside strings and the
// <paths> of -y.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = skipString(s, i)
		case '<':
			i = skipAngle(s, i)
		case '(', '[', '{':
			depth++
		case ']', '}':
			depth--
		case ')':
			if depth <= 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// skipString returns the index of the quote that ends the string at i.
func skipString(s string, i int) int {
	for i++; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i
}

// skipAngle returns the index of the ">" that ends a decoration such as
// "3</etc/passwd>"; "<" alone ("1<<3") is none.
func skipAngle(s string, i int) int {
	if i == 0 || i+1 == len(s) || s[i+1] == '<' || s[i-1] == '<' {
		return i
	}
	// "3<TCP:[127.0.0.1:1->127.0.0.1:2]>" holds an arrow; paths have ">" escaped.
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '>':
			if s[j-1] != '-' {
				return j
			}
		case '"':
			return i
		}
	}
	return i
}

// splitArgs cuts arguments at commas outside strings and brackets.
func splitArgs(s string) []string {
	var args []string
	depth, start := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = skipString(s, i)
		case '<':
			i = skipAngle(s, i)
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	if last := strings.TrimSpace(s[min(start, len(s)):]); last != "" || len(args) > 0 {
		args = append(args, last)
	}
	return args
}

// stringArg decodes a C string as strace quotes it. whole is false when
// strace cut it off ("..."), ok when it is no string (NULL, an address).
func stringArg(s string) (text string, whole, ok bool) {
	if len(s) < 2 || s[0] != '"' {
		return "", false, false
	}
	end := skipString(s, 0)
	if end >= len(s) {
		return "", false, false
	}
	return unescape(s[1:end]), !strings.HasPrefix(s[end+1:], "..."), true
}

var escapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'v': '\v', 'f': '\f', 'a': '\a', 'b': '\b'}

// unescape decodes \n and its like, \ooo (one to three digits) and \xNN.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; {
		case c == 'x' && i+2 < len(s):
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				b.WriteByte(c)
				continue
			}
			b.WriteByte(byte(v))
			i += 2
		case c >= '0' && c <= '7':
			v, n := 0, 0
			for ; n < 3 && i+n < len(s) && s[i+n] >= '0' && s[i+n] <= '7'; n++ {
				v = v*8 + int(s[i+n]-'0')
			}
			b.WriteByte(byte(v))
			i += n - 1
		case escapes[c] != 0:
			b.WriteByte(escapes[c])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// fdArg reads "3", "3</etc>", "AT_FDCWD" or "AT_FDCWD</app>": the number (-100
// for AT_FDCWD) and the path that -y shows, "" when it shows none.
func fdArg(s string) (fd int, path string, ok bool) {
	num, rest, decorated := strings.Cut(s, "<")
	if num = strings.TrimSpace(num); num == "AT_FDCWD" {
		fd = atFDCWD
	} else if n, err := strconv.Atoi(num); err == nil {
		fd = n
	} else {
		return 0, "", false
	}
	if decorated && strings.HasPrefix(rest, "/") {
		rest, _, _ = strings.Cut(rest, ">")
		path = unescape(strings.TrimSuffix(rest, " (deleted)"))
	}
	return fd, path, true
}

const atFDCWD = -100
