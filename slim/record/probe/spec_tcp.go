package probe

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// ParseTCP reads a question as --tcp takes it: a port, and what to send.
//
//	6379                      connect; a banner that comes by itself is the answer
//	:6379 send "PING\r\n"     \r \n \t \0 \\ \" and \xHH are what they are in C
//	6379 send @file           the file's bytes as they are
func ParseTCP(spec string, read ReadFile) (profile.Probe, error) {
	p, err := parseTCP(spec, read)
	if err != nil {
		return profile.Probe{}, fmt.Errorf(`reading the TCP probe %s: %w; an example: '6379 send "PING\r\n"'`, shown(spec), err)
	}
	return p, nil
}

func parseTCP(spec string, read ReadFile) (profile.Probe, error) {
	p := profile.Probe{Kind: profile.ProbeTCP}
	port, rest, _ := strings.Cut(strings.TrimSpace(spec), " ")
	var err error
	if p.Port, err = parsePort(strings.TrimPrefix(port, ":")); err != nil {
		return p, err
	}
	if rest = strings.TrimSpace(rest); rest == "" {
		return p, nil
	}
	verb, text, _ := strings.Cut(rest, " ")
	text = strings.TrimSpace(text)
	if verb != "send" || text == "" {
		return p, fmt.Errorf("after the port comes: send and what to send, not %s", shown(rest))
	}
	if file, ok := strings.CutPrefix(text, "@"); ok {
		p.Body, err = readNamed(file, read)
	} else {
		p.Body, err = unescape(unquoted(text))
	}
	if err == nil && len(p.Body) > maxBody {
		err = fmt.Errorf("more than %d bytes to send", maxBody)
	}
	return p, err
}

// unquoted takes one pair of quotes away.
func unquoted(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

var escapes = map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '0': 0, '\\': '\\', '"': '"', '\'': '\''}

func unescape(s string) ([]byte, error) {
	out := []byte{}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		if i++; i == len(s) {
			return nil, errors.New("a backslash at the end escapes nothing")
		}
		if b, ok := escapes[s[i]]; ok {
			out = append(out, b)
			continue
		}
		if s[i] != 'x' || i+2 >= len(s) {
			return nil, fmt.Errorf(`%s is no escape; known are \r \n \t \0 \\ \" and \xHH`, shown(`\`+s[i:i+1]))
		}
		b, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return nil, fmt.Errorf(`\x%s is no escape: two hex digits follow \x`, shown(s[i+1:i+3]))
		}
		out = append(out, byte(b))
		i += 2
	}
	return out, nil
}
