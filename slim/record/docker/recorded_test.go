package docker

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
)

func recordedEngine(t *testing.T) *Engine {
	t.Helper()
	e := realEngine(t)
	if os.Getenv("PARE_BIN") == "" {
		t.Skip("needs a built pare: PARE_BIN is not set; run make test")
	}
	return e
}

// accessed finds a path in one of the profiles.
func accessed(ps []*profile.Profile, path string) bool {
	return slices.ContainsFunc(ps, func(p *profile.Profile) bool {
		return slices.ContainsFunc(p.Accesses, func(a profile.Access) bool { return a.Path == path && a.Exists })
	})
}

func recording(t *testing.T, c engine.Container) []*profile.Profile {
	t.Helper()
	ps, err := c.Recording(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func TestRecorded(t *testing.T) {
	e := recordedEngine(t)
	c := startImage(t, e, testImage(t, "recorded", "gzip"), engine.SpecOptions{
		Args:   []string{"serve=0.0.0.0:8080", "cat=/data/seed", "ids", "dir", "env", "grep=Cap@/proc/self/status", "write=/data/mine", "wait", "cat=/mark", "exit=7"},
		Env:    []string{"GIVEN=1"},
		Sensor: &engine.SensorOptions{},
	})
	text := waitLine(t, c, "ready")
	for _, want := range []string{"33 34 [", "/data <nil>\n", "GIVEN=1\n", "HOSTNAME=", "write /data/mine <nil>\n", "CapEff:\t0000000000000000\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("not in the log: %q\n%s", want, text)
		}
	}
	if strings.Contains(text, "PARE_") || strings.Contains(text, "CapBnd:\t00000000a80c25fb") {
		t.Errorf("the sensor is seen in\n%s", text)
	}
	echo(t, c, 8080)
	r, err := c.Exec(t.Context(), []string{"/workload", "ids", "cat=/tmp", "cat"}, strings.NewReader("in"))
	if err != nil || r.ExitCode != 1 || !strings.HasPrefix(string(r.Stdout), "33 34 [") {
		t.Errorf("exec: %+v, %v", r, err)
	}
	if err := c.Signal(t.Context(), 15); err != nil {
		t.Fatal(err)
	}
	if got := waitDone(t, c); got.Code != 7 {
		t.Errorf("exit %+v", got)
	}
	ps := recording(t, c)
	if len(ps) != 2 {
		t.Fatalf("%d sessions", len(ps))
	}
	for _, path := range []string{"/workload", "/data/seed", "/data/mine", "/mark"} {
		if !accessed(ps[:1], path) {
			t.Errorf("not recorded: %s", path)
		}
	}
	if !accessed(ps[1:], "/tmp") || !slices.Contains(ps[1].Sessions[0].Argv, "cat=/tmp") {
		t.Errorf("the command's session is %+v", ps[1])
	}
	for _, p := range ps {
		for _, a := range p.Accesses {
			if strings.HasPrefix(a.Path, sensorDir) {
				t.Errorf("the sensor recorded itself: %s", a.Path)
			}
		}
		if p.Lost() != 0 || p.Sessions[0].Engine != "docker" || p.Sessions[0].User != "33:34" {
			t.Errorf("session %+v", p.Sessions[0])
		}
	}
	if !slices.Equal(ps[0].Ports, []int{8080}) {
		t.Errorf("ports %v", ps[0].Ports)
	}
}

// What a program that does not stop has done until SIGKILL is recorded.
func TestRecordedKill(t *testing.T) {
	e := recordedEngine(t)
	c := startImage(t, e, testImage(t, "recorded-kill", "gzip"), engine.SpecOptions{
		Args: []string{"cat=/mark", "wait"}, Sensor: &engine.SensorOptions{},
	})
	waitLine(t, c, "ready")
	if err := c.Signal(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	if got := waitDone(t, c); got.Signal != 9 {
		t.Errorf("exit %+v", got)
	}
	if ps := recording(t, c); len(ps) != 1 || !accessed(ps, "/mark") {
		t.Errorf("recorded %+v", ps)
	}
}

// Of a sensor that is killed too, what it had written by then is there.
func TestRecordedLastFlush(t *testing.T) {
	e := recordedEngine(t)
	c := startImage(t, e, testImage(t, "recorded-flush", "gzip"), engine.SpecOptions{
		Args: []string{"cat=/mark", "wait"}, Sensor: &engine.SensorOptions{},
	})
	waitLine(t, c, "ready")
	real := c.(*Container)
	until := time.Now().Add(30 * time.Second)
	for {
		resp, err := real.api.do(t.Context(), "GET", "/containers/"+real.id+"/archive?path="+sensorOut, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		ps, err := readRecordings(resp.Body)
		resp.Body.Close()
		if err == nil && len(ps) == 1 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("nothing written: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := real.api.call(t.Context(), "POST", "/containers/"+real.id+"/kill", nil, nil); err != nil {
		t.Fatal(err)
	}
	waitDone(t, c)
	if ps := recording(t, c); len(ps) != 1 || !accessed(ps, "/mark") {
		t.Errorf("recorded %+v", ps)
	}
}

// As verify does: recorded, under the conditions that are meant.
func TestRecordedConditions(t *testing.T) {
	e := recordedEngine(t)
	for _, user := range []string{"33:34", "0:0"} {
		t.Run(user, func(t *testing.T) {
			c := startImage(t, e, testImage(t, "recorded-conditions", "gzip"), engine.SpecOptions{
				User: user,
				Args: []string{
					"write=/data/mine", "write=/cache/mine", "write=/mine", "grep=Cap@/proc/self/status", "grep=NoNewPrivs@/proc/self/status",
					"cat=/proc/sys/net/ipv4/ip_unprivileged_port_start", "wait",
				},
				Conditions: &engine.Conditions{ReadOnlyRoot: true, Tmpfs: []string{"/cache", "/tmp"}, Caps: []string{"NET_BIND_SERVICE", "CHOWN"}},
				Sensor:     &engine.SensorOptions{},
			})
			text := waitLine(t, c, "ready")
			eff := "0000000000000000"
			if user == "0:0" {
				eff = "0000000000000401"
			}
			for _, want := range []string{
				"write /cache/mine <nil>\n", "write /mine open /mine: read-only file system\n",
				"CapPrm:\t" + eff + "\n", "CapEff:\t" + eff + "\n", "CapBnd:\t0000000000000401\n", "NoNewPrivs:\t1\n", "1024\n",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("not in the log: %q", want)
				}
			}
			if r, err := c.Exec(t.Context(), []string{"/workload", "grep=CapEff@/proc/self/status"}, nil); err != nil || string(r.Stdout) != "CapEff:\t"+eff+"\n" {
				t.Errorf("exec: %+v, %v", r, err)
			}
			if err := c.Signal(t.Context(), 9); err != nil {
				t.Fatal(err)
			}
			waitDone(t, c)
			if ps := recording(t, c); len(ps) != 2 || !accessed(ps, "/cache/mine") || ps[0].Lost()+ps[1].Lost() != 0 {
				t.Errorf("recorded %+v", ps)
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// A program that is not there ends at once, with what shells say.
func TestRecordedNoProgram(t *testing.T) {
	e := recordedEngine(t)
	c := startImage(t, e, testImage(t, "recorded-none", "gzip"), engine.SpecOptions{Sensor: &engine.SensorOptions{}}, func(s *engine.Spec) {
		s.Argv = []string{"/no/such"}
	})
	if got := waitDone(t, c); got.Code != 127 {
		t.Errorf("exit %+v", got)
	}
}

// A sensor that cannot write says so, in place of a recording.
func TestRecordedNothing(t *testing.T) {
	e := recordedEngine(t)
	c := startImage(t, e, testImage(t, "recorded-nothing", "gzip"), engine.SpecOptions{Sensor: &engine.SensorOptions{}}, func(s *engine.Spec) {
		s.User.Groups = []int{-1} // which no kernel takes
	})
	if got := waitDone(t, c); got.Code == 0 {
		t.Errorf("exit %+v", got)
	}
	if ps, err := c.Recording(t.Context()); err == nil || !strings.Contains(err.Error(), "becoming user") {
		t.Errorf("recorded %+v, %v", ps, err)
	}
}
