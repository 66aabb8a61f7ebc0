package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// app is one run of pare: where it speaks, and what surrounds it.
type app struct {
	term *terminal
	env  func(string) string
	// signals is nil in a process that watches none.
	signals *signals
}

func newApp() *app { return &app{term: newTerminal(), env: os.Getenv} }

func newRootCommand(a *app) *cobra.Command {
	progress := progressAuto
	cmd := &cobra.Command{
		Use:   "pare",
		Short: "make container images smaller, by what a recorded workload needs",
		Long: `pare takes an existing container image and a profile of what its program was
seen to need, and writes an image of just those files and what follows from
them, with a non-root user. It needs no daemon and no privilege. Only record,
verify, and slim with --record, --verify or --repair run what is in an image.

References, as source and as destination:
  [docker://]HOST/REPO:TAG    a registry
  oci:DIR[:TAG]               an OCI layout
  oci-archive:FILE[:TAG]      an OCI layout in a tar
  docker-archive:FILE[:REF]   what docker save writes and docker load reads
  docker-daemon:REF           an image of the Docker Engine (DOCKER_HOST)
With @sha256:... behind it, an image is named by its manifest's digest.

Credentials come from ~/.docker/config.json, helpers included; proxies from
HTTPS_PROXY, HTTP_PROXY and NO_PROXY; SOURCE_DATE_EPOCH sets the time that new
images say they were made, which otherwise is the source's.

stdout is the result and nothing else.
` + exitHelp,
		Example: `  pare record app:1.4 -o profile.json --http /
  pare slim app:1.4 -p profile.json -o app:1.4-slim
  pare why app:1.4 -p profile.json /usr/bin/env`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommandOnly,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			a.term.setProgress(progress)
			return nil
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	cmd.SetOut(a.term.stdout)
	cmd.SetErr(a.term.stderr)
	bindEnum(cmd, cmd.PersistentFlags(), &progress, "progress", "how much is said on stderr",
		[]string{progressAuto, progressPlain, progressQuiet})
	cmd.CompletionOptions.HiddenDefaultCmd = false
	cmd.AddCommand(
		newRecordCommand(a), newVerifyCommand(a), newExecCommand(a), newSlimCommand(a), newPlanCommand(a), newWhyCommand(a), newRebaseCommand(a), newInstrumentCommand(a), newInspectCommand(a), newExportCommand(a),
		newProfileCommand(a), newCacheCommand(a), newDoctorCommand(a), newVersionCommand(a))
	cmd.AddCommand(newSensorCommand(a), newSensorChildCommand(a))
	return cmd
}

// subcommandOnly refuses words that are no subcommand, with the nearest ones.
func subcommandOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := ""
	cmd.SuggestionsMinimumDistance = 2
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		near = "; meant " + strings.Join(s, " or ") + "?"
	}
	return usagef("unknown command %q of %s%s", args[0], cmd.CommandPath(), near)
}

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: subcommandOnly, RunE: func(cmd *cobra.Command, _ []string) error {
		var names []string
		for _, c := range subs {
			names = append(names, c.Name())
		}
		return usagef("%s wants one of: %s", cmd.CommandPath(), strings.Join(names, ", "))
	}}
	cmd.AddCommand(subs...)
	return cmd
}

// exactly wants so many arguments, which it names.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usagef("%s wants %s, got %d arguments", cmd.CommandPath(), strings.Join(names, " "), len(args))
		}
		return nil
	}
}

// some wants at least one argument.
func some(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s wants at least one %s", cmd.CommandPath(), name)
		}
		return nil
	}
}

func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s wants no arguments, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// enum is a flag of few values.
type enum struct {
	value *string
	known []string
}

func (e *enum) String() string {
	if e.value == nil {
		return ""
	}
	return *e.value
}

func (e *enum) Set(s string) error {
	if !slices.Contains(e.known, s) {
		return fmt.Errorf("known are %s", strings.Join(e.known, ", "))
	}
	*e.value = s
	return nil
}

func (e *enum) Type() string { return "string" }

var errNoOutput = errors.New("-o is missing: where shall the result go?")
