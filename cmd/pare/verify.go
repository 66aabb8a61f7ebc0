package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/probe"
	"github.com/pare-image/pare/slim/verify"
)

// verifyCommand is what pare verify was asked for.
type verifyCommand struct {
	image    string
	args     []string
	from     string // the source, run as well
	profiles []string
	reuse    reuseFlags
	save     string
	json     bool
	verify   verifyFlags
	// questions are asked besides those of the recording.
	questions workloadFlags
	source    sourceFlags
	cache     cacheFlags
}

// verifyFlags say how a slim image is verified, for verify and for slim.
type verifyFlags struct {
	engine    engineFlags
	network   string
	env       []string
	dns       []string
	hosts     []string
	overrides verify.Overrides
	timeout   time.Duration
	stop      time.Duration
	junit     string
}

func (f *verifyFlags) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	f.engine.bind(cmd)
	f.network = string(engine.Loopback)
	bindEnum(cmd, fl, &f.network, "network", "its own with nothing but lo, which probes enter, or the host's",
		[]string{string(engine.Loopback), string(engine.Host)})
	fl.StringArrayVarP(&f.env, "env", "e", nil, "add `NAME=VALUE` to the environment; repeatable")
	fl.StringArrayVar(&f.dns, "dns", nil, "ask the name server at `ADDRESS`; repeatable")
	fl.StringArrayVar(&f.hosts, "add-host", nil, "`NAME:ADDRESS` for /etc/hosts; repeatable")
	fl.StringArrayVar(&f.overrides.Tmpfs, "tmpfs", nil, "mount a tmpfs on `DIR`, besides those that the profile calls for; repeatable")
	fl.StringArrayVar(&f.overrides.Volumes, "volume", nil, "mount a volume with the image's content on `DIR`; repeatable")
	fl.StringArrayVar(&f.overrides.Caps, "cap", nil, "keep the capability `NAME`; repeatable")
	fl.BoolVar(&f.overrides.WritableRoot, "writable-root", false, "leave the root file system writable")
	fl.StringArrayVar(&f.overrides.Missing, "allow-missing", nil, "`PATH`, and what is below, was dropped on purpose; repeatable")
	fl.DurationVar(&f.timeout, "timeout", time.Minute, "give up when it is not ready after `DURATION`")
	fl.DurationVar(&f.stop, "stop-timeout", engine.DefaultGrace, "kill the program when it has not ended `DURATION` after its stop signal")
	fl.StringVar(&f.junit, "junit", "", "also write the report as JUnit XML to `FILE`")
}

