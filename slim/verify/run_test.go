package verify

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
)

var update = flag.Bool("update", false, "rewrite golden files")

// answer is what `cmd` printing text is reduced to.
func answer(text string, code int, volatile ...string) profile.Probe {
	return profile.Probe{Kind: profile.ProbeExec, Argv: []string{"ask"}, Answer: profile.Answer{
		ExitCode: code, Digest: digestOf(text), Size: int64(len(text)), Volatile: volatile,
	}}
}

func says(text string, code int) *scripted {
	return &scripted{answers: map[string]engine.ExecResult{"ask": {ExitCode: code, Stdout: []byte(text)}}, exit: engine.ExitStatus{Code: 143, Signal: 15}}
}

func one(p *profile.Profile) []*profile.Profile { return []*profile.Profile{p} }

// options of a verification of missingSlim, with one probe.
func options(t *testing.T, q profile.Probe, next ...*scripted) (*scriptedEngine, Options) {
	e := &scriptedEngine{next: next}
	p := accesses(found("/usr/bin/app", profile.Exec))
	p.Sessions = []profile.Session{{ID: "s", Engine: "builtin", Argv: []string{"/bin/app"}, Probes: []profile.Probe{q}}, {ID: "x", Engine: "builtin", Argv: []string{"ask"}}}
	return e, Options{Engine: e, Slim: *subject(t, missingSlim), Profile: p, Grace: 50 * time.Millisecond}
}

func TestRun(t *testing.T) {
	crash := &scripted{ended: true, exit: engine.ExitStatus{Code: 139, Signal: 11}}
	for name, c := range map[string]struct {
		probe                profile.Probe
		source               *scripted
		first, second        *scripted
		start, ask, stop, re bool
		text                 string // of some check that failed
	}{
		"the same":                   {probe: answer("yes", 0), first: says("yes", 0), second: says("yes", 0), start: true, ask: true, stop: true, re: true},
		"another answer":             {probe: answer("yes", 0), first: says("no", 1), second: says("yes", 0), start: true, stop: true, re: true, text: "exit code: 0 became 1"},
		"volatile":                   {probe: answer("yes", 0, "digest", "size"), first: says("no", 0), second: says("nay", 0), start: true, ask: true, stop: true, re: true},
		"fresh answers":              {probe: answer("old", 0), source: says("yes", 0), first: says("yes", 0), second: says("yes", 0), start: true, ask: true, stop: true, re: true},
		"volatile in the recording":  {probe: answer("old", 0, "digest", "size"), source: says("yes", 0), first: says("no", 0), second: says("nay", 0), start: true, ask: true, stop: true, re: true},
		"ends otherwise than source": {probe: answer("yes", 0), source: quits(says("yes", 0), 0), first: says("yes", 0), second: says("yes", 0), start: true, ask: true, re: true, text: "the source ended on SIGTERM with exit code 0"},
		"does not stop":              {probe: answer("yes", 0), first: stubborn(says("yes", 0)), second: stubborn(says("yes", 0)), start: true, ask: true, re: true, text: "did not end within 50ms of SIGTERM and was killed"},
		"crashes on restart":         {probe: answer("", 0), first: says("", 0), second: crash, start: true, ask: true, stop: true, text: "the first start was ended by SIGTERM"},
		"ends by itself on restart":  {probe: answer("", 0), first: quits(says("", 0), 0), second: quits(&scripted{ended: true}, 0), start: true, ask: true, stop: true, text: "ended by itself"},
		"another answer on restart":  {probe: answer("yes", 0), first: says("yes", 0), second: says("no", 0), start: true, ask: true, stop: true, text: "ask: content"},
	} {
		t.Run(name, func(t *testing.T) {
			e, o := options(t, c.probe)
			if c.source != nil {
				o.Source, o.RunSource = subject(t, missingSource), true
				e.next = append(e.next, c.source)
			}
			e.next = append(e.next, c.first, c.second)
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			w := r.Workloads[0]
			got := []bool{w.Start.OK, w.Probes[0].OK, w.Stop.OK, w.Restart.OK}
			if diff := cmp.Diff([]bool{c.start, c.ask, c.stop, c.re}, got); diff != "" {
				t.Errorf("%s\n%+v", diff, w)
			}
			if all := w.Start.Text + strings.Join(w.Probes[0].Differences, "\n") + w.Stop.Text + w.Restart.Text; !strings.Contains(all, c.text) {
				t.Errorf("%q is not in %q", c.text, all)
			}
			if r.OK() != (c.start && c.ask && c.stop && c.re) || len(r.Workloads) != 1 {
				t.Errorf("verdict %s, %d workloads", r.Verdict, len(r.Workloads))
			}
			for i, c := range e.started {
				if !c.closed {
					t.Errorf("container %d is left", i)
				}
			}
		})
	}
}

