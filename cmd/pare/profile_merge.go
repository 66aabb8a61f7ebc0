package main

import (
	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim/profile"
)

func newProfileMergeCommand(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "merge PROFILE... [-o FILE]",
		Short: "make one profile of several of one image",
		Long: `merge writes the union of profiles: everything that any of them saw. The order
does not matter, and a recording that is in several counts once. Profiles of
different images are refused.`,
		Example: "  pare profile merge monday.json tuesday.json -o profile.json",
		Args:    some("PROFILE"),
		RunE:    func(_ *cobra.Command, args []string) error { return runProfileMerge(a, args, output) },
	}
	bindOutput(cmd, &output)
	return cmd
}

func runProfileMerge(a *app, files []string, output string) error {
	var all []*profile.Profile
	for _, name := range files {
		p, err := readProfile(name)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	p, err := profile.Union(all...)
	if err != nil {
		return err
	}
	a.term.note("%s, %s, %s", count(len(files), "profile"), count(len(p.Sessions), "recording"), count(len(p.Accesses), "path"))
	return a.writeResult(output, p.Write)
}
