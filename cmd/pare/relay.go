package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim/record/docker"
)

// newRelayCommand is for pare itself: what it runs in containers of a Docker
// Engine, to reach their network.
func newRelayCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "relay VERB",
		Short:  "hand through between a container's network and the pare outside",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return docker.Relay(cmd.Context(), args, os.Stdin, a.term.stdout)
		},
	}
}
