package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim/profile"
)

const formatAuto = "auto"

type profileImportCommand struct {
	files     []string
	output    string
	format    string
	image     string
	root      string
	cwd       string
	container string
	source    sourceFlags
	cache     cacheFlags
}

// importFormats are the values of --format.
func importFormats() []string {
	known := []string{formatAuto}
	for _, f := range profile.Formats {
		known = append(known, string(f))
	}
	return known
}

func newProfileImportCommand(a *app) *cobra.Command {
	c := profileImportCommand{format: formatAuto}
	cmd := &cobra.Command{
		Use:   "import [--image IMAGE] [-o FILE] TRACE...",
		Short: "make a profile of what other tools recorded",
		Long: `import reads recordings (- is stdin) and writes the profile of all of them: the
output of strace -f, one absolute path a line (or NUL-separated), SlimToolkit's
creport.json, the record of ctr-remote, events of Inspektor Gadget (trace_open,
trace_exec) or Tracee in JSON, the output of fatrace, or a recorded
AppArmorProfile in JSON. docs/profile.md says how to make each. The format is
found by itself where it is certain. --image says of which image they are, so
that slim can refuse another, and that the profile can be used with a later
build on purpose; without it the profile fits any.

What could not be used is counted on stderr, and what such a recording cannot
show is said.`,
		Example: `  pare profile import --image app:1.4 -o profile.json app.strace
  pare profile import --format paths -o profile.json paths.txt
  pare profile import --image app:1.4 --container app -o profile.json opens.json
  zcat app.strace.gz | pare profile import --image app:1.4 -o profile.json -`,
		Args: some("TRACE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.files = args
			return runProfileImport(cmd.Context(), a, c)
		},
	}
	bindOutput(cmd, &c.output)
	bindEnum(cmd, cmd.Flags(), &c.format, "format", "of the recordings", importFormats())
	cmd.Flags().StringVar(&c.image, "image", "", "`IMAGE` that was recorded")
	cmd.Flags().StringVar(&c.container, "container", "", "`NAME` or ID of the container to take, of a recording that holds several")
	cmd.Flags().StringVar(&c.root, "root", "", "the container's root as strace saw it from outside, a `DIR` of the host; for fatrace the directories of all layers, DIR:DIR:...")
	cmd.Flags().StringVar(&c.cwd, "cwd", "", "`DIR` in which the first program started (default: as the trace shows, else /)")
	c.source.bind(cmd)
	c.cache.bind(cmd)
	return cmd
}

// bindOutput binds -o for results that may go to stdout.
func bindOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "-", "`FILE` to write; - is stdout")
}

func runProfileImport(ctx context.Context, a *app, c profileImportCommand) error {
	if c.image == "" {
		p, err := importAll(a, c, profile.Image{})
		if err != nil {
			return err
		}
		return a.writeResult(c.output, p.Write)
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
	p, err := importAll(a, c, one.id.Image())
	if err != nil {
		return err
	}
	cache, err := c.cache.open(a.term)
	if err != nil {
		return err
	}
	if p, err = a.remember(ctx, src, one, cache, p); err != nil {
		return err
	}
	return a.writeResult(c.output, p.Write)
}

// importAll is the union of all that was recorded.
func importAll(a *app, c profileImportCommand, img profile.Image) (*profile.Profile, error) {
	var all []*profile.Profile
	for _, name := range c.files {
		p, report, err := importFile(name, c, img)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(name), err)
		}
		a.tellImport(name, p, report)
		all = append(all, p)
	}
	return profile.Union(all...)
}

func importFile(name string, c profileImportCommand, img profile.Image) (*profile.Profile, *profile.ImportReport, error) {
	f, err := openInput(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, profile.SniffLen)
	format := profile.Format(c.format)
	if c.format == formatAuto {
		head, _ := r.Peek(profile.SniffLen)
		if format, err = profile.Detect(head); err != nil {
			return nil, nil, fmt.Errorf("finding the format: %w", err)
		}
	}
	if c.container != "" && !format.Streams() {
		return nil, nil, usagef("--container is for streams of events; a recording of %s is of one container", format)
	}
	return profile.Import(format, r, profile.ImportOptions{Image: img, Container: c.container, Root: c.root, Cwd: c.cwd})
}

func (a *app) tellImport(name string, p *profile.Profile, r *profile.ImportReport) {
	a.term.note("%s: %s, %d used, %s", printable(name), count(r.Lines, r.Unit), r.Used, count(len(p.Accesses), "path"))
	for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
		a.term.note("  not used: %d: %s", r.Skipped[reason], reason)
	}
	for _, l := range r.Lossy {
		a.term.note("  cannot show: %s", l)
	}
	if n := p.Lost(); n > 0 {
		a.term.warn("%s: %d events are known to be missing", printable(name), n)
	}
}
