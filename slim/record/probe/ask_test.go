package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
)

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(h[:])
}

func mustHTTP(t *testing.T, spec string) profile.Probe {
	t.Helper()
	p, err := ParseHTTP(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// quick are options for tests; no answer depends on how busy the machine is,
// but those that are to come too late.
func quick() Options {
	return Options{Timeout: 20 * time.Second, RunTimeout: 20 * time.Second, Quiet: 400 * time.Millisecond, MaxBody: 1 << 20}
}

// late is for what does not end.
func late(want profile.Answer) Options {
	o := quick()
	if strings.Contains(want.Error, "within") || slices.Contains(want.Volatile, "digest") {
		o.Timeout, o.RunTimeout = time.Second, time.Second
	}
	return o
}

// echo answers with the request as the server saw it.
func echo(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s ae=%q auth=%q ct=%q ua=%q body=%q", r.Method, r.RequestURI, r.Host, r.Header.Get("Accept-Encoding"),
		r.Header.Get("Authorization"), r.Header.Get("Content-Type"), r.Header.Get("User-Agent"), b)
}

// What is sent is what was written, and nothing that Go would add.
func TestAskHTTPSends(t *testing.T) {
	f := newFake(t, map[int]string{8080: serve(t, echo), 80: serve(t, echo)})
	o := quick()
	o.Getenv = func(name string) string { return map[string]string{"TOKEN": "s3cret"}[name] }
	for _, c := range []struct{ spec, want string }{
		{":8080/a%2Fb//c?q=1&q=%20", `GET /a%2Fb//c?q=1&q=%20 localhost:8080 ae="" auth="" ct="" ua="pare" body=""`},
		{"http://:80//x", `GET //x localhost ae="" auth="" ct="" ua="pare" body=""`},
		{"http://name:8080/", `GET / name:8080 ae="" auth="" ct="" ua="pare" body=""`},
		{":8080/ -H 'Host: other:99' -H 'user-agent: me'", `GET / other:99 ae="" auth="" ct="" ua="me" body=""`},
		{":8080/ -d a=1 -d b", `POST / localhost:8080 ae="" auth="" ct="application/x-www-form-urlencoded" ua="pare" body="a=1&b"`},
		{"PUT :8080/ --json {}", `PUT / localhost:8080 ae="" auth="" ct="application/json" ua="pare" body="{}"`},
		{"DELETE :8080/", `DELETE / localhost:8080 ae="" auth="" ct="" ua="pare" body=""`},
		{":8080/ -H 'Authorization: Bearer $TOKEN'", `GET / localhost:8080 ae="" auth="Bearer s3cret" ct="" ua="pare" body=""`},
	} {
		t.Run(c.spec, func(t *testing.T) {
			want := profile.Answer{Status: 200, ContentType: "text/plain; charset=utf-8", Digest: sum(c.want), Size: int64(len(c.want))}
			p := mustHTTP(t, c.spec)
			if diff := cmp.Diff(want, Ask(t.Context(), f, p, o)); diff != "" {
				r := askHTTP(t.Context(), f, p, o, 1000)
				t.Errorf("%s\nserver saw %s", diff, r.body)
			}
			if strings.Contains(fmt.Sprint(p), "s3cret") {
				t.Errorf("the probe holds the secret: %v", p)
			}
		})
	}
}

func TestAskHTTPAnswers(t *testing.T) {
	hits := 0
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		hits++
		switch r.URL.Path {
		case "/redirect":
			w.Header().Set("Location", "/redirect")
			w.WriteHeader(302)
		case "/type":
			w.Header().Set("Content-Type", `Multipart/Mixed; boundary="x"; Charset=UTF-8`)
		case "/badtype":
			w.Header().Set("Content-Type", "Text HTML/\u00e9")
		case "/short":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "only this")
		case "/large":
			w.Write(make([]byte, 2<<20))
		case "/hang":
			<-r.Context().Done()
		case "/drip":
			for r.Context().Err() == nil {
				io.WriteString(w, ".")
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		case "/abort":
			panic(http.ErrAbortHandler)
		}
	})
	f := newFake(t, map[int]string{80: addr})
	empty := sum("")
	for _, c := range []struct {
		spec string
		want profile.Answer
	}{
		{":80/redirect", profile.Answer{Status: 302, Digest: empty}},
		{":80/type", profile.Answer{Status: 200, ContentType: "multipart/mixed; charset=utf-8", Digest: empty}},
		{":80/badtype", profile.Answer{Status: 200, ContentType: "text html/\u00e9", Digest: empty}},
		{":80/short", profile.Answer{Error: "the answer was cut short"}},
		{":80/large", profile.Answer{Status: 200, ContentType: "application/octet-stream", Digest: sum(string(make([]byte, 1<<20))), Size: 1 << 20, Volatile: []string{"size"}}},
		{":80/hang", profile.Answer{Error: "no answer within 1s"}},
		{":80/drip", profile.Answer{Status: 200, ContentType: "text/plain; charset=utf-8", Volatile: []string{"digest", "size"}}},
		{":80/abort", profile.Answer{Error: "connection closed without an answer"}},
		{"HEAD :80/large", profile.Answer{Status: 200, ContentType: "application/octet-stream", Digest: empty}},
		{":81/", profile.Answer{Error: "connection refused"}},
		{"https://:80/", profile.Answer{Error: "the port does not speak TLS"}},
		{":80/ -H 'Cookie: s=$NO'", profile.Answer{Error: "header Cookie: the variable is not set: export NO=... first"}},
	} {
		t.Run(c.spec, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Ask(t.Context(), f, mustHTTP(t, c.spec), late(c.want))); diff != "" {
				t.Error(diff)
			}
		})
	}
	if hits > 10 {
		t.Errorf("%d requests reached the server: something is asked again", hits)
	}
}

