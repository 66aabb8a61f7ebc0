package main

import (
	"context"
	"strings"

	"github.com/pare-image/pare/slim/record/sensor"
)

// lookRecording says what this kernel lets the sensor do.
func lookRecording(context.Context, *app, doctorCommand) diagnosis {
	d := diagnosis{Name: "recording"}
	s := sensor.Check()
	if !s.OK() {
		d.Text = s.Why
		return d
	}
	d.Ok, d.Text = true, "seccomp user notification, Linux "+s.Kernel
	var slower []string
	if !s.WaitKillable {
		slower = append(slower, "without WAIT_KILLABLE_RECV (Linux 5.19) programs with many signals, such as Go's, restart calls")
	}
	if !s.SyncWakeUp {
		slower = append(slower, "without SYNC_WAKE_UP (Linux 6.6) each call of a recorded program waits longer")
	}
	if slower != nil {
		d.Text += "; " + strings.Join(slower, "; ")
	}
	return d
}

// lookBuiltin says whether images can be run without a daemon.
func lookBuiltin(ctx context.Context, a *app, _ doctorCommand) diagnosis {
	d := diagnosis{Name: "engine builtin"}
	f := engineFlags{name: engineBuiltin}
	e, err := f.choose(ctx, a)
	if err != nil {
		d.Text = strings.TrimSpace(strings.ReplaceAll(err.Error(), "\n", " "))
		return d
	}
	d.Ok, d.Text = true, "runs images for record and verify, without a daemon"
	if err := closeEngine(e); err != nil {
		d.Ok, d.Text = false, err.Error()
	}
	return d
}
