package main

import (
	"os"

	"github.com/pare-image/pare/slim/record/builtin"
)

// The builtin engine starts this program anew for its own processes. They are
// none of pare's commands, and begin before anything else does.
func init() {
	if code, ours := builtin.Reexec(os.Args); ours {
		os.Exit(code)
	}
}
