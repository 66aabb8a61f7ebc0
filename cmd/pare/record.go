package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record"
	"github.com/pare-image/pare/slim/record/engine"
	"github.com/pare-image/pare/slim/record/probe"
)

// recordCommand is what pare record was asked for.
type recordCommand struct {
	image  string
	args   []string
	output string
	log    string
	json   bool
	start  startFlags
	work   workloadFlags
	end    endFlags
	source sourceFlags
	cache  cacheFlags
}

// startFlags say how the image is started.
type startFlags struct {
	engine   engineFlags
	network  string
	user     string
	env      []string
	volumes  []string
	dns      []string
	hosts    []string
	syscalls bool
	caps     []string
}

func (f *startFlags) bind(cmd *cobra.Command) {
	f.engine.bind(cmd)
	f.network = string(engine.Loopback)
	bindEnum(cmd, cmd.Flags(), &f.network, "network", "its own with nothing but lo, which probes enter, or the host's",
		[]string{string(engine.Loopback), string(engine.Host)})
	cmd.Flags().StringVar(&f.user, "user", "", "start as `USER[:GROUP]` (default: the image's)")
	cmd.Flags().StringArrayVarP(&f.env, "env", "e", nil, "add `NAME=VALUE` to the environment; repeatable")
	cmd.Flags().StringArrayVar(&f.volumes, "volume", nil, "make `PATH` a volume, as those that the image names are; repeatable")
	cmd.Flags().StringArrayVar(&f.caps, "sensor-cap", nil, "with engine docker, give the recorder the capability `NAME` too: SYS_ADMIN, to see setuid programs at work; repeatable")
	cmd.Flags().StringArrayVar(&f.dns, "dns", nil, "ask the name server at `ADDRESS`; repeatable")
	cmd.Flags().StringArrayVar(&f.hosts, "add-host", nil, "`NAME:ADDRESS` for /etc/hosts; repeatable")
	cmd.Flags().BoolVar(&f.syscalls, "syscalls", false, "also record which system calls are used; slower")
}

// endFlags say when the recording ends.
type endFlags struct {
	until string
	dur   time.Duration
	stop  time.Duration
}

const (
	untilAuto   = "auto"
	untilProbes = "probes"
	untilExit   = "exit"
	untilSignal = "signal"
	untilEnter  = "enter"
)

func (f *endFlags) bind(cmd *cobra.Command) {
	f.until = untilAuto
	bindEnum(cmd, cmd.Flags(), &f.until, "until", "end when all is asked, when the program ends, on Ctrl-C, on Enter; auto is probes where something is asked, else exit",
		[]string{untilAuto, untilProbes, untilExit, untilSignal, untilEnter})
	cmd.Flags().DurationVar(&f.dur, "for", 0, "end after `DURATION` at the latest, counted from when all is asked")
	cmd.Flags().DurationVar(&f.stop, "stop-timeout", engine.DefaultGrace, "kill the program when it has not ended `DURATION` after its stop signal")
}

func newRecordCommand(a *app) *cobra.Command {
	var c recordCommand
	cmd := &cobra.Command{
		Use:   "record IMAGE -o FILE [QUESTIONS] [-- ARG...]",
		Short: "run the image, ask it what its users ask, and write the profile",
		Long: `record starts IMAGE, waits until it is ready, asks every question twice, stops
it with its stop signal, and writes the profile of all files that its processes
asked the system for, from their first call to their last. The image's
HEALTHCHECK is always asked. ARGs take the place of the image's command.

Engine builtin needs no daemon: namespaces, as root or not. Engine docker uses
the Docker Engine or podman's socket (DOCKER_HOST). Neither needs a privileged
container. Nothing is left behind.

At the end, record says what it did not see: ports that nobody asked, programs
that never ran, packages and applications by the share that was touched. What
was not seen will not be in a slim image.`,
		Example: `  pare record app:1.4 -o profile.json --http / --http 'POST /login -d user=x'
  pare record app:1.4 -o profile.json --crawl / --tcp 6379
  pare record app:1.4 -o profile.json --run './smoke-test.sh'
  pare record job:2 -o profile.json -- --once /data/in.csv`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if c.image, c.args, err = imageAndArgs(cmd, args); err != nil {
				return err
			}
			return runRecord(cmd.Context(), a, c)
		},
	}
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "`FILE` to write the profile to")
	cmd.Flags().StringVar(&c.log, "log", "", "write what the image prints to `FILE`; - is stderr")
	c.work.bind(cmd)
	c.end.bind(cmd)
	c.start.bind(cmd)
	c.source.bind(cmd)
	c.cache.bind(cmd)
	bindJSON(cmd, &c.json)
	return cmd
}

