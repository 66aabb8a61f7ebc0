package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/verify"
)

// proofFlags let slim record before it builds, and run what it has built
// before anybody else gets it.
type proofFlags struct {
	record    bool
	verify    bool
	repair    bool
	rounds    int
	save      string
	questions workloadFlags
	run       verifyFlags
}

func (f *proofFlags) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&f.record, "record", false, "record IMAGE first, as pare record does with these questions")
	fl.BoolVar(&f.verify, "verify", false, "run the result as pare verify does, against IMAGE, and write it only if it does the same")
	fl.BoolVar(&f.repair, "repair", false, "as --verify; what was missing is added to the profile, until nothing is")
	fl.IntVar(&f.rounds, "rounds", verify.DefaultRounds, "give up repairing after `N` builds")
	fl.StringVar(&f.save, "save-profile", "", "also write the profile, as recorded and repaired, to `FILE`")
	f.questions.bind(cmd)
	f.run.bind(cmd)
}

// asked says that something is to be run.
func (f *proofFlags) asked() bool { return f.record || f.verify || f.repair }

// check refuses flags that would have no effect.
func (f *proofFlags) check(args []string) error {
	if len(args) > 0 && !f.asked() {
		return usagef("slim wants IMAGE, got %d arguments; those behind -- are for the program that --record or --verify starts", len(args)+1)
	}
	if f.questions.asks() && !f.asked() {
		return usagef("questions are for --record, --verify and --repair")
	}
	if !f.record {
		if err := f.questions.recordedOnly(); err != nil {
			return err
		}
	}
	if f.save != "" && !f.record && !f.repair {
		return usagef("--save-profile is for --record and --repair; without them the profile is the one that was given")
	}
	if f.rounds < 1 {
		return usagef("--rounds %d: want at least 1", f.rounds)
	}
	return nil
}

// jobs are the images to slim, each with its profile: recorded now, given, or
// attached to the image.
func (w *work) jobs(ctx context.Context, c *slimCommand, src *opened, places reference.Options) ([]job, []leftOut, error) {
	if !c.proof.record {
		return w.app.match(ctx, src, c.given(), places)
	}
	one, err := src.only()
	if err != nil {
		return nil, nil, err
	}
	byImage, err := w.app.sortByImage(ctx, src, c.given())
	if err != nil {
		return nil, nil, err
	}
	p, err := w.recordFirst(ctx, c, src, one)
	if err != nil {
		return nil, nil, err
	}
	byImage[0].own = append(byImage[0].own, p)
	return src.jobs(byImage, "")
}

// given are the profiles of the command line.
func (c *slimCommand) given() given {
	return given{c.slim.profiles, c.slim.reuse, c.source, c.cache}
}

// recordFirst records the image.
func (w *work) recordFirst(ctx context.Context, c *slimCommand, src *opened, one *candidate) (*profile.Profile, error) {
	f := &c.proof
	rc := recordCommand{
		image: c.image, args: c.args, output: f.save,
		start: startFlags{engine: f.run.engine, network: f.run.network, env: f.run.env, volumes: f.run.overrides.Volumes, dns: f.run.dns, hosts: f.run.hosts},
		work:  f.questions, end: endFlags{until: untilAuto, stop: f.run.stop}, cache: c.cache,
	}
	r, err := w.app.record(ctx, rc, src, one)
	if err != nil {
		return nil, err
	}
	w.app.term.note("%s", recordText(rc, r))
	for _, text := range recordWarnings(r) {
		w.app.term.warn("%s", text)
	}
	if f.save != "" {
		err = w.app.writeResult(f.save, r.Profile.Write)
	}
	return r.Profile, err
}

// buildOrProve builds what is to be written.
func (w *work) buildOrProve(ctx context.Context, c *slimCommand, src *opened, jobs []job) ([]built, error) {
	if !c.proof.verify && !c.proof.repair {
		return w.buildAll(ctx, src, jobs, c.plan)
	}
	if len(jobs) > 1 {
		return nil, usagef("--verify runs an image of this machine's platform, and %d have a profile; choose one with --platform", len(jobs))
	}
	b, err := w.prove(ctx, c, src, jobs[0])
	if err != nil {
		return nil, err
	}
	return []built{*b}, nil
}

// prove builds and runs the one image, and repairs it if that was asked for.
func (w *work) prove(ctx context.Context, c *slimCommand, src *opened, j job) (b *built, err error) {
	e, err := c.proof.run.engine.choose(ctx, w.app)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeEngine(e)) }()
	source, err := w.sourceSubject(ctx, e, src, &j)
	if err != nil {
		return nil, err
	}
	defer source.Tree.Close()
	if j, err = j.carried(ctx, w.app, source.Tree); err != nil {
		return nil, err
	}
	round := 0
	build := func(ctx context.Context, p *profile.Profile) (*built, error) {
		round++
		if p != j.profile { // what was added was recorded on this image
			j.profile, j.origin.Profiles = p, nil
		}
		return w.build(ctx, src, j, c.plan, strconv.Itoa(round))
	}
	check := func(ctx context.Context, b *built, p *profile.Profile) (*verify.Report, error) {
		return w.verifyBuilt(ctx, c, e, source, b, p, round)
	}
	rounds := 1
	if c.proof.repair {
		rounds = c.proof.rounds
	}
	r, err := verify.RepairLoop(ctx, j.profile, rounds, build, check)
	if err != nil {
		return nil, err
	}
	return r.Built, w.tellProof(c, r)
}

