package docker

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeDaemon answers on a unix socket.
func fakeDaemon(t *testing.T, h http.Handler) *Engine {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	e, err := New(Options{Host: "unix://" + socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.api.http.CloseIdleConnections)
	return e
}

func answers(m map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := m[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			body = `{"message":"no such \u001b[31mpath"}`
		}
		io.WriteString(w, body)
	})
}

func TestNegotiate(t *testing.T) {
	for _, tt := range []struct{ newest, oldest, want string }{
		{"1.41", "1.12", "1.41"}, {"1.52", "1.44", "1.44"}, {"1.50", "1.24", "1.41"}, {"1.40", "1.24", "1.40"}, {"1.9", "1.5", "1.9"}, {"", "", "1.41"},
	} {
		e := fakeDaemon(t, answers(map[string]string{
			"/version":               fmt.Sprintf(`{"ApiVersion":%q,"MinAPIVersion":%q}`, tt.newest, tt.oldest),
			"/v" + tt.want + "/info": `{"OSType":"linux","Architecture":"x86_64"}`,
		}))
		if err := e.Check(t.Context()); err != nil || e.api.version != tt.want {
			t.Errorf("%+v: %q, %v", tt, e.api.version, err)
		}
	}
}

func TestCheckErrors(t *testing.T) {
	for _, tt := range []struct {
		name, version, info, want string
	}{
		{"windows", `{}`, `{"OSType":"windows"}`, `"windows" containers`},
		{"no API", `[]`, ``, "parsing what"},
		{"a version that is a path", `{"ApiVersion":"1.4/../x"}`, ``, "API version"},
	} {
		e := fakeDaemon(t, answers(map[string]string{"/version": tt.version, "/v1.41/info": tt.info}))
		if err := e.Check(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	e := fakeDaemon(t, answers(nil))
	if err := e.Check(t.Context()); err == nil || strings.ContainsRune(err.Error(), 0x1b) || !hasStatus(err, 404) {
		t.Errorf("an error of the daemon: %q", err)
	}
	none, err := New(Options{Host: "unix:///no/such/socket"})
	if err != nil {
		t.Fatal(err)
	}
	if err := none.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "unix:///no/such/socket") {
		t.Errorf("no daemon: %v", err)
	}
}

func TestHosts(t *testing.T) {
	for host, want := range map[string]string{
		"": "", "unix:///run/docker.sock": "", "tcp://127.0.0.1:2375": "",
		"ssh://me@there": "ssh is not spoken", "npipe:////./pipe/docker": "want unix", "://": "want unix",
	} {
		_, err := New(Options{Host: host})
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrHost) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", host, err)
		}
	}
	if _, err := New(Options{Host: "tcp://h:1", CertPath: t.TempDir()}); err == nil {
		t.Error("TLS without certificates")
	}
}

func frame(stream byte, text string) string {
	var head [8]byte
	head[0] = stream
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head[:]) + text
}

func TestDemux(t *testing.T) {
	for _, tt := range []struct{ name, in, out, errOut, problem string }{
		{"nothing", "", "", "", ""},
		{"both", frame(1, "a") + frame(2, "b") + frame(1, "") + frame(0, "c"), "ac", "b", ""},
		{"cut in a frame", frame(1, "abc")[:9], "a", "", "unexpected EOF"},
		{"cut in a header", frame(1, "abc") + "\x01\x00", "abc", "", "unexpected EOF"},
		{"the daemon's words", frame(1, "a") + frame(3, "bad \x1bthing"), "a", "", "the daemon says: bad  thing"},
		{"no frames", "plain text of a terminal", "", "", "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, errOut := &head{room: 100}, &head{room: 100}
			err := demux(strings.NewReader(tt.in), out, errOut)
			if string(out.b) != tt.out || string(errOut.b) != tt.errOut || (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("%q, %q, %v", out.b, errOut.b, err)
			}
		})
	}
	few := &head{room: 2}
	if err := demux(strings.NewReader(frame(1, "abc")+frame(1, "d")), few, few); err != nil || string(few.b) != "ab" {
		t.Errorf("bounded: %q, %v", few.b, err)
	}
}

// A command's streams over a connection that is handed over.
func TestExecStreams(t *testing.T) {
	var got execution
	mux := http.NewServeMux()
	mux.HandleFunc("POST /containers/c/exec", func(w http.ResponseWriter, r *http.Request) {
		json.NewDecoder(r.Body).Decode(&got)
		io.WriteString(w, `{"Id":"x"}`)
	})
	mux.HandleFunc("POST /exec/x/start", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		b, _ := io.ReadAll(rw)
		io.WriteString(conn, frame(1, "got "+string(b))+frame(2, "warned"))
	})
	polls := 0
	mux.HandleFunc("GET /exec/x/json", func(w http.ResponseWriter, _ *http.Request) {
		polls++
		fmt.Fprintf(w, `{"Running":%v,"ExitCode":3}`, polls < 3)
	})
	e := fakeDaemon(t, mux)
	out, errOut := &head{room: 100}, &head{room: 100}
	code, err := e.api.exec(t.Context(), "c", execution{AttachStdin: true, Cmd: []string{"a"}}, strings.NewReader("in"), out, errOut)
	if err != nil || code != 3 || string(out.b) != "got in" || string(errOut.b) != "warned" || !got.AttachStdin {
		t.Errorf("%d, %q, %q, %v", code, out.b, errOut.b, err)
	}
}

func TestExecWithoutUpgrade(t *testing.T) {
	e := fakeDaemon(t, answers(map[string]string{"/containers/c/exec": `{"Id":"x"}`, "/exec/x/start": "plain"}))
	_, err := e.api.exec(t.Context(), "c", execution{}, nil, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "upgrades") {
		t.Error(err)
	}
}

// A command that hangs is given up with its context.
func TestExecCancelled(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /containers/c/exec", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"Id":"x"}`) })
	mux.HandleFunc("POST /exec/x/start", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		io.Copy(io.Discard, rw) // until the other side goes
	})
	e := fakeDaemon(t, mux)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := e.api.exec(ctx, "c", execution{}, nil, io.Discard, io.Discard); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestLoadAnswer(t *testing.T) {
	if err := loadAnswer(strings.NewReader("{\"stream\":\"Loaded\"}\n")); err != nil {
		t.Error(err)
	}
	if err := loadAnswer(strings.NewReader("{\"stream\":\"x\"}\n{\"error\":\"no \\u001bspace\"}\n")); err == nil || !strings.Contains(err.Error(), "no  space") {
		t.Error(err)
	}
}

// A daemon that dies while the container runs is waited for in bounds.
func TestWatchGone(t *testing.T) {
	e := fakeDaemon(t, answers(nil))
	c := &Container{api: e.api, id: "c", began: time.Now(), done: make(chan struct{})}
	c.watch(t.Context())
	if got := c.Exit(); got.Code != 255 || got.Signal != 0 {
		t.Errorf("%+v", got)
	}
	if err := c.Close(); err == nil {
		t.Error("nothing could be removed, and nobody says so")
	}
}
