package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/carry"
	"github.com/pare-image/pare/slim/profile"
)

type profileDeriveCommand struct {
	profile string
	image   string
	output  string
	recordedOnFlag
	source sourceFlags
	cache  cacheFlags
}

func newProfileDeriveCommand(a *app) *cobra.Command {
	var c profileDeriveCommand
	cmd := &cobra.Command{
		Use:   "derive PROFILE IMAGE [--platform OS/ARCH] [-o FILE]",
		Short: "make a profile of one image from that of another, or of another platform",
		Long: `derive carries a profile over to IMAGE: the same application for another
platform, or a later build of it. Paths that say the architecture (multiarch
directories, loaders, extension modules, prebuilt modules of Node) and versions
(libraries, version directories) are found under their new names by IMAGE's
package database and ELF files; nothing is run.

What was mapped, and what was not found, is in the profile, said on stderr, and
later in the plan: slim refuses what the workload used and IMAGE has nothing
like (finding profile-drift). The profile is marked as derived until pare verify
--save-profile has seen the slim image do what was recorded.`,
		Example: `  pare profile derive amd64.json app:1.4 --platform linux/arm64 -o arm64.json
  pare profile derive old.json app:1.5 -o profile.json
  pare profile derive old.json app:1.5 --recorded-on app:1.4 -o profile.json`,
		Args: exactly("PROFILE", "IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.profile, c.image = args[0], args[1]
			return runProfileDerive(cmd.Context(), a, c)
		},
	}
	bindOutput(cmd, &c.output)
	c.recordedOnFlag.bind(cmd)
	c.source.bind(cmd)
	c.cache.bind(cmd)
	return cmd
}

func runProfileDerive(ctx context.Context, a *app, c profileDeriveCommand) error {
	p, err := readProfile(c.profile)
	if err != nil {
		return err
	}
	if len(p.Accesses) == 0 {
		return fmt.Errorf("%s: %w: it has no accesses", printable(c.profile), slim.ErrEmptyProfile)
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
	cache, err := c.cache.open(a.term)
	if err != nil {
		return err
	}
	if p, err = c.complete(ctx, a, c.source, cache, p); err != nil {
		return err
	}
	if p.Image.Platform == "" && c.source.platform != "" {
		return fmt.Errorf("%s: %w; say so with --recorded-on IMAGE", printable(c.profile), carry.ErrUnknownPlatform)
	}
	dir, remove, err := tempDir()
	if err != nil {
		return err
	}
	defer remove()
	t, err := a.tree(ctx, src, one, layers.Options{
		Cache: cache, Scratch: dir, Want: func(p string, _ *layers.Header) bool { return pkgdb.IsDatabase(p) },
	})
	if err != nil {
		return err
	}
	defer t.Close()
	if p, err = a.carry(ctx, t, one.id, p); err != nil {
		return err
	}
	a.tellDerived(p)
	return a.writeResult(c.output, p.Write)
}

// tellDerived says what became of the paths, and names the first that are gone.
func (a *app) tellDerived(p *profile.Profile) {
	if len(p.Derived) == 0 {
		a.term.note("the profile is of this image already")
	}
	for _, d := range p.Derived {
		a.term.note("%s", derivationText(d))
		for _, g := range d.Gone[:min(len(d.Gone), 2*shown)] {
			a.term.warn("%s: %s", oneLine(g.Path), oneLine(g.Text))
		}
		if n := len(d.Gone) - 2*shown; n > 0 {
			a.term.warn("%d more are gone", n)
		}
	}
}
