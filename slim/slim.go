package slim

import (
	"context"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// Options is what a user can ask of a slim. It is recorded in the plan.
type Options struct {
	Granularity     string             `json:"granularity,omitempty"` // auto, file, package
	Layers          string             `json:"layers,omitempty"`      // preserve, squash
	User            string             `json:"user,omitempty"`        // "UID:GID"; "" decides by profile
	Keep            []string           `json:"keep,omitempty"`        // gitignore patterns
	Drop            []string           `json:"drop,omitempty"`
	Rules           []byte             `json:"rules,omitempty"`  // content of --rules
	Groups          []string           `json:"groups,omitempty"` // groups by name
	Compression     layers.Compression `json:"compression,omitempty"`
	Allow           []string           `json:"allow,omitempty"` // findings overridden by name
	SourceDateEpoch *int64             `json:"sourceDateEpoch,omitempty"`
}

// Reason is why a path is kept.
type Reason struct {
	Rule string `json:"rule"`
	// From is the path (or named thing: "config:Entrypoint") that led to it; "" for a root.
	From string `json:"from,omitempty"`
}

// KeepSet is the kept paths with their reasons. Add is the only way in.
type KeepSet struct{}

// WantContent returns the hint for layers.Options.Want that a slim with this profile and options needs.
func WantContent(cfg *v1.ConfigFile, p *profile.Profile, o Options) func(string, *layers.Header) bool {
	panic("contract")
}

// Check refuses (ErrProfileImage, exit 3) a profile of another image or platform.
func Check(p *profile.Profile, digest v1.Hash, platform *v1.Platform) error { panic("contract") }

// Select computes the closure of profile and options over the tree.
func Select(ctx context.Context, t *layers.Tree, p *profile.Profile, o Options) (*KeepSet, error) {
	panic("contract")
}

// Plan is every decision; Build obeys it. It is written as the JSON envelope kind "pare.plan".
type Plan struct {
	SchemaVersion int    `json:"schemaVersion"`
	Kind          string `json:"kind"` // pare.plan
	// source, profile, options, entries(kept: path, reasons, layer, header changes), dropped (path, package, size), user, ownership, packages, findings, risks, layers, summary
}

// NewPlan decides user, ownership, package database, generated files, layers, config.
func NewPlan(ctx context.Context, t *layers.Tree, p *profile.Profile, k *KeepSet, o Options) (*Plan, error) {
	panic("contract")
}

// ReadPlan reads a plan's JSON (for why).
func ReadPlan(r io.Reader) (*Plan, error) { panic("contract") }

// Why returns the chains of reasons that lead to path, or for a dropped path its package and size.
func (p *Plan) Why(path string) ([]string, error) { panic("contract") }

// Build makes the image the plan says. src is the image the tree was read from; blobs are files in dir.
func Build(ctx context.Context, t *layers.Tree, p *Plan, dir string) (v1.Image, error) {
	panic("contract")
}