func newVerifyCommand(a *app) *cobra.Command {
	var c verifyCommand
	cmd := &cobra.Command{
		Use:   "verify SLIM -p PROFILE [--source IMAGE] [-- ARG...]",
		Short: "run the slim image, ask it what was recorded, and compare",
		Long: `verify starts SLIM under the conditions that it is meant for: its own user, a
read-only root with a tmpfs or a volume exactly where the profile saw writes, no
capabilities but those that the profile shows to be needed, no new privileges.
It asks what was recorded, compares the answers, stops it with its stop signal,
and starts it once more.

With --source, the source is run and asked too, and its answers of today are
the ones to compare with; else they are those of the recording. Each path that
SLIM was asked for and lacks, and that the source has, is reported with who
asked and the option of pare slim that brings it back. A source that lies in
the same repository is found by itself for that.

A profile that was carried over from another image (pare profile derive,
--reuse-profile) is marked as such; --save-profile writes it as verified when
SLIM does all that was recorded.

The report is text, with --json JSON, and with --junit a file for CI besides.
Exit 3 when the slim image differs.`,
		Example: `  pare verify app:1.4-slim -p profile.json
  pare verify app:1.4-slim -p profile.json --source app:1.4 --junit verify.xml
  pare verify app:1.4-slim -p derived.json --save-profile verified.json
  pare verify oci:out:slim -p profile.json --tmpfs /var/cache/app --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if c.image, c.args, err = imageAndArgs(cmd, args); err != nil {
				return err
			}
			return runVerify(cmd.Context(), a, c)
		},
	}
	cmd.Flags().StringArrayVarP(&c.profiles, "profile", "p", nil, "profile `FILE` that SLIM was made by; several are merged")
	cmd.Flags().StringVar(&c.from, "source", "", "the `IMAGE` that was slimmed, to be run and compared with")
	c.reuse.bind(cmd)
	cmd.Flags().StringVar(&c.save, "save-profile", "", "when all is well, write the profile to `FILE`, no longer marked as derived without proof")
	c.questions.bind(cmd)
	c.verify.bind(cmd)
	c.source.bind(cmd)
	c.cache.bind(cmd)
	bindJSON(cmd, &c.json)
	return cmd
}

func runVerify(ctx context.Context, a *app, c verifyCommand) error {
	if err := c.reuse.check(); err != nil {
		return err
	}
	p, err := mergedProfile(c.profiles)
	if err != nil {
		return err
	}
	w, err := a.newVerification(ctx, &c)
	if err != nil {
		return err
	}
	defer w.Close()
	slimmed, err := w.open(ctx, c.image, c.source.platform, true)
	if err != nil {
		return err
	}
	source, p, err := w.findSource(ctx, slimmed, p)
	if err != nil {
		return err
	}
	proved := p
	p, more, err := withQuestions(a, &c.questions, p, slimmed.subject.Tree.Config())
	if err != nil {
		return err
	}
	if more && c.from == "" {
		return usagef("questions that were not recorded have no answers to compare with: give --source IMAGE")
	}
	r, err := a.verify(ctx, w.engine, &c.verify, verifyRequest{
		slim: slimmed.subject, source: source, runSource: c.from != "", profile: p, args: c.args, dir: w.dir,
	})
	if err != nil {
		return err
	}
	if c.save != "" && r.OK() {
		if err := a.writeResult(c.save, proved.AsVerified().Write); err != nil {
			return err
		}
	}
	return a.tellVerify(c.json, c.verify.junit, r)
}

// mergedProfile is the union of the files.
func mergedProfile(files []string) (*profile.Profile, error) {
	if len(files) == 0 {
		return nil, usagef("-p is missing: what was the image seen to need?")
	}
	var all []*profile.Profile
	for _, name := range files {
		p, err := readProfile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return profile.Union(all...)
}

// verifyRequest is what is verified against what.
type verifyRequest struct {
	slim      verify.Subject
	source    *verify.Subject // nil where it is not at hand
	runSource bool
	profile   *profile.Profile
	args      []string
	dir       string // scratch, for the way inside
}

// verify runs a slim image, which is open, and its source.
func (a *app) verify(ctx context.Context, e engine.Engine, f *verifyFlags, r verifyRequest) (*verify.Report, error) {
	dir, err := os.MkdirTemp(r.dir, "exec-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	report, err := verify.Run(ctx, verify.Options{
		Engine: e, Slim: r.slim, Source: r.source, RunSource: r.runSource, Profile: r.profile, Overrides: f.overrides,
		Start: engine.SpecOptions{Args: r.args, Env: f.env, Network: engine.Network(f.network), DNS: f.dns, Hosts: f.hosts},
		Ready: f.timeout, Grace: f.stop, Dir: dir, Tell: a.term.draw,
		Probes: probe.Options{Getenv: a.env, Output: a.term.stderr},
	})
	a.term.endProgress()
	if err != nil {
		return nil, fmt.Errorf("verifying %s: %w", r.slim.Name.Reference, err)
	}
	return report, nil
}

// verification holds what runVerify opens.
type verification struct {
	app    *app
	cmd    *verifyCommand
	engine engine.Engine
	cache  *layers.Cache
	dir    string
	closes []func()
}

func (a *app) newVerification(ctx context.Context, c *verifyCommand) (*verification, error) {
	w := &verification{app: a, cmd: c}
	var err error
	if w.cache, err = c.cache.open(a.term); err != nil {
		return nil, err
	}
	dir, remove, err := tempDir()
	if err != nil {
		return nil, err
	}
	w.dir, w.closes = dir, []func(){remove}
	if w.engine, err = c.verify.engine.choose(ctx, a); err != nil {
		w.Close()
		return nil, err
	}
	w.closes = append(w.closes, func() { closeEngine(w.engine) }) //nolint:errcheck // its files are in TMPDIR, and reaped
	return w, nil
}

// Close closes in the reverse order.
func (w *verification) Close() {
	for i := len(w.closes) - 1; i >= 0; i-- {
		w.closes[i]()
	}
}

// verified is an image that is open.
type verified struct {
	*opened
	one     *candidate
	subject verify.Subject
}

// open opens the image of a reference, and its tree; run says that an engine
// will want its files.
func (w *verification) open(ctx context.Context, ref, platform string, run bool) (*verified, error) {
	places, err := w.app.places(&w.cmd.source)
	if err != nil {
		return nil, err
	}
	flags := w.cmd.source
	flags.platform = platform
	src, err := w.app.open(ctx, ref, &flags, places)
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { src.Close() })
	one, err := src.only()
	if err != nil {
		return nil, err
	}
	var want func(string, *layers.Header) bool
	if run {
		want = wantAll(w.engine)
	}
	scratch, err := os.MkdirTemp(w.dir, "tree-")
	if err != nil {
		return nil, err
	}
	t, err := w.app.tree(ctx, src, one, layers.Options{Cache: w.cache, Scratch: scratch, Want: want})
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() { t.Close() })
	return &verified{src, one, verify.Subject{
		Name:  verify.Image{Reference: src.ref.String(), Digest: one.id.Digest.String(), Platform: one.id.Platform},
		Image: one.image, Tree: t,
	}}, nil
}