// A second start that is asked nothing is not stopped before the program is
// there: its HEALTHCHECK may pass while the entrypoint prepares. The ports that
// the first start and the recording had tell it, but not for ever.
func TestRunAwaitsPreparations(t *testing.T) {
	host := profile.Probe{Kind: profile.ProbeRun, Argv: []string{"check"}, Answer: profile.Answer{Error: "no host"}}
	for name, x := range map[string]struct {
		recorded, first []int
		early           bool
	}{
		"ports of both":          {recorded: []int{80, 5432}, first: []int{5432, 9000}},
		"another port each time": {recorded: []int{40001}, first: []int{5432}, early: true},
		"none in the recording":  {first: []int{5432}, early: true},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := says("", 0), says("", 0)
			first.listens, second.listens, second.refusals = x.first, []int{5432}, 3
			_, o := options(t, host, first, second)
			o.Profile.Ports = x.recorded
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Workloads[0].Restart.OK || second.early != x.early {
				t.Errorf("stopped early: %v, want %v; %+v", second.early, x.early, r.Workloads[0].Restart)
			}
		})
	}
}

func quits(c *scripted, code int) *scripted {
	c.exit = engine.ExitStatus{Code: code}
	return c
}

func stubborn(c *scripted) *scripted {
	c.stubborn, c.exit = true, engine.ExitStatus{Code: 137, Signal: 9}
	return c
}

// The slim image runs hardened, the source as it is; both are recorded.
func TestRunSpecs(t *testing.T) {
	e, o := options(t, answer("yes", 0), says("yes", 0), says("yes", 0), says("yes", 0))
	o.Source, o.RunSource, o.Start.Env = subject(t, missingSource), true, []string{"A=1"}
	o.Overrides = Overrides{Tmpfs: []string{"/tmp"}, Volumes: []string{"/v"}, Caps: []string{"KILL"}}
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	source, slim := e.specs[0], e.specs[1]
	if source.Conditions != nil || source.Sensor == nil || source.Env[1] != "A=1" {
		t.Errorf("source: %+v", source)
	}
	want := &engine.Conditions{ReadOnlyRoot: true, Tmpfs: []string{"/tmp"}, Caps: []string{"KILL"}, PortStart: 1024}
	if diff := cmp.Diff(want, slim.Conditions); diff != "" || slim.Sensor == nil || !cmp.Equal(slim.Volumes, []string{"/v"}) {
		t.Errorf("slim: %s %v", diff, slim.Volumes)
	}
}

// Without probes it says what was not verified; a program is judged by its end.
func TestRunWithoutProbes(t *testing.T) {
	for code, want := range map[int]string{0: OK, 3: Differs} {
		ends := func() *scripted { return quits(&scripted{ended: true}, code) }
		e, o := options(t, profile.Probe{}, ends(), ends())
		o.Profile.Sessions[0].Probes = nil
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != want || len(e.started) != 2 || !strings.Contains(strings.Join(r.NotVerified, "\n"), "answers: the profile has no probes") {
			t.Errorf("exit code %d: %s, not verified: %q", code, r.Verdict, r.NotVerified)
		}
	}
}

