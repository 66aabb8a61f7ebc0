package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pare-image/pare/slim/verify"
)

// recorder is one of pare's engines as the tests use it.
type recorder struct {
	engine  string
	gateway string   // at which the containers reach servers of the checks
	args    []string // for record and verify
}

// recorders are both engines for an app. A docker network of the recording's
// own has no way out: where the checks have a name server, the container
// shares the host's network.
func (b *bed) recorders(a *app) []recorder {
	docker := recorder{engine: "docker"}
	if a.runArgsFor != nil {
		docker.gateway, docker.args = b.gateway, []string{"--network", "host"}
	}
	return []recorder{{engine: "builtin", gateway: "127.0.0.1"}, docker}
}

// recording is an app under a recorder.
type recording struct {
	bed    *bed
	app    *app
	source *source
	ref    string // what is recorded: the source
	via    recorder
	dir    string
}

func (b *bed) newRecording(a *app, s *source, via recorder) (*recording, error) {
	dir, err := b.scratch(filepath.Join("recorder-"+a.name, via.engine))
	return &recording{bed: b, app: a, source: s, ref: s.ociRef(), via: via, dir: dir}, err
}

func (r *recording) file(name string) string { return filepath.Join(r.dir, name) }

// start are the arguments that start the app as docker run does in a.start.
func (r *recording) start() []string {
	args := append([]string{"--engine", r.via.engine, "--progress", "quiet"}, r.via.args...)
	if r.app.runArgsFor != nil {
		args = append(args, r.app.runArgsFor(host{addr: r.via.gateway})...)
	}
	for _, v := range r.app.volumes {
		args = append(args, "--volume", v)
	}
	return args
}

// questions are the whole check, or, for a batch image, none.
func (r *recording) questions() ([]string, error) {
	if r.app.ready == nil {
		return nil, nil
	}
	run, err := r.bed.remoteRun(r.app, r.via.gateway)
	return []string{"--run", run}, err
}

// whole is the command line of a batch image, or of one whose single question
// was another command.
func (r *recording) whole() []string {
	if r.app.command != nil {
		return append([]string{"--"}, r.app.command...)
	}
	if r.app.ready != nil || len(r.app.args) == 0 {
		return nil
	}
	return append([]string{"--"}, r.app.args...)
}

// record records the source.
func (r *recording) record(ctx context.Context, profile string, asks, rest []string) error {
	args := slices.Concat([]string{"record", r.ref, "-o", profile, "--log", profile + ".log"}, r.start(), asks, rest)
	_, err := r.bed.runPare(ctx, args...)
	return err
}

// full records the whole check, which must pass on the source.
func (r *recording) full(ctx context.Context) (profile string, err error) {
	profile = r.file("full.json")
	asks, err := r.questions()
	if err != nil {
		return "", err
	}
	if err := r.record(ctx, profile, asks, r.whole()); err != nil {
		return "", err
	}
	return profile, answered(profile)
}

// answered is an error for every question of a recording that failed.
func answered(file string) error {
	p, err := readProfiles(file)
	if err != nil {
		return err
	}
	for _, s := range p.Sessions {
		for _, q := range s.Probes {
			if q.Answer.Error != "" || q.Answer.ExitCode != 0 {
				err = errors.Join(err, fmt.Errorf("%v on the source: exit code %d %s", q.Argv, q.Answer.ExitCode, q.Answer.Error))
			}
		}
	}
	return err
}

// few records as little as can be.
func (r *recording) few(ctx context.Context) (profile string, err error) {
	profile = r.file("few.json")
	return profile, r.record(ctx, profile, r.app.single, nil)
}

// slim makes name's image and puts it into the registry too.
func (r *recording) slim(ctx context.Context, name, profile string, more ...string) (*slimmed, error) {
	s := &slimmed{granularity: name + "-" + r.via.engine, layout: r.file("oci-" + name), repo: r.source.repo}
	args := append(r.bed.slimArgs(r.app, r.source.ociRef(), s.ociRef(), profile, "file"), more...)
	out, err := r.bed.runPare(ctx, args...)
	if err != nil {
		return nil, err
	}
	if s.digest, err = lastDigest(out); err != nil {
		return nil, err
	}
	if err := r.bed.spread(ctx, s); err != nil {
		return nil, err
	}
	s.image, _, err = fromLayout(s.layout, s.granularity)
	return s, err
}

// verify runs pare verify; a result that differs is no error. How long a
// database takes to write all to this machine's disk before it ends is not
// what is looked at.
func (r *recording) verify(ctx context.Context, s *slimmed, profile string, more ...string) (*verify.Report, error) {
	args := slices.Concat([]string{"verify", s.ociRef(), "-p", profile, "--source", r.source.ociRef(), "--stop-timeout", "1m", "--json"}, r.start(), more)
	out, err := r.bed.runPare(ctx, args...)
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 3) {
		return nil, err
	}
	report := &verify.Report{}
	if jerr := json.Unmarshal([]byte(out), report); jerr != nil {
		return nil, errors.Join(jerr, err)
	}
	if report.OK() != (err == nil) {
		return nil, fmt.Errorf("the report says %v and the exit code %w", report.OK(), err)
	}
	return report, nil
}

// strays are processes that run in a namespace of the recorder's, which is
// gone when the last of them is: among their mounts is one from its directory.
func (b *bed) strays() (pids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	for _, f := range files {
		// One that has just ended has none.
		if mounts, err := os.ReadFile(f); err == nil && strings.Contains(string(mounts), b.pareTemp()) {
			pids = append(pids, "process "+filepath.Base(filepath.Dir(f)))
		}
	}
	return pids
}

// nothingLeft wants no trace of the recorder: its directories, containers,
// networks, mounts and namespaces.
func (b *bed) nothingLeft(ctx context.Context) error {
	var left []string
	found, err := os.ReadDir(b.pareTemp())
	if err != nil {
		return err
	}
	for _, f := range found {
		left = append(left, f.Name())
	}
	for _, list := range [][]string{
		{"ps", "--all", "--quiet", "--filter", "label=io.pare.owner"},
		{"network", "ls", "--quiet", "--filter", "label=io.pare.owner"},
	} {
		out, err := b.docker(ctx, list...)
		if err != nil {
			return err
		}
		left = append(left, strings.Fields(out)...)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if n := strings.Count(string(mounts), b.pareTemp()); n > 0 {
		left = append(left, strconv.Itoa(n)+" mounts")
	}
	left = append(left, b.strays()...)
	if left != nil {
		return fmt.Errorf("left behind: %s", strings.Join(left, " "))
	}
	return nil
}

// words are what a report says, for a log.
func words(r *verify.Report) string {
	var out []string
	for _, w := range r.Workloads {
		for _, c := range []struct {
			name  string
			check verify.Check
		}{{"start", w.Start}, {"stop", w.Stop}, {"restart", w.Restart}} {
			if !c.check.OK {
				out = append(out, c.name+": "+c.check.Text)
			}
		}
		for _, p := range w.Probes {
			if len(p.Differences) > 0 {
				out = append(out, strings.Join(p.Differences, ", "))
			}
		}
	}
	for _, m := range r.Missing {
		out = append(out, "missing "+m.Path)
	}
	return strings.Join(out, "; ")
}
