package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

type profilePullCommand struct {
	image  string
	output string
	source sourceFlags
}

func newProfilePullCommand(a *app) *cobra.Command {
	var c profilePullCommand
	cmd := &cobra.Command{
		Use:   "pull IMAGE [-o FILE]",
		Short: "fetch the profiles that are attached to an image",
		Long: `pull fetches every profile that is attached to IMAGE and writes their union.
Each is verified and must be of the image. Of an index, the platform whose
profiles are wanted is chosen with --platform, unless only one has any.`,
		Example: `  pare profile pull registry.example/app:1.4 -o profile.json
  pare profile pull oci:build:app | pare profile show -`,
		Args: exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.image = args[0]
			return runProfilePull(cmd.Context(), a, c)
		},
	}
	bindOutput(cmd, &c.output)
	c.source.bind(cmd)
	return cmd
}

func runProfilePull(ctx context.Context, a *app, c profilePullCommand) error {
	places, err := a.places(&c.source)
	if err != nil {
		return err
	}
	src, err := a.open(ctx, c.image, &c.source, places)
	if err != nil {
		return err
	}
	defer src.Close()
	if !src.ref.HoldsReferrers() {
		return usagef("%s holds no attached profiles; pull from a registry or an OCI layout", src.ref.Kind)
	}
	jobs, _, err := a.matchAttached(ctx, src, places)
	if err != nil {
		return err
	}
	if len(jobs) > 1 {
		var have []string
		for _, j := range jobs {
			have = append(have, j.platform())
		}
		return usagef("%s has profiles for %s; choose one with --platform", src.ref, strings.Join(have, ", "))
	}
	a.term.note("%s, %s", count(len(jobs[0].profile.Sessions), "recording"), count(len(jobs[0].profile.Accesses), "path"))
	if err := a.writeResult(c.output, jobs[0].profile.Write); err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	return nil
}