// What no engine could start is never started; what brings it back is known.
func TestRunCannotStart(t *testing.T) {
	for layer, c := range map[string]struct{ why, missing string }{
		`dir usr`:                             {"the image has no /bin/app", "[/bin/app]"},
		`file bin/app 0755 "#!/usr/bin/sh\n"`: {"the image has /bin/app, and not its interpreter /usr/bin/sh", "[]"},
		`file bin/app 0700 "app"`:             {"user 33:33 may not execute /bin/app (0700, owner 0:0)", "[]"},
		`file bin/app 0644 33:33 "app"`:       {"user 33:33 may not execute /bin/app (0644, owner 33:33)", "[]"},
	} {
		e, o := options(t, answer("yes", 0))
		o.Slim, o.Source = *subject(t, "-- config --\n{\"Entrypoint\":[\"/bin/app\"],\"User\":\"33:33\"}\n-- layer --\n"+layer+"\n"), subject(t, missingSource)
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var missing []string
		for _, m := range r.Missing {
			missing = append(missing, m.Path)
		}
		w := r.Workloads[0]
		if len(e.started) != 0 || r.OK() || w.Start.Text != c.why || fmt.Sprint(missing) != c.missing || w.Probes[0].OK {
			t.Errorf("%s: %q, missing %v", layer, w.Start.Text, missing)
		}
	}
}

// What was dropped on purpose is said, and no difference.
func TestRunAllowMissing(t *testing.T) {
	for allow, want := range map[string]string{"/etc/app": OK, "etc/alias/": OK, "/etc/ap": Differs} {
		first := says("yes", 0)
		first.recorded = one(accesses(notFound("/etc/alias/conf", profile.Open)))
		_, o := options(t, answer("yes", 0), first, says("yes", 0))
		o.Source, o.Overrides.Missing = subject(t, missingSource), []string{allow}
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != want || (len(r.Missing) == 0) != (want == OK) || strings.Contains(strings.Join(r.NotVerified, "\n"), "1 that may be missing") != (want == OK) {
			t.Errorf("%s: %s %+v, not verified %q", allow, r.Verdict, r.Missing, r.NotVerified)
		}
	}
}

// What a listed directory holds, the slim image cannot know to ask for: the
// source's run knows, and is heard where the answers differ.
func TestRunHearsTheSource(t *testing.T) {
	for got, want := range map[string]string{"no": "[/etc/app/v2/conf]", "yes": "[]"} {
		source := says("yes", 0)
		source.recorded = one(accesses(found("/etc/app/v2/conf", profile.Stat), found("/usr/bin/app", profile.Exec), found("/proc/1/maps", profile.Open)))
		_, o := options(t, answer("yes", 0), source, says(got, 0), says(got, 0))
		o.Source, o.RunSource = subject(t, missingSource), true
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var missing []string
		for _, m := range r.Missing {
			missing = append(missing, m.Path)
		}
		if fmt.Sprint(missing) != want {
			t.Errorf("answer %s: missing %v, want %s", got, missing, want)
		}
	}
}

// The source, asked more than was recorded, writes where nobody had seen it
// write: that is said, and a repair provides for it.
func TestRunHearsTheSourceWrite(t *testing.T) {
	for got, want := range map[string]string{"no": "/etc/app tmpfs", "yes": ""} {
		source := says("yes", 0)
		source.recorded = one(accesses(found("/etc/app/cache.17", profile.Create, profile.Write)))
		_, o := options(t, answer("yes", 0), source, says(got, 0), says(got, 0))
		o.Source, o.RunSource = subject(t, missingSource), true
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var unmet []string
		for _, u := range r.Conditions.Unmet {
			unmet = append(unmet, u.Path+" "+u.Next[strings.LastIndex(u.Next, "--")+2:])
		}
		if said := strings.Join(unmet, ", "); said != want {
			t.Fatalf("answer %s: unmet %q, want %q", got, said, want)
		}
		more, err := Repair(r, profile.Image{})
		if err != nil || (more != nil) != (want != "") {
			t.Fatalf("answer %s: repaired with %+v, %v", got, more, err)
		}
		if more == nil {
			continue
		}
		if n := unknown(o.Profile, more); n != 1 {
			t.Errorf("%d paths added", n)
		}
		all, err := profile.Union(o.Profile, more)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Derive(o.Slim.Tree, all, Overrides{})
		if err != nil || len(c.Writable) != 1 || c.Writable[0].Path+" "+c.Writable[0].How != want {
			t.Errorf("%+v, %v", c, err)
		}
	}
}

