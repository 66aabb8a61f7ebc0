package main

import "github.com/spf13/cobra"

func newProfileCommand(a *app) *cobra.Command {
	return group("profile", "import, merge, show, export, attach and fetch recordings",
		newProfileImportCommand(a), newProfileMergeCommand(a), newProfileShowCommand(a), newProfileExportCommand(a),
		newProfilePushCommand(a), newProfilePullCommand(a))
}
