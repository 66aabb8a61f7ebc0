package probe

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// Difference is one thing in which an answer is not what it was.
type Difference struct {
	Field string // JSON name of the answer's field; "digest" stands for the size too
	Want  string // as the baseline had it, fit for people
	Got   string
}

var fieldWords = map[string]string{
	fieldError: "answer", fieldStatus: "status", fieldContentType: "content type", fieldExitCode: "exit code", fieldDigest: "content", fieldSize: "size",
}

// String is "status: 200 became 500".
func (d Difference) String() string {
	return fmt.Sprintf("%s: %s became %s", fieldWords[d.Field], d.Want, d.Got)
}

// Compare holds an answer against its baseline, without the fields that are
// volatile in the baseline. Why there was no answer is not compared, only
// whether. Where the content is volatile so is its size; that there is any
// content at all is compared nevertheless.
func Compare(want, got profile.Answer) []Difference {
	fixed := func(field string) bool { return !slices.Contains(want.Volatile, field) }
	var out []Difference
	add := func(field, w, g string) {
		if w != g && fixed(field) {
			out = append(out, Difference{field, w, g})
		}
	}
	if (want.Error == "") != (got.Error == "") {
		add(fieldError, answered(want), answered(got))
		return out // the rest of one is empty
	}
	if want.Error != "" {
		return nil
	}
	add(fieldStatus, number(want.Status), number(got.Status))
	add(fieldContentType, typeWord(want), typeWord(got))
	add(fieldExitCode, fmt.Sprint(want.ExitCode), fmt.Sprint(got.ExitCode))
	switch {
	case fixed(fieldDigest) && want.Digest != got.Digest:
		add(fieldDigest, content(want), content(got))
	case fixed(fieldDigest):
		add(fieldSize, bytesWord(want.Size), bytesWord(got.Size))
	case want.Digest != "" && got.Digest != "" && (want.Size == 0) != (got.Size == 0) && fixed(fieldSize):
		out = append(out, Difference{fieldSize, bytesWord(want.Size), bytesWord(got.Size)})
	}
	return out
}

func answered(a profile.Answer) string {
	switch {
	case a.Error != "":
		return "none (" + shown(a.Error) + ")"
	case a.Status != 0:
		return fmt.Sprintf("one with status %d", a.Status)
	}
	return "one"
}

func number(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

func typeWord(a profile.Answer) string {
	if a.ContentType == "" {
		return "none"
	}
	return shown(a.ContentType)
}

func bytesWord(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

// content is "12 bytes (sha256:0123456789ab)".
func content(a profile.Answer) string {
	if a.Digest == "" {
		return "one that did not end"
	}
	hex := strings.TrimPrefix(a.Digest, "sha256:")
	return fmt.Sprintf("%s (sha256:%s)", bytesWord(a.Size), shown(hex[:min(12, len(hex))]))
}

// Line is a question on one line, fit for people: "POST https://:8443/login",
// "tcp :6379", "exec redis-cli ping".
func Line(p profile.Probe) string {
	switch p.Kind {
	case profile.ProbeHTTP:
		address := p.Path
		if p.Port != 0 {
			address = fmt.Sprintf(":%d%s", p.Port, p.Path)
		}
		if p.TLS || p.Host != "" {
			host := p.Host
			if h, _, err := net.SplitHostPort(host); err == nil {
				host = h // the port that counts is the container's
			}
			address = scheme(p) + "://" + host + address
		}
		return shown(p.Method + " " + address)
	case profile.ProbeTCP:
		return fmt.Sprintf("tcp :%d", p.Port)
	}
	return shown(string(p.Kind) + " " + strings.Join(p.Argv, " "))
}
