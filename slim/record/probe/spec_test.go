package probe

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/slim/profile"
)

func readFixture(name string) ([]byte, error) {
	switch name {
	case "file":
		return []byte("a\nb"), nil
	case "huge":
		return make([]byte, maxBody+1), nil
	}
	return nil, os.ErrNotExist
}

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                     nil,
		" a\tb\nc ":            {"a", "b", "c"},
		`a'b c'"d e"\ f`:       {"ab cd e f"},
		`'' "" x`:              {"", "", "x"},
		`"\"\\\$\n" '\"' \'`:   {`"\$\n`, `\"`, "'"},
		"\"a\\\nb\" $HOME *.c": {"ab", "$HOME", "*.c"},
	} {
		if got, err := words(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`'a`, `"a`, `"a\"`, `a\`} {
		if got, err := words(line); err == nil {
			t.Errorf("%q gave %q", line, got)
		}
	}
}

func TestParseHTTP(t *testing.T) {
	h := func(p profile.Probe) profile.Probe { p.Kind = profile.ProbeHTTP; return p }
	form := []string{"Content-Type: application/x-www-form-urlencoded"}
	for spec, want := range map[string]profile.Probe{
		"/":                               {Method: "GET", Path: "/"},
		"GET /x?y=1":                      {Method: "GET", Path: "/x?y=1"},
		"POST :8080/login":                {Method: "POST", Path: "/login", Port: 8080},
		":8080":                           {Method: "GET", Path: "/", Port: 8080},
		"http://:8080?a":                  {Method: "GET", Path: "/?a", Port: 8080},
		"https://:8443/":                  {Method: "GET", Path: "/", Port: 8443, TLS: true},
		"HTTPS://name:8443/path":          {Method: "GET", Path: "/path", Port: 8443, TLS: true, Host: "name"},
		"http://name":                     {Method: "GET", Path: "/", Host: "name"},
		"http://[::1]:80/":                {Method: "GET", Path: "/", Host: "[::1]", Port: 80},
		"localhost:80/":                   {Method: "GET", Path: "/", Host: "localhost", Port: 80},
		"/go?to=http://x/@y":              {Method: "GET", Path: "/go?to=http://x/@y"},
		"/ -H 'Accept: a, b' -X M-SEARCH": {Method: "M-SEARCH", Path: "/", Header: []string{"Accept: a, b"}},
		`/ -d '{"a":1}'`:                  {Method: "POST", Path: "/", Body: []byte(`{"a":1}`), Header: form},
		"/ -d ''":                         {Method: "POST", Path: "/", Body: []byte{}, Header: form},
		"PUT / -d @file":                  {Method: "PUT", Path: "/", Body: []byte("a\nb"), Header: form},
		"/ --data-raw @file":              {Method: "POST", Path: "/", Body: []byte("@file"), Header: form},
		"/ -H 'content-type: x/y' -d a":   {Method: "POST", Path: "/", Body: []byte("a"), Header: []string{"content-type: x/y"}},
		"/ -H 'Host: a:1'":                {Method: "GET", Path: "/", Host: "a:1"},
		"/ -H 'Cookie: session=$S'":       {Method: "GET", Path: "/", Header: []string{"Cookie: session=$S"}},
		"/ -H 'Authorization: $NAME'":     {Method: "GET", Path: "/", Header: []string{"Authorization: $NAME"}},
	} {
		got, err := ParseHTTP(spec, readFixture)
		if diff := cmp.Diff(h(want), got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", spec, err, diff)
		}
	}
}

func TestParseHTTPErrors(t *testing.T) {
	for spec, want := range map[string]string{
		"":                                     "the path is missing",
		"GET":                                  "the path is missing",
		"index.html":                           "write /index.html",
		"ftp://x/":                             "neither http:// nor https://",
		":0/":                                  "port 0 is not a number",
		":99999/":                              "port 99999",
		":x/":                                  "port x",
		"http://a b/":                          "neither a header",
		"'/a b'":                               "%20",
		"/ä":                                   "percent",
		"/%zz":                                 "escapes nothing",
		"/a#b":                                 "fragment",
		"/ -q x":                               "known are -H",
		"/ -H":                                 "needs a value",
		"/ -H nocolon":                         "-H 'Accept: text/html'",
		"/ -H 'A B: c'":                        "is not of the form",
		"/ -H \"A: b\x1bc\"":                   "control character",
		"/ -d @none":                           "file does not exist",
		"/ -d @huge":                           "more than 1048576 bytes",
		"/ 'x":                                 "a quote is not closed",
		"http://evil\x1b/":                     "no host name",
		"http://a:b:1/":                        "no host name",
		"/ -H 'Authorization: Bearer abc'":     ErrSecret.Error(),
		"/ -H 'Authorization: abc $X'":         "", // a word, then a variable
		"/ -H 'Authorization: Basic YWJj= $X'": ErrSecret.Error(),
		"/ -H 'cookie: a=b'":                   ErrSecret.Error(),
		"/ -H 'X-Api-Key: k'":                  "no secret may be in one; write -H 'X-Api-Key: $NAME'",
		"/ -H 'proxy-authorization: k'":        ErrSecret.Error(),
		"/ -H 'X_Auth_Token: ${X}'":            ErrSecret.Error(),
		"http://u:p@h/":                        ErrSecret.Error(),
		"https://u@:8443/":                     ErrSecret.Error(),
	} {
		_, err := ParseHTTP(spec, readFixture)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", spec, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "an example: 'POST :8080/login") {
			t.Errorf("%s: %v, want %q and an example", spec, err, want)
			continue
		}
		if errors.Is(err, ErrSecret) && strings.Contains(err.Error(), "abc") {
			t.Errorf("%q shows the secret", err)
		}
		if strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%q has an escape sequence", err)
		}
		if strings.Contains(want, "no secret") != errors.Is(err, ErrSecret) {
			t.Errorf("%s: ErrSecret is %v", spec, errors.Is(err, ErrSecret))
		}
	}
}

func TestParseTCP(t *testing.T) {
	for spec, want := range map[string]profile.Probe{
		"6379":                      {Port: 6379},
		" :6379 ":                   {Port: 6379},
		`6379 send "PING\r\n"`:      {Port: 6379, Body: []byte("PING\r\n")},
		`6379 send PING\r\n`:        {Port: 6379, Body: []byte("PING\r\n")},
		`:1 send '\x00\xfF\0\t\\"'`: {Port: 1, Body: []byte("\x00\xff\x00\t\\\"")},
		"1 send @file":              {Port: 1, Body: []byte("a\nb")},
	} {
		want.Kind = profile.ProbeTCP
		got, err := ParseTCP(spec, readFixture)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", spec, err, diff)
		}
	}
	for _, spec := range []string{"", "redis", "0", "-1", "6379 ping", "6379 send", `1 send \q`, `1 send \x1`, `1 send \xzz`, `1 send \`, "1 send @none", "1 send @huge"} {
		if p, err := ParseTCP(spec, readFixture); err == nil || !strings.Contains(err.Error(), `an example: '6379 send "PING\r\n"'`) {
			t.Errorf("%s: %v, %v", spec, p, err)
		}
	}
}

func TestParseCommands(t *testing.T) {
	for spec, want := range map[string][]string{
		"redis-cli ping":     {"redis-cli", "ping"},
		"sh -c 'ls | wc -l'": {"sh", "-c", "ls | wc -l"},
		` ["printf", "a b"]`: {"printf", "a b"},
		`'[' -e /x ']'`:      {"[", "-e", "/x", "]"},
		`["a", ""]`:          {"a", ""},
	} {
		p, err := ParseExec(spec)
		if err != nil || p.Kind != profile.ProbeExec || !slices.Equal(p.Argv, want) {
			t.Errorf("%s: %+v, %v", spec, p, err)
		}
		if r, err := ParseRun(spec); err != nil || r.Kind != profile.ProbeRun || !slices.Equal(r.Argv, want) {
			t.Errorf("%s: %+v, %v", spec, r, err)
		}
	}
	for _, spec := range []string{"", "''", "[]", `[""]`, "[ -e /x ]", `["a"`, `[1]`, "a 'b", "a \x00"} {
		if p, err := ParseExec(spec); err == nil || !strings.Contains(err.Error(), "an example") {
			t.Errorf("%q: %v, %v", spec, p, err)
		}
	}
}

func TestHealthOf(t *testing.T) {
	for _, c := range []struct {
		config v1.Config
		want   *Health
		err    bool
	}{
		{config: v1.Config{}},
		{config: v1.Config{Healthcheck: &v1.HealthConfig{}}},
		{config: v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"NONE"}}}},
		{config: v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "/ok", "-q"}}}, want: &Health{[]string{"/ok", "-q"}, 30 * time.Second, 30 * time.Second, 0, 3}},
		{config: v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"CMD-SHELL", "a || b"}, Interval: 5, Timeout: 6, StartPeriod: 7, Retries: 8}}, want: &Health{[]string{"/bin/sh", "-c", "a || b"}, 5, 6, 7, 8}},
		{config: v1.Config{Shell: []string{"/bin/bash", "-ec"}, Healthcheck: &v1.HealthConfig{Test: []string{"CMD-SHELL", "a"}}}, want: &Health{[]string{"/bin/bash", "-ec", "a"}, 30 * time.Second, 30 * time.Second, 0, 3}},
		{config: v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"CMD"}}}, err: true},
		{config: v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"curl", "x"}}}, err: true},
		{config: v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "x"}, Retries: -1}}, err: true},
	} {
		got, err := HealthOf(c.config)
		if diff := cmp.Diff(c.want, got); (err != nil) != c.err || diff != "" {
			t.Errorf("%+v: %v\n%s", c.config.Healthcheck, err, diff)
		}
	}
}

func TestCheckVariables(t *testing.T) {
	probes := []profile.Probe{{Header: []string{"Accept: a", "Cookie: $A"}}, {Header: []string{"Cookie: $A", "X-Api-Key: $B", "X-Token: $C"}}}
	err := CheckVariables(probes, func(name string) string { return map[string]string{"B": "ok", "C": "a\nb"}[name] })
	want := "header Cookie: the variable is not set: export A=... first\nheader X-Token: the value of C has a control character; export it without a newline"
	if fmt.Sprint(err) != want || !errors.Is(err, ErrUnset) {
		t.Errorf("got %v", err)
	}
	if err := CheckVariables(probes[:1], nil); !errors.Is(err, ErrUnset) {
		t.Errorf("without an environment: %v", err)
	}
}

func FuzzSpecs(f *testing.F) {
	for _, s := range []string{"POST https://n:8443/x?y -H 'A: b' -d @file", `6379 send "PING\r\n\x00"`, `["a","b"]`, `sh -c "a \"b\""`, ":1 -d @file -d x", "http://[::1]:1//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		if p, err := ParseHTTP(spec, readFixture); err == nil {
			p.Port = max(p.Port, 1)
			req, err := request(t.Context(), p, Options{Getenv: func(string) string { return "x" }})
			if err != nil {
				t.Fatalf("%q parses as %+v, which cannot be sent: %v", spec, p, err)
			}
			if got := req.URL.RequestURI(); got != p.Path && !strings.HasPrefix(p.Path, "/?") {
				t.Fatalf("%q: %q is sent as %q", spec, p.Path, got)
			}
		} else if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Fatalf("control characters in %q", err)
		}
		if p, err := ParseTCP(spec, readFixture); err == nil && p.Port == 0 {
			t.Fatalf("%q has no port", spec)
		}
		if p, err := ParseExec(spec); err == nil && len(p.Argv) == 0 {
			t.Fatalf("%q has no command", spec)
		}
	})
}
