package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim"
	"github.com/pare-image/pare/slim/profile"
)

// What a profile can be written as.
const (
	exportPaths     = "paths"
	exportJSON      = "json"
	exportCtrRemote = "ctr-remote"
	exportSOCI      = "soci"
)

type profileExportCommand struct {
	profile string
	output  string
	format  string
	image   string
	source  sourceFlags
	cache   cacheFlags
}

func newProfileExportCommand(a *app) *cobra.Command {
	c := profileExportCommand{format: exportPaths}
	cmd := &cobra.Command{
		Use:   "export PROFILE [--format paths] [-o FILE]",
		Short: "write a profile in another form",
		Long: `export writes the paths that existed, one a line, for other tools; or, with
--format json, the profile in its canonical form: same profile, same bytes.

For images whose files are fetched when they are first read, it writes the files
that were opened or executed, in order of first access: ctr-remote is a record
as ctr-remote convert and nerdctl image convert take it (--estargz-record-in),
soci a list for soci create and soci convert (--prefetch-files-json). With
--image, each path is followed to the file that a layer of that image holds, and
what is no file there is left out.`,
		Example: `  pare profile export profile.json | xargs ls -ld
  pare profile export --format ctr-remote --image app:1.4 -o record.json profile.json`,
		Args: exactly("PROFILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.profile = args[0]
			return runProfileExport(cmd.Context(), a, c)
		},
	}
	bindOutput(cmd, &c.output)
	bindEnum(cmd, cmd.Flags(), &c.format, "format", "of the result", []string{exportPaths, exportJSON, exportCtrRemote, exportSOCI})
	cmd.Flags().StringVar(&c.image, "image", "", "`IMAGE` in which to follow the paths (for ctr-remote and soci)")
	c.source.bind(cmd)
	c.cache.bind(cmd)
	return cmd
}

func runProfileExport(ctx context.Context, a *app, c profileExportCommand) error {
	p, err := readProfile(c.profile)
	if err != nil {
		return err
	}
	if c.format == exportCtrRemote || c.format == exportSOCI {
		return a.exportPrefetch(ctx, c, p)
	}
	if c.image != "" {
		return usagef("--image is for the formats %s and %s", exportCtrRemote, exportSOCI)
	}
	if c.format == exportJSON {
		return a.writeResult(c.output, p.Write)
	}
	return a.writeResult(c.output, p.WritePaths)
}

// exportPrefetch writes which files to fetch first.
func (a *app) exportPrefetch(ctx context.Context, c profileExportCommand, p *profile.Profile) error {
	files, manifest := p.Prefetch(), p.Image.Digest
	if c.image != "" {
		var err error
		if files, manifest, err = a.inLayers(ctx, c, p, files); err != nil {
			return err
		}
	}
	left := 0
	err := a.writeResult(c.output, func(w io.Writer) (err error) {
		if c.format == exportSOCI {
			left, err = profile.WriteSOCI(w, files)
		} else {
			left, err = profile.WriteCtrRemote(w, manifest, files)
		}
		return err
	})
	if err == nil && left > 0 {
		a.term.warn("%s left out: this format cannot hold the name", count(left, "file"))
	}
	return err
}

// inLayers follows files to those that the image's layers hold, each once, in
// the same order, and returns the image's manifest digest with them.
func (a *app) inLayers(ctx context.Context, c profileExportCommand, p *profile.Profile, files []profile.Prefetched) ([]profile.Prefetched, string, error) {
	places, err := a.places(&c.source)
	if err != nil {
		return nil, "", err
	}
	src, err := a.open(ctx, c.image, &c.source, places)
	if err != nil {
		return nil, "", err
	}
	defer src.Close()
	one, err := src.only()
	if err != nil {
		return nil, "", err
	}
	if err := slim.Check(p, one.id); err != nil {
		return nil, "", err
	}
	cache, err := c.cache.open(a.term)
	if err != nil {
		return nil, "", err
	}
	tree, err := a.tree(ctx, src, one, layers.Options{Cache: cache, Want: func(string, *layers.Header) bool { return false }})
	if err != nil {
		return nil, "", err
	}
	defer tree.Close()
	return held(tree, files), one.id.Digest.String(), nil
}

func held(tree *layers.Tree, files []profile.Prefetched) []profile.Prefetched {
	seen := map[string]bool{}
	var out []profile.Prefetched
	for _, f := range files {
		res, err := tree.Resolve(f.Path)
		if err != nil || res.Entry.Type != layers.Regular || seen[res.Entry.Path] {
			continue
		}
		seen[res.Entry.Path] = true
		out = append(out, profile.Prefetched{Path: res.Entry.Path, Layer: res.Entry.Layer})
	}
	return out
}
