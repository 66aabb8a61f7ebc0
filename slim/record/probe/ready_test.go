package probe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestReadyBatch(t *testing.T) {
	f := newFake(t, nil)
	f.end(0) // a batch image may be done before anybody looks
	if how, err := WaitReady(t.Context(), f, ReadyOptions{}); err != nil || how != nothingToWaitFor {
		t.Errorf("%q, %v", how, err)
	}
}

func TestReadyByPort(t *testing.T) {
	addr := converse(t, func(net.Conn) {})
	for _, c := range []struct {
		name string
		o    ReadyOptions
		want string
	}{
		{"all asked ports", ReadyOptions{Ports: []int{1, 2}, Exposed: []int{9}}, "ports 1, 2 accept connections"},
		{"the first exposed", ReadyOptions{Exposed: []int{9, 2}}, "port 2 accepts connections"},
		{"any", ReadyOptions{AnyPort: true}, "port 1 accepts connections"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, nil)
			time.AfterFunc(30*time.Millisecond, func() { f.open(1, addr) })
			if c.name != "any" {
				time.AfterFunc(60*time.Millisecond, func() { f.open(2, addr) })
			}
			if how, err := WaitReady(t.Context(), f, c.o); err != nil || how != c.want {
				t.Errorf("%q, %v", how, err)
			}
		})
	}
}

func TestReadyTimesOut(t *testing.T) {
	f := newFake(t, map[int]string{8080: "127.0.0.1:1"})
	go fmt.Fprintf(f.logW, "starting\nbind: \x1b[31mno\n")
	_, err := WaitReady(t.Context(), f, ReadyOptions{Exposed: []int{80}, Timeout: 500 * time.Millisecond})
	want := "waiting until the workload is ready: the workload is not ready after 500ms: no exposed port accepts connections: 80; the workload listens on 8080; " +
		"the last lines of its log:\n  starting\n  \"bind: \\x1b[31mno\""
	if !errors.Is(err, ErrNotReady) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// The end of the workload ends every wait at once, with what it last said.
func TestReadyEnded(t *testing.T) {
	for _, o := range []ReadyOptions{
		{Ports: []int{80}},
		{Log: regexp.MustCompile("ready")},
		{Health: &Health{Argv: []string{"sleep", "60"}, Interval: time.Minute, Timeout: time.Minute, Retries: 3}},
	} {
		f := newFake(t, nil)
		go func() {
			fmt.Fprintf(f.logW, "%s\nfatal: no database", strings.Repeat("line\n", 30))
			f.end(7)
		}()
		began := time.Now()
		_, err := WaitReady(t.Context(), f, o)
		if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "ended with exit code 7") || !strings.HasSuffix(err.Error(), "\n  fatal: no database") || strings.Count(err.Error(), "\n") != lastLines {
			t.Errorf("%s: %v", o.by(), err)
		}
		if d := time.Since(began); d > 45*time.Second {
			t.Errorf("%s: it took %v", o.by(), d)
		}
	}
}

func TestReadyByLog(t *testing.T) {
	f := newFake(t, nil)
	go func() {
		io.WriteString(f.logW, strings.Repeat("x", 100<<10)+"\nnot yet\r\nready to \x1b[32maccept\r\nmore\n")
		io.WriteString(f.logW, "nobody reads this")
	}()
	how, err := WaitReady(t.Context(), f, ReadyOptions{Log: regexp.MustCompile("^ready to"), Ports: []int{80}})
	if want := `the log says "ready to \x1b[32maccept"`; err != nil || how != want {
		t.Errorf("%q, %v", how, err)
	}
}

func TestReadyByHealth(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "healthy")
	f := newFake(t, nil)
	h := &Health{Argv: []string{"test", "-e", flag}, Interval: 20 * time.Millisecond, Timeout: time.Second, StartPeriod: 10 * time.Second, Retries: 2}
	time.AfterFunc(100*time.Millisecond, func() { os.WriteFile(flag, nil, 0o600) })
	if how, err := WaitReady(t.Context(), f, ReadyOptions{Health: h}); err != nil || how != "the HEALTHCHECK exits with 0" {
		t.Errorf("%q, %v", how, err)
	}
	h.Argv, h.StartPeriod = []string{"sh", "-c", "exit 3"}, 0
	_, err := WaitReady(t.Context(), f, ReadyOptions{By: ByHealth, Health: h, Exposed: []int{80}})
	if !errors.Is(err, ErrUnhealthy) || !strings.Contains(err.Error(), "2 failures in a row, last exit code 3") {
		t.Errorf("got %v", err)
	}
	for _, o := range []ReadyOptions{{By: ByHealth}, {By: ByLog}, {By: "luck"}} {
		if _, err := WaitReady(t.Context(), f, o); err == nil {
			t.Errorf("%v is taken", o)
		}
	}
}
