package main

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/pare-image/pare/internal/reference"
)

// slimCommand is what pare slim was asked for.
type slimCommand struct {
	image  string
	args   []string // of the image's program, where it is run
	output string
	plan   string
	json   bool
	slim   slimFlags
	proof  proofFlags
	source sourceFlags
	cache  cacheFlags
}

func newSlimCommand(a *app) *cobra.Command {
	var c slimCommand
	cmd := &cobra.Command{
		Use:   "slim IMAGE -p PROFILE -o DEST [-- ARG...]",
		Short: "write a smaller image: what the profile shows, and what follows from it",
		Long: `slim reads IMAGE, keeps what the profile saw and what follows from that (links,
libraries, interpreters, groups such as time zones), and writes the rest of the
image to DEST: as a user without privilege, with a package database that lists
exactly what is left. Same image, profile, options and pare: same digest.

With --base the result stands on that image's own layers, unchanged and shared:
what it has is not carried again, its patched packages win over the source's
older ones, and package database, accounts and certificates are merged. Where
nothing says whose file counts, --prefer does. A tag is refused unless --pin
resolves it.

Without -p, the profiles are those attached to IMAGE in its registry or OCI
layout (pare profile push); which ones is said on stderr.

--record makes the profile first, with the questions given; --verify runs the
result against IMAGE, and --repair adds what turns out to be missing. Then
nothing is written that does not do the same (exit 3).

The result, a reference by digest, is printed on stdout. No image is written
when the plan has findings that forbid building (exit 3): resolve them, or
allow one by its name with --allow. --plan FILE is written all the same, to be
read.

Of an index, every platform that has a profile is slimmed, and the result is an
index again; --platform picks one, and its image is the result. DEST appears
whole or not at all.`,
		Example: `  pare slim registry.example/app:1.4 -p profile.json -o registry.example/app:1.4-slim
  pare slim oci:build:app -p profile.json -o docker-archive:app.tar:app:slim
  pare slim app:1.4 -p amd64.json -p arm64.json -o app:1.4-slim --granularity file
  pare slim app:1.4 --record --repair --http / -o app:1.4-slim
  pare slim app:1.4 -p profile.json --base debian:12 --pin -o app:1.4-slim
  pare slim app:1.4 -p profile.json -o oci:out --plan plan.json --keep '/etc/app/**'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if c.image, c.args, err = imageAndArgs(cmd, args); err != nil {
				return err
			}
			return runSlim(cmd.Context(), a, c)
		},
	}
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "`DEST`, a reference to write")
	cmd.Flags().StringVar(&c.plan, "plan", "", "also write the plan as JSON to `FILE`")
	c.slim.bind(cmd)
	c.proof.bind(cmd)
	c.source.bind(cmd)
	c.cache.bind(cmd)
	bindJSON(cmd, &c.json)
	return cmd
}

func runSlim(ctx context.Context, a *app, c slimCommand) error {
	if c.output == "" {
		return &usageError{errNoOutput}
	}
	dest, err := reference.Parse(c.output)
	if err != nil {
		return err
	}
	if err := refusePlanOver(c.plan, &c.slim, &c.source, c.image, c.output); err != nil {
		return err
	}
	if err := c.proof.check(c.args); err != nil {
		return err
	}
	places, err := a.places(&c.source)
	if err != nil {
		return err
	}
	w, err := newWork(a, &c.slim, &c.cache)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := reference.CheckDestination(ctx, dest, false, places); err != nil {
		return fmt.Errorf("writing %s: %w", dest, err)
	}
	if err := w.openBase(ctx, &c.slim.base, places); err != nil {
		return err
	}
	src, err := a.open(ctx, c.image, &c.source, places)
	if err != nil {
		return err
	}
	defer src.Close()
	jobs, left, err := w.jobs(ctx, &c, src, places)
	if err != nil {
		return err
	}
	if c.plan != "" && len(jobs) > 1 {
		return usagef("--plan takes the plan of one platform, and %d have a profile; choose one with --platform", len(jobs))
	}
	asIndex := src.source.Index != nil && c.source.platform == ""
	if err := reference.CheckDestination(ctx, dest, asIndex && len(jobs) > 1, places); err != nil {
		return fmt.Errorf("writing %s: %w", dest, err)
	}
	a.tellLeftOut(left)
	built, err := w.buildOrProve(ctx, &c, src, jobs)
	if err != nil {
		return err
	}
	img, idx, err := assemble(src.source, built, asIndex && dest.HoldsIndex())
	if err != nil {
		return err
	}
	a.term.draw("writing " + dest.String())
	at, err := reference.Write(ctx, dest, img, idx, places)
	a.term.endProgress()
	if err != nil {
		return err
	}
	return a.tellSlim(c, at, img, idx, built, left)
}

// assemble is the result: the one image, or an index.
func assemble(src *reference.Source, all []built, asIndex bool) (v1.Image, v1.ImageIndex, error) {
	if !asIndex {
		return all[0].image, nil, nil
	}
	idx, err := indexOver(src, all)
	return nil, idx, err
}
