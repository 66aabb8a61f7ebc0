package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/layers"
)

type exportCommand struct {
	image  string
	output string
	source sourceFlags
}

func newExportCommand(a *app) *cobra.Command {
	var c exportCommand
	cmd := &cobra.Command{
		Use:   "export IMAGE -o FILE|-",
		Short: "write the merged view of an image as one tar",
		Long: `export writes what a container of IMAGE would see as one tar: entries sorted,
hard links, owners, modes and extended attributes as they are, every digest
verified. Same image, same bytes.`,
		Example: `  pare export app:1.4 -o rootfs.tar
  pare export oci:build:app -o - | tar -tv`,
		Args: exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.image = args[0]
			return runExport(cmd.Context(), a, c)
		},
	}
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "`FILE` to write; - is stdout")
	c.source.bind(cmd)
	return cmd
}

func runExport(ctx context.Context, a *app, c exportCommand) error {
	if c.output == "" {
		return &usageError{errNoOutput}
	}
	if c.output == "-" {
		if _, err := a.term.binaryStdout(); err != nil {
			return err
		}
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
	// Everything is wanted, so that each layer is read once. It is not worth
	// a place in the cache.
	t, err := a.tree(ctx, src, one, layers.Options{Want: func(string, *layers.Header) bool { return true }})
	if err != nil {
		return err
	}
	defer t.Close()
	a.term.draw("writing " + c.output)
	err = a.writeResult(c.output, func(w io.Writer) error {
		buf := bufio.NewWriterSize(w, 256<<10)
		if err := layers.WriteTar(ctx, buf, t.Outputs(nil)); err != nil {
			return err
		}
		return buf.Flush()
	})
	if err != nil {
		return fmt.Errorf("exporting %s: %w", src.ref, err)
	}
	return nil
}