// imageAndArgs are the one image, and behind "--" the arguments of its
// program.
func imageAndArgs(cmd *cobra.Command, args []string) (image string, rest []string, err error) {
	at := cmd.ArgsLenAtDash()
	switch {
	case len(args) == 0 || at == 0:
		return "", nil, usagef("%s wants IMAGE, got %d arguments", cmd.CommandPath(), 0)
	case at < 0 && len(args) > 1 || at > 1:
		return "", nil, usagef("%s wants IMAGE, got %d arguments; the program's arguments go behind --", cmd.CommandPath(), max(at, len(args)))
	}
	return args[0], args[1:], nil
}

func runRecord(ctx context.Context, a *app, c recordCommand) error {
	if c.output == "" {
		return &usageError{errNoOutput}
	}
	if c.output == "-" && c.json {
		return usagef("-o - and --json would both go to stdout")
	}
	places, err := a.places(&c.source)
	if err != nil {
		return err
	}
	src, err := a.open(ctx, c.image, &c.source, places)
	if err != nil {
		return err
	}
	defer src.Close()
	one, err := src.only()
	if err != nil {
		return err
	}
	r, err := a.record(ctx, c, src, one)
	if err != nil {
		return err
	}
	if err := a.writeResult(c.output, r.Profile.Write); err != nil {
		return err
	}
	return a.tellRecord(c, r)
}

// recorded is a recording with what it did not show.
type recorded struct {
	*record.Result
	coverage *record.Coverage
}

// record runs one image under an engine's sensor.
func (a *app) record(ctx context.Context, c recordCommand, src *opened, one *candidate) (rec *recorded, err error) {
	cache, err := c.cache.open(a.term)
	if err != nil {
		return nil, err
	}
	dir, remove, err := tempDir()
	if err != nil {
		return nil, err
	}
	defer remove()
	e, err := c.start.engine.choose(ctx, a)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeEngine(e)) }()
	// Engines unpack every file, or none: one pass over each layer.
	t, err := a.tree(ctx, src, one, layers.Options{Cache: cache, Scratch: dir, Want: wantAll(e)})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	spec, err := engine.NewSpec(one.image, t, engine.SpecOptions{
		Args: c.args, Env: c.start.env, User: c.start.user, Volumes: c.start.volumes,
		Network: engine.Network(c.start.network), DNS: c.start.dns, Hosts: c.start.hosts,
		Sensor: &engine.SensorOptions{Syscalls: c.start.syscalls, Caps: c.start.caps},
	})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", src.ref, err)
	}
	asking := filepath.Join(dir, "exec")
	if err := os.Mkdir(asking, 0o700); err != nil {
		return nil, err
	}
	o, err := c.options(a, asking, t.Config().Config)
	if err != nil {
		return nil, err
	}
	log, closeLog, err := c.openLog(a)
	if err != nil {
		return nil, err
	}
	defer closeLog()
	o.Log = log
	res, err := record.Run(ctx, e, spec, recordedOn(one), o)
	a.term.endProgress()
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w%s", src.ref, err, c.expectEnd(err))
	}
	if res.Profile, err = rememberTree(res.Profile, t, src.ref); err != nil {
		return nil, err
	}
	cover, err := record.Cover(t, res.Profile, res.RoutesNotAsked)
	if err != nil {
		return nil, fmt.Errorf("comparing the recording with the image: %w", err)
	}
	return &recorded{Result: res, coverage: cover}, nil
}

// expectEnd is what to do about a program that was to be asked and has ended.
func (c *recordCommand) expectEnd(err error) string {
	if !errors.Is(err, probe.ErrEnded) || c.work.asks() || c.end.until == untilExit {
		return ""
	}
	return "; if it is meant to end by itself, say --until exit"
}

func wantAll(e engine.Engine) func(string, *layers.Header) bool {
	if e.Name() != engineBuiltin {
		return nil // the default: what reading the image takes
	}
	return func(string, *layers.Header) bool { return true }
}

func recordedOn(one *candidate) profile.Image {
	img := one.id.Image()
	img.CPULevel = record.CPULevel()
	return img
}

// openLog opens --log; nil when nobody asked for it.
func (c *recordCommand) openLog(a *app) (io.Writer, func(), error) {
	switch c.log {
	case "":
		return nil, func() {}, nil
	case "-":
		return a.term.stderr, func() {}, nil
	}
	f, err := os.Create(c.log)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the log: %w", err)
	}
	return f, func() { f.Close() }, nil
}
