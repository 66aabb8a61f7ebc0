package main

import "github.com/spf13/cobra"

// envelope begins every JSON document that pare prints.
type envelope struct {
	SchemaVersion int    `json:"schemaVersion"`
	Kind          string `json:"kind"` // "pare.slim"
}

func newEnvelope(kind string) envelope { return envelope{SchemaVersion: 1, Kind: "pare." + kind} }

func bindJSON(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print the result as JSON")
}
