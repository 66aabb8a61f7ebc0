package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim"
)

// slimCommand is what pare slim was asked for.
type slimCommand struct {
	image  string
	output string
	plan   string
	json   bool
	slim   slimFlags
	source sourceFlags
	cache  cacheFlags
}

func newSlimCommand(a *app) *cobra.Command {
	var c slimCommand
	cmd := &cobra.Command{
		Use:   "slim IMAGE -p PROFILE -o DEST",
		Short: "write a smaller image: what the profile shows, and what follows from it",
		Long: `slim reads IMAGE, keeps what the profile saw and what follows from that (links,
libraries, interpreters, groups such as time zones), and writes the rest of the
image to DEST: as a user without privilege, with a package database that lists
exactly what is left. Same image, profile, options and pare: same digest.

The result, a reference by digest, is printed on stdout. Nothing is written
when the plan has findings that forbid building (exit 3): resolve them, or
allow one by its name with --allow.

Of an index, every platform that has a profile is slimmed, and the result is an
index again; --platform picks one, and its image is the result. DEST appears
whole or not at all.`,
		Example: `  pare slim registry.example/app:1.4 -p profile.json -o registry.example/app:1.4-slim
  pare slim oci:build:app -p profile.json -o docker-archive:app.tar:app:slim
  pare slim app:1.4 -p amd64.json -p arm64.json -o app:1.4-slim --granularity file
  pare slim app:1.4 -p profile.json -o oci:out --plan plan.json --keep '/etc/app/**'`,
		Args: exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.image = args[0]
			return runSlim(cmd.Context(), a, c)
		},
	}
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "`DEST`, a reference to write")
	cmd.Flags().StringVar(&c.plan, "plan", "", "also write the plan as JSON to `FILE`")
	c.slim.bind(cmd)
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
	src, err := a.open(ctx, c.image, &c.source, places)
	if err != nil {
		return err
	}
	defer src.Close()
	jobs, left, err := match(src, c.slim.profiles)
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
	built, err := w.buildAll(ctx, src, jobs, c.plan)
	if err != nil {
		return err
	}
	img, idx := built[0].image, v1.ImageIndex(nil)
	if asIndex && (len(jobs) > 1 || dest.Kind != reference.DockerArchive && dest.Kind != reference.DockerDaemon) {
		if idx, err = indexOver(src.source, built); err != nil {
			return err
		}
		img = nil
	}
	a.term.draw("writing " + dest.String())
	at, err := reference.Write(ctx, dest, img, idx, places)
	a.term.endProgress()
	if err != nil {
		return err
	}
	return a.tellSlim(c, at, img, idx, built, left)
}

// work is what slim, plan and why have in common: options, a cache, and
// scratch space that Close takes away.
type work struct {
	app     *app
	options slim.Options
	cache   *layers.Cache
	dir     string
	remove  func()
}

func newWork(a *app, sf *slimFlags, cf *cacheFlags) (*work, error) {
	w := &work{app: a}
	var err error
	if w.options, err = sf.resolve(a); err != nil {
		return nil, err
	}
	if w.cache, err = cf.open(a.term); err != nil {
		return nil, err
	}
	w.dir, w.remove, err = tempDir()
	return w, err
}

func (w *work) Close() { w.remove() }

// planned is a job whose plan is made. The tree is open.
type planned struct {
	job
	tree *layers.Tree
	plan *slim.Plan
}

func (p *planned) Close() { p.tree.Close() }

// planJob reads the image and decides everything.
func (w *work) planJob(ctx context.Context, src *opened, j job) (*planned, error) {
	config, err := j.image.ConfigFile()
	if err != nil {
		return nil, err
	}
	t, err := w.app.tree(ctx, src, j.candidate, layers.Options{
		Cache: w.cache, Scratch: w.dir, Want: slim.WantContent(config, j.profile, w.options),
	})
	if err != nil {
		return nil, err
	}
	w.app.term.draw("selecting files of " + j.platform())
	k, err := slim.Select(ctx, t, j.profile, w.options)
	var p *slim.Plan
	if err == nil {
		p, err = slim.NewPlan(ctx, t, j.profile, k, w.options)
	}
	w.app.term.endProgress()
	if err != nil {
		t.Close()
		return nil, err
	}
	return &planned{job: j, tree: t, plan: p}, nil
}

// built is a job whose image is made.
type built struct {
	job
	plan  *slim.Plan
	image v1.Image
}

