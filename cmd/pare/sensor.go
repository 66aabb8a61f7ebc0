package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim/record/sensor"
)

// newSensorCommand is what runs inside a container. Its exit code is the
// recorded program's, as pare itself were not there.
func newSensorCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:    "sensor FILE [-- ARG...]",
		Short:  "run a program in a container and record it: an init",
		Hidden: true,
		Args:   sensorArgs,
		Run: func(cmd *cobra.Command, args []string) {
			a.sensorExit(runSensor(cmd.Context(), args[0], args[1:], false))
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:    "exec FILE -- ARGV...",
		Short:  "record a command beside the program, as a session of its own",
		Hidden: true,
		Args:   sensorArgs,
		Run: func(cmd *cobra.Command, args []string) {
			a.sensorExit(runSensor(cmd.Context(), args[0], args[1:], true))
		},
	}, newRelayCommand(a))
	return cmd
}

// newSensorChildCommand is how the sensor executes itself again.
func newSensorChildCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:                sensor.ChildCommand,
		Hidden:             true,
		DisableFlagParsing: true,
		Run: func(_ *cobra.Command, args []string) {
			err := sensor.Child(args)
			a.sensorExit(childExitCode(err), err)
		},
	}
}

func sensorArgs(cmd *cobra.Command, args []string) error {
	if at := cmd.ArgsLenAtDash(); len(args) == 0 || at > 1 || at < 0 && len(args) > 1 {
		return usagef("%s wants a file, then -- and arguments", cmd.CommandPath())
	}
	return nil
}

// childExitCode is what shells and engines say of a program that cannot be
// executed.
func childExitCode(err error) int {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 127
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOEXEC):
		return 126
	}
	return exitFailed
}

// sensorExit ends pare with the program's exit code.
func (a *app) sensorExit(code int, err error) {
	if err != nil {
		a.term.fail(err)
	}
	os.Exit(code)
}

// maxSensorConfig bounds the file, which holds argv and an environment.
const maxSensorConfig = 4 << 20

func runSensor(ctx context.Context, file string, args []string, command bool) (int, error) {
	// pare's own handlers would end it at the second signal: here they are
	// the program's.
	signal.Reset()
	raw, err := readFile(file, maxSensorConfig)
	if err != nil {
		return exitFailed, fmt.Errorf("reading the sensor's configuration: %w", err)
	}
	var cfg sensor.Config
	if err := json.Unmarshal(raw, &cfg); err != nil {
		return exitFailed, fmt.Errorf("parsing the sensor's configuration %s: %w", printable(file), err)
	}
	if command {
		cfg.Argv = nil
	}
	return sensor.Supervise(context.WithoutCancel(ctx), cfg, args)
}