// Servers that speak no HTTP, or too much of it, are answers too.
func TestAskHTTPLiars(t *testing.T) {
	for _, c := range []struct{ name, says, want string }{
		{"no HTTP", "\x1b]0;title\x07 hello\r\n\r\n", "the answer is no HTTP"},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", ""},
		{"endless headers", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 400_000), ""},
		{"broken chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "invalid byte in chunk length"},
		{"informational for ever", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000), ""},
		{"nothing", "", "connection closed without an answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, map[int]string{80: converse(t, func(conn net.Conn) {
				http.ReadRequest(bufio.NewReader(conn))
				io.WriteString(conn, c.says)
			})})
			a := Ask(t.Context(), f, mustHTTP(t, ":80/"), quick())
			if a.Error == "" || c.want != "" && a.Error != c.want {
				t.Errorf("got %+v, want error %q", a, c.want)
			}
			if strings.ContainsFunc(a.Error, func(r rune) bool { return r < ' ' }) {
				t.Errorf("control characters in %q", a.Error)
			}
		})
	}
}

func TestAskTLS(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Host, " ", r.TLS.ServerName, " ", r.Proto)
		}))
		s.EnableHTTP2 = h2
		s.StartTLS()
		t.Cleanup(s.Close)
		f := newFake(t, map[int]string{8443: address(t, s.URL)})
		for spec, want := range map[string]string{
			"https://:8443/":            "localhost:8443 localhost HTTP/",
			"https://shop.example:8443": "shop.example:8443 shop.example HTTP/",
		} {
			r := askHTTP(t.Context(), f, mustHTTP(t, spec), quick(), 1000)
			if want += map[bool]string{false: "1.1", true: "2.0"}[h2]; string(r.body) != want || r.answer.Status != 200 {
				t.Errorf("h2 %v, %s: %+v, body %q, want %q", h2, spec, r.answer, r.body, want)
			}
		}
	}
}

