package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/rebase"
	"github.com/pare-image/pare/slim"
)

// rebaseCommand is what pare rebase was asked for.
type rebaseCommand struct {
	images []string
	list   string // --images
	output string
	onto   string
	from   string
	bases  string
	pin    bool
	plan   bool
	check  bool
	json   bool
	allow  []string
	rebase rebase.Options
	source sourceFlags
	cache  cacheFlags

	// Of images that pare slim made:
	profiles     []string
	made         string // --source
	sourceOutput string
	allowSlim    []string
	verify       bool
	run          verifyFlags
}

func newRebaseCommand(a *app) *cobra.Command {
	var c rebaseCommand
	cmd := &cobra.Command{
		Use:   "rebase IMAGE --onto REF@sha256:... -o DEST",
		Short: "move an image to a patched base, and say what arrives",
		Long: `rebase takes the layers of IMAGE that are its own, unchanged, and lays them on
another base. It reads what is in them: a package database, accounts, a loader's
cache that the image carries are merged with the new base's and written as one
more layer on top; the image's config is merged field by field; and what the
move would break is found before anything is written.

Where the old base ends is found by its layers (diffIDs): --from names it, or
the image's annotations, or a lock file (--bases) has it. It need not be in any
registry any more. --onto wants a digest; a tag is resolved with --pin, and what
it was is said and recorded.

For each package that the new base changed, the plan says whether the change is
delivered or shadowed, and by which layer and file. --require-fix PACKAGE makes
a shadowed one an error; --drop-shadow lets the base's copy win. Findings that
forbid the move (exit 3) can be allowed one by one, by name (docs/rebase.md).

The result, a reference by digest, is printed on stdout. An image that stands on
the new base already stays as it is, with the same digest. Of an index every
platform is moved, or none. Signatures, SBOMs and the like of the old image are
about the old digest: they are named, and stay behind.

An image that pare slim made on scratch has no base. What it was made of is moved
instead, and slimmed again with the same options and profile, which need not be
recorded anew: it is carried over, as by pare slim --reuse-profile. --verify runs
the result before it is written. The moved source itself is only written where
--source-output says.

With --bases FILE, the bases that were used are written into FILE. Without IMAGE,
that is all that is done.

With --images FILE, whose lines are "IMAGE DEST", many images are moved in one
go; those that fail do not stop the others. --check writes nothing: it asks where
the name of each image's base leads now, says what would change, and exits with
3 when an image is behind.`,
		Example: `  pare rebase app:1.4 --onto debian:12@sha256:... -o app:1.4-patched --plan
  pare rebase app:1.4 --onto debian:12 --pin -o app:1.4-patched --require-fix libssl3
  pare rebase app:1.4 --from debian:12@sha256:... --onto debian:12 --pin -o app:1.4-patched
  pare rebase app:1.4-slim -p profile.json --onto debian:12 --pin -o app:1.4.1-slim --verify
  pare rebase --bases pare.lock --onto debian:12 --pin
  pare rebase --images fleet.txt --bases pare.lock --onto debian:12 --pin
  pare rebase --check app:1.4 web:2.0`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.images = args
			return runRebase(cmd.Context(), a, &c)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&c.output, "output", "o", "", "`DEST`, a reference to write")
	f.StringVar(&c.onto, "onto", "", "the new base, `REF@sha256:...`")
	f.StringVar(&c.from, "from", "", "the old base, `REF` (default: by the image's annotations, or of --bases)")
	f.StringVar(&c.bases, "bases", "", "lock `FILE` of bases, read and written")
	f.BoolVar(&c.pin, "pin", false, "resolve a tag given to --onto")
	f.BoolVar(&c.plan, "plan", false, "print the plan, and write no image")
	f.BoolVar(&c.check, "check", false, "say which images are behind their base, and write no image")
	f.StringVar(&c.list, "images", "", "`FILE` of lines \"IMAGE DEST\" (with --check, \"IMAGE\")")
	f.StringArrayVar(&c.rebase.RequireFix, "require-fix", nil, "refuse unless the new base's `PACKAGE` (binary or source) arrives; repeatable")
	f.BoolVar(&c.rebase.DropShadow, "drop-shadow", false, "let the new base's copy of a package win over the image's, unless it is older")
	f.StringArrayVar(&c.rebase.Hold, "hold", nil, "keep the image's version of `PACKAGE`, which others of it need; repeatable")
	f.StringArrayVar(&c.allow, "allow", nil, "move in spite of the `FINDING` of this name; repeatable")
	f.StringArrayVarP(&c.profiles, "profile", "p", nil, "profile `FILE` that a slimmed image was made with; repeatable (default: those attached to its source)")
	f.StringVar(&c.made, "source", "", "the `IMAGE` that a slimmed one was made of (default: by its label, beside it)")
	f.StringVar(&c.sourceOutput, "source-output", "", "also write what a slimmed image was made of, moved, to `DEST`")
	f.BoolVar(&c.verify, "verify", false, "run a slimmed image as pare verify does, and write it only if it does the same as what it was made of")
	c.run.bind(cmd)
	c.source.bind(cmd)
	c.cache.bind(cmd)
	bindJSON(cmd, &c.json)
	return cmd
}