// tellProof says how it went; the error refuses a result that differs.
func (w *work) tellProof(c *slimCommand, r verify.Repaired[*built]) error {
	if c.proof.save != "" && r.Added > 0 {
		if err := w.app.writeResult(c.proof.save, r.Profile.Write); err != nil {
			return err
		}
	}
	if c.proof.run.junit != "" {
		if err := w.app.writeResult(c.proof.run.junit, r.Report.WriteJUnit); err != nil {
			return err
		}
	}
	w.app.term.note("%s", verifyText(r.Report))
	if c.proof.repair {
		w.app.term.note("  repaired   %d paths added to the profile, in %d builds", r.Added, r.Rounds)
	}
	if r.Report.OK() {
		return nil
	}
	next := "add what is missing with --repair, or record more"
	if c.proof.repair {
		next = "what is left is not a matter of missing files that a recording can bring back"
	}
	return fmt.Errorf("%w: the slim image differs (%s), so nothing was written; %s", errCheck, verifyVerdict(r.Report), next)
}

// sourceSubject opens the source for an engine.
func (w *work) sourceSubject(ctx context.Context, e engine.Engine, src *opened, j *job) (*verify.Subject, error) {
	t, err := w.app.tree(ctx, src, j.candidate, layers.Options{Cache: w.cache, Scratch: w.dir, Want: wantAll(e)})
	if err != nil {
		return nil, err
	}
	return &verify.Subject{
		Name:  verify.Image{Reference: src.ref.String(), Digest: j.id.Digest.String(), Platform: j.id.Platform},
		Image: j.candidate.image, Tree: t,
	}, nil
}

// verifyBuilt runs an image that is not yet written anywhere.
func (w *work) verifyBuilt(ctx context.Context, c *slimCommand, e engine.Engine, source *verify.Subject, b *built, p *profile.Profile, round int) (*verify.Report, error) {
	scratch := filepath.Join(w.dir, "verify-"+strconv.Itoa(round))
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return nil, err
	}
	t, err := layers.Open(ctx, b.image, layers.Options{Scratch: scratch, Want: wantAll(e)})
	if err != nil {
		return nil, fmt.Errorf("reading what was built: %w", err)
	}
	defer t.Close()
	digest, err := b.image.Digest()
	if err != nil {
		return nil, err
	}
	if !c.proof.record { // which has asked them already
		if p, _, err = withQuestions(w.app, &c.proof.questions, p, t.Config()); err != nil {
			return nil, err
		}
	}
	return w.app.verify(ctx, e, &c.proof.run, verifyRequest{
		slim:   verify.Subject{Name: verify.Image{Reference: c.output, Digest: digest.String(), Platform: b.id.Platform}, Image: b.image, Tree: t},
		source: source, runSource: true, profile: p, args: c.args, dir: scratch,
	})
}

// withQuestions adds the questions of the command line to those of the
// recording, and says whether there are any. They have no baseline: the
// source must be run for one.
func withQuestions(a *app, f *workloadFlags, p *profile.Profile, cfg *v1.ConfigFile) (*profile.Profile, bool, error) {
	if !f.asks() {
		return p, false, nil
	}
	if err := f.recordedOnly(); err != nil {
		return nil, false, err
	}
	load, err := f.workload(a, cfg.Config)
	if err != nil {
		return nil, false, err
	}
	s := profile.Session{ID: "asked by this command", Engine: "verify"}
	for i := range p.Sessions {
		if len(p.Sessions[i].Probes) > 0 {
			s.Argv = p.Sessions[i].Argv
		}
	}
	for _, q := range load.Probes {
		if q.Kind == profile.ProbeHTTP && q.Port == 0 {
			if len(load.Exposed) != 1 {
				return nil, false, usagef("--http %s: which port? Say :PORT%s", q.Path, q.Path)
			}
			q.Port = load.Exposed[0]
		}
		if !isAsked(p, q) {
			s.Probes = append(s.Probes, q)
		}
	}
	if len(s.Probes) == 0 {
		return p, false, nil
	}
	more, err := profile.Union(p, &profile.Profile{Image: p.Image, Sessions: []profile.Session{s}})
	return more, true, err
}

// recordedOnly refuses questions that only a recording can find.
func (f *workloadFlags) recordedOnly() error {
	if len(f.crawl)+len(f.openapi) > 0 {
		return usagef("--crawl and --openapi are for recording: their questions are then in the profile")
	}
	return nil
}

// isAsked says that a recording has the same question.
func isAsked(p *profile.Profile, q profile.Probe) bool {
	for i := range p.Sessions {
		for _, have := range p.Sessions[i].Probes {
			if have.Answer = q.Answer; reflect.DeepEqual(have, q) {
				return true
			}
		}
	}
	return false
}
