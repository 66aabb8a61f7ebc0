package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim/record/inside"
)

func newExecCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "exec -- COMMAND [ARG...]",
		Short: "run a command inside the image that is being recorded or verified",
		Long: `exec is for what record --run and verify start: a test suite that looks inside
its container, as it would with docker exec. COMMAND runs there as the image's
user and is recorded like the rest. stdin, stdout, stderr (the first MiB of
each) and the exit code are COMMAND's.`,
		Example: `  pare record db:15 -o profile.json --run 'pare exec -- psql -c "select 1"'`,
		Args:    some("COMMAND"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExec(cmd.Context(), a, args)
		},
	}
}

func runExec(ctx context.Context, a *app, argv []string) error {
	socket := a.env(inside.Variable)
	if socket == "" {
		return usagef("%s is not set: pare exec is for commands that pare record --run or pare verify starts", inside.Variable)
	}
	res, err := inside.Run(ctx, socket, argv, os.Stdin)
	if err != nil {
		return err
	}
	if _, err := a.term.stdout.Write(res.Stdout); err != nil {
		return err
	}
	if _, err := a.term.stderr.Write(res.Stderr); err != nil {
		return err
	}
	if res.ExitCode != 0 {
		return &insideError{res.ExitCode}
	}
	return nil
}

// insideError hands on the exit code of a command inside, which has said
// itself what was wrong.
type insideError struct{ code int }

func (e *insideError) Error() string { return "" }
