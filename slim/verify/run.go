package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/probe"
)

// verifier is one run of [Run].
type verifier struct {
	Options
	report  *Report
	missing map[string]Missing
}

// Run verifies. An error is about what verifying needs: the engine, the
// options, the source. That the slim image differs is no error but a verdict.
// What was started is gone when Run returns.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	v := &verifier{Options: o, missing: map[string]Missing{}}
	if err := v.prepare(); err != nil {
		return nil, err
	}
	ws := workloads(o.Profile)
	if o.Start.Args != nil {
		for i := range ws {
			ws[i].argv = nil // Args stand in their place
		}
		ws = unite(ws)
	}
	for _, w := range ws {
		if err := probe.CheckVariables(w.probes, o.Probes.Getenv); err != nil {
			return nil, err
		}
	}
	for i := range ws {
		if err := v.workload(ctx, &ws[i]); err != nil {
			return nil, err
		}
	}
	v.finish()
	return v.report, nil
}

// unite makes one workload of several.
func unite(ws []workload) []workload {
	for _, w := range ws[1:] {
		ws[0].lasted = max(ws[0].lasted, w.lasted)
		for _, p := range w.probes {
			ws[0].add(p)
		}
	}
	return ws[:1]
}

func (v *verifier) prepare() error {
	digest, err := v.Profile.Digest()
	if err != nil {
		return err
	}
	c, err := Derive(v.Slim.Tree, v.Profile, v.Overrides)
	if err != nil {
		return fmt.Errorf("deriving the conditions: %w", err)
	}
	v.report = &Report{
		SchemaVersion: 1, Kind: "pare.verify", Image: v.Slim.Name, Profile: digest, Engine: v.Engine.Name(),
		Baseline: BaselineProfile, Conditions: c, Workloads: []Workload{}, Missing: []Missing{}, NotVerified: []string{},
	}
	if v.Source != nil {
		v.report.Source = v.Source.Name
	} else {
		v.note("missing paths: the source was not at hand (--source)")
	}
	if v.RunSource && v.Source != nil {
		v.report.Baseline = BaselineSource
	} else {
		v.note("the exit code on the stop signal was not compared: the source was not run (--source)")
	}
	return nil
}

func (v *verifier) note(text string) {
	if !slices.Contains(v.report.NotVerified, text) {
		v.report.NotVerified = append(v.report.NotVerified, text)
	}
}

// spec says how one of the images is started.
func (v *verifier) spec(s *Subject, w *workload) (engine.Spec, error) {
	o := v.Start
	spec, err := engine.NewSpec(s.Image, s.Tree, o)
	if errors.Is(err, engine.ErrNoProgram) && len(w.argv) > 0 {
		o.Args = w.argv
		spec, err = engine.NewSpec(s.Image, s.Tree, o)
	}
	if err != nil {
		return spec, fmt.Errorf("starting %s: %w", s.Name.Reference, err)
	}
	if len(w.argv) > 0 && !slices.Equal(texts(spec.Argv), w.argv) {
		spec.Argv = w.argv
	}
	return spec, nil
}

// noteFailing says of commands of the host that fail on the source too: that
// the slim image fails them as well proves nothing.
func (v *verifier) noteFailing(w *workload) {
	for _, p := range w.probes {
		if p.Kind == profile.ProbeRun && (p.Answer.ExitCode != 0 || p.Answer.Error != "") {
			v.note(fmt.Sprintf("%s: it fails on the source too", probe.Line(p)))
		}
	}
}

// texts is a command line as a profile has it.
func texts(argv []string) []string {
	var out []string
	for _, a := range argv {
		if !utf8.ValidString(a) {
			a = strconv.Quote(a)
		}
		out = append(out, a)
	}
	return out
}

// launch prepares a start.
func (v *verifier) launch(spec engine.Spec, w *workload) *launch {
	l := &launch{
		engine: v.Engine, spec: spec, asks: v.Probes, grace: cmp.Or(v.Grace, engine.DefaultGrace), dir: v.Dir,
		watch: w.watch(),
		ready: probe.ReadyOptions{Ports: w.ports(), Timeout: v.Ready},
	}
	health, err := probe.HealthOf(spec.Tree.Config().Config)
	switch {
	case len(l.ready.Ports) > 0:
	case w.exits: // a job: the image's HEALTHCHECK is of another command
	case err == nil && health != nil:
		l.ready.Health, l.ready.By = health, probe.ByHealth
	case len(w.probes) > 0 && len(v.Profile.Ports) > 0:
		l.ready.AnyPort = true
	}
	l.asks.Ports = l.ready.Ports
	return l
}

// workload verifies one command line.
func (v *verifier) workload(ctx context.Context, w *workload) error {
	spec, err := v.spec(&v.Slim, w)
	if err != nil {
		return err
	}
	var more []string
	spec.Conditions, more = v.report.Conditions.engine()
	spec.Volumes, spec.Sensor = more, &engine.SensorOptions{}
	res := Workload{Argv: []string{}, Probes: []Probe{}}
	for _, a := range spec.Argv {
		res.Argv = append(res.Argv, Text(a))
	}
	if len(w.probes) == 0 {
		v.note("answers: the profile has no probes; the image was started, watched and ended, and asked nothing")
	}
	source, err := v.runSource(ctx, w)
	if err != nil {
		return err
	}
	v.noteFailing(w)
	if err := v.runSlim(ctx, w, spec, source, &res); err != nil {
		return err
	}
	if source != nil && !res.OK() {
		if err := v.collectSource(source); err != nil {
			return err
		}
	}
	v.report.Workloads = append(v.report.Workloads, res)
	return nil
}