// A batch job has to end as it did when it was recorded, and is given the time.
func TestRunJob(t *testing.T) {
	for name, c := range map[string]struct {
		slim *scripted
		ok   bool
	}{
		"the same code": {quits(&scripted{ended: true}, 66), true},
		"another code":  {quits(&scripted{ended: true, log: "disk is full\n"}, 1), false},
	} {
		e, o := options(t, profile.Probe{}, c.slim, c.slim)
		o.Profile.Sessions = []profile.Session{{ID: "s", Engine: "builtin", Argv: []string{"/bin/app", "now"}, Duration: time.Second, Exited: true, ExitCode: 66}}
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		w := r.Workloads[0]
		if w.Stop.OK != c.ok || !w.Restart.OK || !c.ok && !strings.Contains(w.Stop.Text, "disk is full") || e.specs[0].Argv[1] != "now" {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// An image's HEALTHCHECK is of its server: a job is not held up by it.
func TestLaunchReady(t *testing.T) {
	s := subject(t, strings.Replace(missingSlim, "}", `,"Healthcheck":{"Test":["CMD","ask"]}}`, 1))
	_, o := options(t, profile.Probe{})
	v := verifier{Options: o}
	for _, w := range []workload{{}, {exits: true}} {
		if l := v.launch(engine.Spec{Tree: s.Tree}, &w); (l.ready.Health == nil) != w.exits {
			t.Errorf("exits %v: ready by %+v", w.exits, l.ready)
		}
	}
}

func TestWatch(t *testing.T) {
	for _, c := range []struct {
		w    workload
		want time.Duration
	}{
		{workload{}, shortestWatch},
		{workload{lasted: 5 * time.Second}, 5 * time.Second},
		{workload{lasted: time.Hour}, longestWatch},
		{workload{lasted: time.Second, exits: true}, 70 * time.Second},
		{workload{lasted: time.Hour, exits: true}, longestJob},
	} {
		if got := c.w.watch(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.w, got, c.want)
		}
	}
}

func TestRunSourceFails(t *testing.T) {
	e, o := options(t, profile.Probe{Kind: profile.ProbeTCP, Port: 1}, &scripted{ended: true})
	o.Source, o.RunSource = subject(t, missingSource), true
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrSource) || !e.started[0].closed {
		t.Errorf("got %v", err)
	}
}

// golden is a report in which everything is wrong that can be.
func golden(t *testing.T) *Report {
	first, second := says("no\x1b", 1), &scripted{ended: true, exit: engine.ExitStatus{Code: 1}}
	first.recorded = one(accesses(notFound("/etc/alias/conf", profile.Open), notFound("/run/seed", profile.Stat), notFound("/etc/none", profile.Open)))
	first.recorded[0].Sessions = []profile.Session{{ID: "r", Lost: 2}}
	_, o := options(t, answer("yes", 0, "contentType"), first, second)
	o.Source = subject(t, missingSource)
	o.Profile.Accesses = accesses(found("/run/x", profile.Create), found("/usr/bin/x\xff", profile.Create)).Accesses
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	w := &r.Workloads[0]
	w.Start.Took, w.Stop.Took, w.Restart.Took, w.Probes[0].Took = 1e9, 2e9, 3e9, 5e6 // a run's times are its own
	return r
}

func TestGolden(t *testing.T) {
	r := golden(t)
	var js, junit bytes.Buffer
	if err := errors.Join(r.Write(&js), r.WriteJUnit(&junit)); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"report.json": js.String(), "junit.xml": junit.String()} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	var suites struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Cases    []struct {
				Failure *struct{} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(junit.Bytes(), &suites); err != nil || len(suites.Suites) != 2 || suites.Suites[0].Tests != 4 || suites.Suites[0].Failures != 2 {
		t.Errorf("%v %+v", err, suites)
	}
}
