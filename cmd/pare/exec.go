package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim/record/inside"
)

func newExecCommand(a *app) *cobra.Command {
	logs := false
	cmd := &cobra.Command{
		Use:   "exec [--logs] -- COMMAND [ARG...]",
		Short: "run a command inside the image that is being recorded or verified",
		Long: `exec is for what record --run and verify start: a test suite that looks inside
its container, as it would with docker exec. COMMAND runs there as the image's
user and is recorded like the rest. stdin, stdout, stderr (the first MiB of
each) and the exit code are COMMAND's. --logs prints what the image itself has
written and goes on to write, until it ends or exec is interrupted.`,
		Example: `  pare record db:15 -o profile.json --run 'pare exec -- psql -c "select 1"'`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if logs == (len(args) > 0) {
				return usagef("pare exec wants a COMMAND, or --logs")
			}
			return runExec(cmd.Context(), a, args)
		},
	}
	cmd.Flags().BoolVar(&logs, "logs", false, "follow the image's stdout and stderr")
	return cmd
}

func runExec(ctx context.Context, a *app, argv []string) error {
	socket := a.env(inside.Variable)
	if socket == "" {
		return usagef("%s is not set: pare exec is for commands that pare record --run or pare verify starts", inside.Variable)
	}
	if len(argv) == 0 {
		return inside.Logs(ctx, socket, a.term.stdout)
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
