package main

import "github.com/spf13/cobra"

func newProfileCommand(a *app) *cobra.Command {
	return group("profile", "import, merge, show and export recordings",
		newProfileImportCommand(a), newProfileMergeCommand(a), newProfileShowCommand(a), newProfileExportCommand(a))
}