func TestAskTCP(t *testing.T) {
	f := newFake(t, map[int]string{
		1: converse(t, func(c net.Conn) { io.WriteString(c, "220 ready\r\n"); io.Copy(io.Discard, c) }),
		2: converse(t, func(c net.Conn) { // answers each line, in two pieces, stays open
			for s := bufio.NewScanner(c); s.Scan(); {
				io.WriteString(c, "+PO")
				time.Sleep(5 * time.Millisecond)
				io.WriteString(c, "NG\r\n")
			}
		}),
		3: converse(t, func(c net.Conn) { io.Copy(io.Discard, c) }),
		4: converse(t, func(c net.Conn) {
			for _, err := c.Write([]byte("x")); err == nil; _, err = c.Write([]byte("x")) {
				time.Sleep(5 * time.Millisecond)
			}
		}),
		5: converse(t, func(c net.Conn) {
			for b := bytes.Repeat([]byte{7}, 64<<10); ; {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}),
		6: converse(t, func(c net.Conn) {}),
		7: converse(t, func(c net.Conn) { time.Sleep(600 * time.Millisecond); io.WriteString(c, "slow") }),
	})
	full := string(bytes.Repeat([]byte{7}, 1<<20))
	for _, c := range []struct {
		spec string
		want profile.Answer
	}{
		{"1", profile.Answer{Digest: sum("220 ready\r\n"), Size: 11}},
		{`2 send "PING\r\n"`, profile.Answer{Digest: sum("+PONG\r\n"), Size: 7}},
		{"3", profile.Answer{Digest: sum("")}},
		{"3 send x", profile.Answer{Digest: sum("")}},
		{"4", profile.Answer{Volatile: []string{"digest", "size"}}},
		{"5", profile.Answer{Digest: sum(full), Size: 1 << 20, Volatile: []string{"size"}}},
		{"6", profile.Answer{Digest: sum("")}},
		{"7 send x", profile.Answer{Digest: sum("slow"), Size: 4}}, // slower than the quiet
		{"8", profile.Answer{Error: "connection refused"}},
	} {
		t.Run(c.spec, func(t *testing.T) {
			p, err := ParseTCP(c.spec, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Parallel()
			o := late(c.want)
			if c.spec == "3 send x" { // and no answer
				o.Timeout = time.Second
			}
			if diff := cmp.Diff(c.want, Ask(t.Context(), f, p, o)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAskCommands(t *testing.T) {
	f := newFake(t, nil)
	var out bytes.Buffer
	for _, c := range []struct {
		kind profile.ProbeKind
		sh   string
		want profile.Answer
	}{
		{profile.ProbeExec, "echo hi; exit 3", profile.Answer{ExitCode: 3, Digest: sum("hi\n"), Size: 3}},
		{profile.ProbeExec, "head -c 2000000 /dev/zero", profile.Answer{Digest: sum(string(make([]byte, 1<<20))), Size: 1 << 20, Volatile: []string{"size"}}},
		{profile.ProbeExec, "sleep 60", profile.Answer{Error: "no answer within 1s"}},
		{profile.ProbeHealth, "date +%N; exit 1", profile.Answer{ExitCode: 1}},
		{profile.ProbeRun, "echo $PARE_ADDR $PARE_HOST $PARE_PORT $PARE_PORT_1 $PARE_PORT_2; exit 4", profile.Answer{ExitCode: 4}},
		{profile.ProbeRun, "kill -9 $$", profile.Answer{Error: "the command was ended: signal: killed"}},
		{profile.ProbeRun, "sleep 60 & sleep 60", profile.Answer{Error: "the command did not end within 1s"}},
	} {
		t.Run(string(c.kind)+" "+c.sh, func(t *testing.T) {
			o := late(c.want)
			o.Output, o.Ports = &out, []int{8080, 9090}
			began := time.Now()
			p := profile.Probe{Kind: c.kind, Argv: []string{"sh", "-c", c.sh}}
			if diff := cmp.Diff(c.want, Ask(t.Context(), f, p, o)); diff != "" {
				t.Error(diff)
			}
			if d := time.Since(began); d > 45*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
	if want := "127.0.0.1:8080 127.0.0.1 8080 8080 9090\n"; out.String() != want {
		t.Errorf("output %q, want %q", out.String(), want)
	}
	p := profile.Probe{Kind: profile.ProbeRun, Argv: []string{"no-such-\x1bprogram"}}
	if a := Ask(t.Context(), f, p, quick()); a.Error != `"no-such-\x1bprogram" is no command of this host` {
		t.Errorf("got %+v", a)
	}
}

func TestAskInterrupted(t *testing.T) {
	f := newFake(t, map[int]string{80: serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	if a := Ask(ctx, f, mustHTTP(t, ":80/"), Options{}); a.Error != "interrupted" {
		t.Errorf("got %+v", a)
	}
}
