package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record"
	"github.com/pare-image/pare/slim/record/probe"
)

// workloadFlags are the questions.
type workloadFlags struct {
	http, tcp, exec, run []string
	crawl, openapi       []string
	ready                string
	readyTimeout         time.Duration
}

func (f *workloadFlags) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVar(&f.http, "http", nil, "ask `'[METHOD ][http[s]://][HOST]:PORT/PATH [-H HEADER] [-d BODY|@FILE]'`; repeatable")
	fl.StringArrayVar(&f.crawl, "crawl", nil, "follow the links of a site from `PATH`, or :PORT/PATH, on; repeatable")
	fl.StringArrayVar(&f.openapi, "openapi", nil, "ask the routes of the OpenAPI document (JSON) `FILE`, or URL of the image; repeatable")
	fl.StringArrayVar(&f.tcp, "tcp", nil, "connect to `'PORT [send TEXT]'` and read what comes; repeatable")
	fl.StringArrayVar(&f.exec, "exec", nil, "run `COMMAND` inside, recorded; repeatable")
	fl.StringArrayVar(&f.run, "run", nil, "run `COMMAND` of this machine, with PARE_HOST and PARE_PORT of the image's service; repeatable")
	fl.StringVar(&f.ready, "ready", "", "ready means `port`, health or log=REGEXP (default: the ports that are asked or exposed, else the HEALTHCHECK)")
	fl.DurationVar(&f.readyTimeout, "ready-timeout", time.Minute, "give up when it is not ready after `DURATION`")
}

// asks says that there is something to ask.
func (f *workloadFlags) asks() bool {
	return len(f.http)+len(f.tcp)+len(f.exec)+len(f.run)+len(f.crawl)+len(f.openapi) > 0
}

// workload reads the questions.
func (f *workloadFlags) workload(a *app, cfg v1.Config) (probe.Workload, error) {
	w := probe.Workload{
		Exposed: record.ExposedPorts(cfg),
		Options: probe.Options{Getenv: a.env, Output: a.term.stderr},
		Ready:   probe.ReadyOptions{Timeout: f.readyTimeout},
	}
	var err error
	if w.Health, err = probe.HealthOf(cfg); err != nil {
		return w, err
	}
	if w.Ready.By, w.Ready.Log, err = readyBy(f.ready); err != nil {
		return w, err
	}
	for _, q := range []struct {
		specs []string
		parse func(string) (profile.Probe, error)
		into  *[]profile.Probe
	}{
		{f.http, func(s string) (profile.Probe, error) { return probe.ParseHTTP(s, readQuestion) }, &w.Probes},
		{f.tcp, func(s string) (profile.Probe, error) { return probe.ParseTCP(s, readQuestion) }, &w.Probes},
		{f.exec, probe.ParseExec, &w.Probes},
		{f.run, probe.ParseRun, &w.Probes},
		{f.crawl, func(s string) (profile.Probe, error) { return probe.ParseHTTP(s, readQuestion) }, &w.Crawl},
	} {
		for _, spec := range q.specs {
			p, err := q.parse(spec)
			if err != nil {
				return w, &usageError{err}
			}
			*q.into = append(*q.into, p)
		}
	}
	for _, spec := range f.openapi {
		d, err := probe.ParseDocument(spec, readQuestion)
		if err != nil {
			return w, &usageError{err}
		}
		w.OpenAPI = append(w.OpenAPI, d)
	}
	return w, nil
}

// maxQuestion bounds a file that a question names, in bytes.
const maxQuestion = 16 << 20

func readQuestion(name string) ([]byte, error) { return readFile(name, maxQuestion) }

func readyBy(text string) (probe.By, *regexp.Regexp, error) {
	if expr, ok := strings.CutPrefix(text, "log="); ok {
		re, err := regexp.Compile(expr)
		if err != nil {
			return "", nil, usagef("--ready %s: %v", text, err)
		}
		return probe.ByLog, re, nil
	}
	switch by := probe.By(text); by {
	case "", probe.ByPort, probe.ByHealth:
		return by, nil, nil
	}
	return "", nil, usagef("--ready %q: want port, health or log=REGEXP", text)
}

// options are those of the recording.
func (c *recordCommand) options(a *app, dir string, cfg v1.Config) (record.Options, error) {
	o := record.Options{For: c.end.dur, StopTimeout: c.end.stop, Dir: dir, Tell: a.term.draw}
	var err error
	if o.Workload, err = c.work.workload(a, cfg); err != nil {
		return o, err
	}
	o.Workload.Progress = func(p probe.Progress) { a.term.draw(progressText(p)) }
	switch c.end.until {
	case untilProbes:
		o.Until = record.UntilProbes
	case untilExit:
		o.Until = record.UntilExit
	case untilSignal:
		o.Until, o.Stop = record.UntilStop, a.signals.softly()
	case untilEnter:
		o.Until, o.Stop = record.UntilStop, enter()
	default:
		return o, c.untilAuto(&o)
	}
	return o, nil
}

// untilAuto ends with the questions where there are any. A server that nobody
// asks would show its start and no more.
func (c *recordCommand) untilAuto(o *record.Options) error {
	switch {
	case c.work.asks() || o.Workload.Health != nil:
		o.Until = record.UntilProbes
	case len(o.Workload.Exposed) == 0 || c.end.dur > 0:
		o.Until = record.UntilExit
	default:
		return usagef("the image exposes ports (%s) and there is no question: give --http /, --crawl /, --tcp PORT or --run COMMAND, or --until signal and use it yourself", numbers(o.Workload.Exposed, ""))
	}
	return nil
}

// enter returns a channel that a line, or the end, of stdin closes.
func enter() <-chan struct{} {
	ch := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n') //nolint:errcheck // the end is as good as a line
		close(ch)
	}()
	return ch
}

func progressText(p probe.Progress) string {
	switch p.Stage {
	case "ready":
		return "waiting until it is ready"
	case "ask":
		return fmt.Sprintf("asking %d of %d: %s", p.Done+1, p.Of, probe.Line(p.Probe))
	}
	return p.Stage + " " + probe.Line(p.Probe)
}