// runSource gives the fresh baseline; nil where the source is not run.
func (v *verifier) runSource(ctx context.Context, w *workload) (*outcome, error) {
	if v.report.Baseline != BaselineSource {
		return nil, nil
	}
	spec, err := v.spec(v.Source, w)
	if err != nil {
		return nil, err
	}
	spec.Sensor = &engine.SensorOptions{}
	v.Tell("running the source")
	l := v.launch(spec, w)
	l.probes, l.twice = w.probes, true
	o, err := l.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("running the source: %w", err)
	}
	if o.notReady != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, o.notReady)
	}
	for i := range w.probes {
		fresh := o.answers[i].Answer
		fresh.Volatile = sortedUnique(slices.Concat(fresh.Volatile, w.probes[i].Answer.Volatile))
		w.probes[i].Answer = fresh
	}
	return o, nil
}

// runSlim starts the slim image twice.
func (v *verifier) runSlim(ctx context.Context, w *workload, spec engine.Spec, source *outcome, res *Workload) error {
	v.Tell("running the slim image")
	l := v.launch(spec, w)
	if why := cannotStart(spec); why != "" {
		res.Start = Check{Text: why}
		res.Probes = compare(w.probes, &outcome{})
		res.Stop, res.Restart = Check{Text: "it was never started"}, Check{Text: "it was never started"}
		v.collect(spec, nil)
		return nil
	}
	l.probes = w.probes
	first, err := l.run(ctx)
	if err != nil {
		return fmt.Errorf("running the slim image: %w", err)
	}
	v.collect(spec, first)
	res.Start = judgeStart(first)
	res.Probes = compare(w.probes, first)
	res.Stop = judgeEnd(first, source, spec.StopSignal, w)
	v.Tell("running the slim image a second time")
	if l.probes = repeatable(w.probes); len(w.probes) > 0 {
		l.watch = shortestWatch
		l.until, l.untilFor = both(first.listened, v.Profile.Ports), 2*first.lasted+longestWatch
	}
	second, err := l.run(ctx)
	if err != nil {
		return fmt.Errorf("running the slim image a second time: %w", err)
	}
	v.collect(spec, second)
	res.Restart = judgeRestart(first, second, spec.StopSignal, compare(l.probes, second))
	return nil
}

// both are the ports that are in two lists.
func both(a, b []int) []int {
	return slices.DeleteFunc(slices.Clone(a), func(port int) bool { return !slices.Contains(b, port) })
}

// repeatable are the probes that are asked after the second start too: those
// before the first command of the host, which may be a long test suite and
// may have prepared what comes after it.
func repeatable(probes []profile.Probe) []profile.Probe {
	if i := slices.IndexFunc(probes, func(p profile.Probe) bool { return p.Kind == profile.ProbeRun }); i >= 0 {
		return probes[:i]
	}
	return probes
}

// collect adds what a run missed.
func (v *verifier) collect(spec engine.Spec, o *outcome) {
	if v.Source == nil {
		return
	}
	var recorded *profile.Profile
	if o != nil {
		var err error
		if recorded, err = profile.Union(o.recorded...); err == nil {
			err = o.noRecord
		}
		if err != nil {
			v.note("missing paths: the run was not recorded: " + err.Error())
			recorded = nil
		} else if n := recorded.Lost(); n > 0 {
			v.note(fmt.Sprintf("missing paths: %d events of the run were lost", n))
		}
	}
	v.add(FindMissing(v.Slim.Tree, v.Source.Tree, v.Profile, recorded, spec, v.report.Conditions))
}

// collectSource adds what the source went on to ask for where the slim image
// did not come to, or could not know of: what a listed directory holds.
func (v *verifier) collectSource(o *outcome) error {
	recorded, err := profile.Union(o.recorded...)
	if err != nil || o.noRecord != nil {
		return nil // the slim image's own recording says what can be said
	}
	v.add(FindUnseen(v.Slim.Tree, v.Source.Tree, v.Profile, recorded))
	return v.collectUnforeseen(recorded)
}

func (v *verifier) add(missing []Missing) {
	for _, m := range missing {
		if old, ok := v.missing[m.access.Path]; ok {
			m.join(old)
		}
		v.missing[m.access.Path] = m
	}
}

func (v *verifier) finish() {
	allowed := 0
	for _, m := range v.missing {
		if v.mayLack(&m) {
			allowed++
			continue
		}
		v.report.Missing = append(v.report.Missing, m)
	}
	if allowed > 0 {
		v.note(fmt.Sprintf("missing paths: %d that may be missing were asked for (--allow-missing)", allowed))
	}
	sortMissing(v.report.Missing)
	v.report.judge()
}

// mayLack says that a path, as it was asked for or where it leads, was
// dropped on purpose.
func (v *verifier) mayLack(m *Missing) bool {
	allowed := func(p string) bool {
		return slices.ContainsFunc(v.Overrides.Missing, func(dir string) bool { return below(p, path.Clean("/"+dir)) })
	}
	return allowed(m.access.Path) || allowed(m.access.Resolved)
}
