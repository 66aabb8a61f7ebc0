package main

import "github.com/spf13/cobra"

func newProfileExportCommand(a *app) *cobra.Command {
	var output string
	format := formatPaths
	cmd := &cobra.Command{
		Use:   "export PROFILE [--format paths] [-o FILE]",
		Short: "write a profile in another form",
		Long: `export writes the paths that existed, one a line, for other tools; or, with
--format json, the profile in its canonical form: same profile, same bytes.`,
		Example: "  pare profile export profile.json | xargs ls -ld",
		Args:    exactly("PROFILE"),
		RunE:    func(_ *cobra.Command, args []string) error { return runProfileExport(a, args[0], format, output) },
	}
	bindOutput(cmd, &output)
	bindEnum(cmd, cmd.Flags(), &format, "format", "of the result", []string{formatPaths, formatJSON})
	return cmd
}

func runProfileExport(a *app, file, format, output string) error {
	p, err := readProfile(file)
	if err != nil {
		return err
	}
	if format == formatJSON {
		return a.writeResult(output, p.Write)
	}
	return a.writeResult(output, p.WritePaths)
}