func (w *work) buildAll(ctx context.Context, src *opened, jobs []job, planFile string) ([]built, error) {
	var out []built
	for i, j := range jobs {
		b, err := w.build(ctx, src, j, planFile, strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		out = append(out, *b)
	}
	return out, nil
}

func (w *work) build(ctx context.Context, src *opened, j job, planFile, name string) (*built, error) {
	p, err := w.planJob(ctx, src, j)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if planFile != "" {
		if err := w.app.writeResult(planFile, p.plan.Write); err != nil {
			return nil, err
		}
	}
	dir := filepath.Join(w.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	w.app.term.draw("building " + j.platform())
	img, err := slim.Build(ctx, p.tree, p.plan, dir)
	w.app.term.endProgress()
	if err != nil {
		return nil, err
	}
	return &built{job: j, plan: p.plan, image: img}, nil
}

// slimDocument is the JSON of pare slim.
type slimDocument struct {
	envelope
	Reference string      `json:"reference"`
	Digest    string      `json:"digest"` // of the manifest or index that was made
	MediaType string      `json:"mediaType"`
	Images    []slimImage `json:"images"`
	LeftOut   []leftOut   `json:"leftOut"`
}

type slimImage struct {
	Platform          string         `json:"platform"`
	Digest            string         `json:"digest"`
	SourceDigest      string         `json:"sourceDigest"`
	ProfileDigest     string         `json:"profileDigest"`
	OptionsDigest     string         `json:"optionsDigest"`
	SourceStoredBytes int64          `json:"sourceStoredBytes"` // of layers, as stored
	StoredBytes       int64          `json:"storedBytes"`
	User              slim.User      `json:"user"`
	Summary           slim.Summary   `json:"summary"`
	Findings          []slim.Finding `json:"findings"`
	Risks             []slim.Risk    `json:"risks"`
}

// tellSlim prints the result and, for people, what became of the image.
func (a *app) tellSlim(c slimCommand, at reference.Ref, img v1.Image, idx v1.ImageIndex, all []built, left []leftOut) error {
	doc := slimDocument{envelope: newEnvelope("slim"), Reference: at.String(), Images: []slimImage{}, LeftOut: orEmpty(left)}
	for i := range all {
		si, err := all[i].document()
		if err != nil {
			return err
		}
		doc.Images = append(doc.Images, si)
		a.term.note("%s", slimText(&all[i], si, len(all) > 1))
	}
	var err error
	if doc.Digest, doc.MediaType, err = topOf(img, idx); err != nil {
		return err
	}
	a.term.note("%s", slimNext(c, at))
	if c.json {
		return a.term.json(doc)
	}
	return a.term.result("%s", at)
}

func topOf(img v1.Image, idx v1.ImageIndex) (digest, mediaType string, err error) {
	var top interface {
		Digest() (v1.Hash, error)
	} = img
	mt, mterr := "", error(nil)
	if idx != nil {
		top = idx
		m, err := idx.MediaType()
		mt, mterr = string(m), err
	} else {
		m, err := img.MediaType()
		mt, mterr = string(m), err
	}
	h, err := top.Digest()
	if err == nil {
		err = mterr
	}
	return h.String(), mt, err
}

func (b *built) document() (slimImage, error) {
	si := slimImage{
		Platform: b.id.Platform, SourceDigest: b.plan.Source.Digest, ProfileDigest: b.plan.Profile.Digest,
		OptionsDigest: b.plan.OptionsDigest, User: b.plan.User, Summary: b.plan.Summary,
		Findings: orEmpty(b.plan.Findings), Risks: orEmpty(b.plan.Risks),
	}
	h, err := b.image.Digest()
	if err != nil {
		return si, err
	}
	si.Digest = h.String()
	if si.SourceStoredBytes, err = storedSize(b.candidate.image); err != nil {
		return si, err
	}
	si.StoredBytes, err = storedSize(b.image)
	return si, err
}

// tellLeftOut says which platforms get no slim image, and why.
func (a *app) tellLeftOut(left []leftOut) {
	for _, l := range left {
		platform := l.Platform
		if platform == "" || platform == "unknown/unknown" {
			platform = "a manifest"
		}
		a.term.note("left out: %s (%s): %s", platform, shortDigest(l.Digest), l.Reason)
	}
}

// shortDigest is enough of a digest to tell it from others.
func shortDigest(d string) string { return d[:min(len(d), len("sha256:")+12)] }
