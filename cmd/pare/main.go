// Command pare makes an existing container image smaller, to the files that
// a recorded workload is known to need.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/pare-image/pare/slim/record/builtin"
)

func main() {
	// Processes of the builtin engine are this program too.
	if code, ours := builtin.Reexec(os.Args); ours {
		os.Exit(code)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // an index of a large image is mostly live
	}
	ctx, signals := watchSignals(context.Background())
	a := newApp()
	a.signals = signals
	err := newRootCommand(a).ExecuteContext(ctx)
	a.term.endProgress()
	os.Exit(a.exit(err, signals))
}
