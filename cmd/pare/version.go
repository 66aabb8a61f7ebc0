package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker: -X main.version=…
var version string

// programVersion is recorded in every image: it is part of what decides its bytes.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

func newVersionCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "say which pare this is", Args: none,
		Example: "  pare version --json",
		RunE:    func(*cobra.Command, []string) error { return runVersion(a, asJSON) },
	}
	bindJSON(cmd, &asJSON)
	return cmd
}

func runVersion(a *app, asJSON bool) error {
	if asJSON {
		return a.term.json(struct {
			envelope
			Version  string `json:"version"`
			Go       string `json:"go"`
			Platform string `json:"platform"`
		}{newEnvelope("version"), programVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
	}
	return a.term.result("pare %s (%s, %s/%s)", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