// sortAllowed gives each name of --allow to the move, or else to what a slimmed
// image is made anew with.
func (c *rebaseCommand) sortAllowed() error {
	for _, name := range c.allow {
		switch {
		case slices.Contains(rebase.FindingNames(), name):
			c.rebase.Allow = append(c.rebase.Allow, name)
		case slices.Contains(slim.FindingNames(), name):
			c.allowSlim = append(c.allowSlim, name)
		case name == rebase.FindingPlatform:
			return usagef("--allow %s: a base for another platform cannot be allowed", name)
		default:
			return usagef("--allow %s: there is no such finding; docs/rebase.md lists those of the move: %s", printable(name), strings.Join(rebase.FindingNames(), ", "))
		}
	}
	return nil
}

// refuse says what does not go together.
func (c *rebaseCommand) refuse() error {
	switch {
	case c.list != "" && len(c.images) > 0:
		return usagef("give images as arguments or in a file (--images), not both")
	case c.check && (c.output != "" || c.plan):
		return usagef("--check writes nothing; -o and --plan do not go with it")
	case c.check && c.list == "" && len(c.images) == 0:
		return usagef("--check wants at least one IMAGE")
	case c.check:
		return nil
	case c.sourceOutput != "" && (c.plan || c.list != ""):
		return usagef("--source-output is for the one image that -o is for")
	case c.sourceOutput != "" && c.sourceOutput == c.output:
		return usagef("--source-output and -o are one; the moved source is another image than the result")
	case c.onto == "":
		return usagef("--onto is missing: which base shall the image stand on?")
	case c.list != "" && (c.output != "" || c.plan):
		return usagef("--images names each image's destination; -o and --plan do not go with it")
	case len(c.images) > 1:
		return usagef("one IMAGE at a time, or a file of them with --images")
	case c.list != "" || c.plan:
		return nil
	case len(c.images) == 0 && c.bases == "":
		return usagef("rebase wants IMAGE, or --bases FILE to write the base into")
	case len(c.images) == 1 && c.output == "":
		return &usageError{errNoOutput}
	}
	return nil
}

func runRebase(ctx context.Context, a *app, c *rebaseCommand) error {
	if err := errors.Join(c.refuse(), c.sortAllowed()); err != nil {
		return err
	}
	r, err := newRebaser(a, c)
	if err != nil {
		return err
	}
	defer r.close()
	if c.check {
		return r.checkAll(ctx)
	}
	if r.onto, err = r.openOnto(ctx); err != nil {
		return err
	}
	switch {
	case c.list != "":
		return r.moveAll(ctx)
	case len(c.images) == 0:
		return r.saveLock()
	}
	return r.moveOne(ctx)
}

// moveOne plans and moves the one image.
func (r *rebaser) moveOne(ctx context.Context) error {
	c := r.command
	dest, err := r.destinations(ctx)
	if err != nil {
		return err
	}
	m, err := r.planImage(ctx, c.images[0])
	if err != nil {
		return err
	}
	defer m.close()
	if err := m.refuseUseless(c); err != nil {
		return err
	}
	if c.plan {
		return r.tellPlan(m)
	}
	if err := r.write(ctx, m, dest); err != nil {
		if errors.Is(err, rebase.ErrFindings) {
			r.app.term.note("%s", m.text(besidesError(m.plans)))
		}
		return err
	}
	if err := r.saveLock(); err != nil {
		return err
	}
	return r.tell(m)
}

// destinations checks where something is to be written; the result is where
// the image is.
func (r *rebaser) destinations(ctx context.Context) (dest reference.Ref, err error) {
	for _, text := range []string{r.command.sourceOutput, r.command.output} {
		if text == "" || r.command.plan {
			continue
		}
		if dest, err = reference.Parse(text); err != nil {
			return dest, err
		}
		if err := reference.CheckDestination(ctx, dest, false, r.places); err != nil {
			return dest, fmt.Errorf("writing %s: %w", dest, err)
		}
	}
	return dest, nil
}

// tellPlan prints the plan.
func (r *rebaser) tellPlan(m *moved) error {
	switch {
	case r.command.json && len(m.plans) > 1:
		return usagef("JSON is the plan of one platform, and there are %d; choose one with --platform", len(m.plans))
	case r.command.json:
		if err := m.plans[0].Write(r.app.term.stdout); err != nil {
			return err
		}
	default:
		if err := r.app.term.result("%s", rebasePlanText(m.plans)+m.slimPlans()); err != nil {
			return err
		}
	}
	for i, p := range m.plans {
		if p.Err() != nil {
			return rebase.ErrFindings // which ones, the plan has said
		}
		if s := m.slimmed[i]; s != nil && s.planned != nil && s.planned.plan.Err() != nil {
			return s.planned.plan.Err()
		}
	}
	return nil
}
