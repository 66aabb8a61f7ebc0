package docker

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pare-image/pare/slim/record/engine"
)

// Ports are reached the same way whether the container's address can be
// reached from here, as with a daemon of this machine, or not.
func TestReach(t *testing.T) {
	e := recordedEngine(t)
	for _, tt := range []struct {
		name   string
		direct bool
	}{{"at its address", true}, {"beside it", false}} {
		t.Run(tt.name, func(t *testing.T) {
			c := startImage(t, e, testImage(t, "reach", "gzip"), engine.SpecOptions{
				Args: []string{"serve=0.0.0.0:8080", "serve=127.0.0.1:8081", "wait"},
			})
			real := c.(*Container)
			if !real.direct && !e.api.isPodman() { // whose bridge has no address on this side
				t.Fatal("the container of a local daemon is not reached directly")
			}
			real.direct = real.direct && tt.direct
			if !tt.direct {
				real.pid = 0 // on another machine
			}
			waitListening(t, c, func(got []int) bool { return slices.Equal(got, []int{8080, 8081}) })
			for _, port := range []int{8080, 8081} {
				echo(t, c, port)
			}
			if conn, err := c.Dial(t.Context(), 9); err == nil {
				conn.Close()
				t.Error("a port on which nothing listens is connected")
			} else if !strings.Contains(err.Error(), "refused") {
				t.Errorf("dialing a closed port: %v", err)
			}
			fromHost(t, c, 8080)
		})
	}
}

// waitPort polls: these containers say nothing when they listen.
func waitPort(t *testing.T, c engine.Container, port int) {
	t.Helper()
	waitListening(t, c, func(got []int) bool { return slices.Contains(got, port) })
}

func waitListening(t *testing.T, c engine.Container, enough func([]int) bool) {
	t.Helper()
	until := time.Now().Add(20 * time.Second)
	for {
		got, err := c.Listening(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if enough(got) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("listening on %v", got)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// fromHost runs a command of this machine that talks to the container.
func fromHost(t *testing.T, c engine.Container, port int) {
	t.Helper()
	program, err := workload()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "workload")
	writeProgram(t, file, program)
	cmd := exec.Command(file, "dial="+net.JoinHostPort(c.Addr(), strconv.Itoa(port)))
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := c.Host(t.Context(), cmd); err != nil || !strings.HasSuffix(out.String(), " <nil>\n") {
		t.Errorf("a command of the host: %q, %v", out.String(), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Host(ctx, exec.Command(file, "wait")); err == nil {
		t.Error("a command of the host outlived its context")
	}
}

func TestHostNetwork(t *testing.T) {
	e := realEngine(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	c := startImage(t, e, testImage(t, "host", "gzip"), engine.SpecOptions{
		Args: []string{"serve=127.0.0.1:" + strconv.Itoa(port), "wait"}, Network: engine.Host,
		Conditions: &engine.Conditions{ReadOnlyRoot: true},
	})
	waitPort(t, c, port)
	echo(t, c, port)
}

func TestParseSockets(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 1
   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 2
   2: 0100007F:1F92 0100007F:1F93 01 00000000:00000000 00:00000000 00000000    33        0 3
   3: 7F000001:1F94 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4
   4: 00000000000000000000000001000000:1F95 00000000000000000000000000000000:0000 0A 0 0 0 0 0
   5: 0000000000000000FFFF00000100007F:1F96 00000000000000000000000000000000:0000 0A 0 0 0 0 0
   6: 0B00007F:B1C1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5
   7: 00000000000000000000000000000000:1F97 00000000000000000000000000000000:0000 0A 0 0 0 0 0
`
	got, err := parseSockets(strings.NewReader(table))
	want := []socket{{8080, false}, {8081, true}, {8084, true}, {8085, true}, {8086, true}, {8087, false}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := parseSockets(strings.NewReader("0: zz zz 0A\n")); err == nil {
		t.Error("a line without a port is taken")
	}
}
