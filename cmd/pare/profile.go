package main

import "github.com/spf13/cobra"

func newProfileCommand(a *app) *cobra.Command {
	return group("profile", "import, merge, show, export, derive, attach and fetch recordings",
		newProfileImportCommand(a), newProfileMergeCommand(a), newProfileShowCommand(a), newProfileExportCommand(a),
		newProfileDeriveCommand(a), newProfilePushCommand(a), newProfilePullCommand(a))
}
