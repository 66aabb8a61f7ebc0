package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim"
)

type whyCommand struct {
	subject string
	paths   []string
	json    bool
	slim    slimFlags
	source  sourceFlags
	cache   cacheFlags
}

func newWhyCommand(a *app) *cobra.Command {
	var c whyCommand
	cmd := &cobra.Command{
		Use:   "why IMAGE|PLAN PATH...",
		Short: "say why a path is kept or dropped",
		Long: `why prints the chain of reasons that leads from a path to what began it: the
profile, the image's config, or an option. Of a dropped path it says to which
package it belongs and what took it out.

It reads a plan that slim --plan or plan -o wrote, or plans anew from IMAGE with
the same -p and options.`,
		Example: `  pare why plan.json /usr/lib/x86_64-linux-gnu/libssl.so.3
  pare why app:1.4 -p profile.json /bin/sh /usr/bin/perl`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("%s wants an image or a plan, and a path", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.subject, c.paths = args[0], args[1:]
			return runWhy(cmd.Context(), a, c)
		},
	}
	c.slim.bind(cmd)
	c.source.bind(cmd)
	c.cache.bind(cmd)
	bindJSON(cmd, &c.json)
	return cmd
}

func runWhy(ctx context.Context, a *app, c whyCommand) error {
	p, err := c.plan(ctx, a)
	if err != nil {
		return err
	}
	all := []slim.Explanation{}
	var unknown []error
	for _, path := range c.paths {
		x, err := p.Why(path)
		if err != nil {
			unknown = append(unknown, err)
			continue
		}
		all = append(all, x)
	}
	if err := a.tellWhy(c.json, all); err != nil {
		return err
	}
	return errors.Join(unknown...)
}

func (a *app) tellWhy(asJSON bool, all []slim.Explanation) error {
	if asJSON {
		return a.term.json(struct {
			envelope
			Paths []slim.Explanation `json:"paths"`
		}{newEnvelope("why"), all})
	}
	for _, x := range all {
		if err := a.term.result("%s", whyText(x)); err != nil {
			return err
		}
	}
	return nil
}

// plan is read when the subject is a file of JSON, else made.
func (c *whyCommand) plan(ctx context.Context, a *app) (*slim.Plan, error) {
	if raw, ok := planFile(c.subject); ok {
		defer raw.Close()
		if len(c.slim.profiles) > 0 {
			return nil, usagef("%s is a plan, which has its profile already; leave -p out", printable(c.subject))
		}
		p, err := slim.ReadPlan(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(c.subject), err)
		}
		return p, nil
	}
	plans, _, err := a.plans(ctx, c.subject, &c.slim, &c.source, &c.cache)
	if err != nil {
		return nil, err
	}
	if len(plans) > 1 {
		return nil, usagef("%d platforms have a profile; choose one with --platform", len(plans))
	}
	return plans[0], nil
}

// planFile opens what looks like a plan: no reference is a file that begins
// with a brace.
func planFile(name string) (io.ReadCloser, bool) {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, false
	}
	head := make([]byte, 64)
	n, _ := f.ReadAt(head, 0)
	if !bytes.HasPrefix(bytes.TrimSpace(head[:n]), []byte("{")) {
		f.Close()
		return nil, false
	}
	return f, true
}

func whyText(x slim.Explanation) string {
	var about []string
	if x.Package != "" {
		about = append(about, "package "+printable(x.Package))
	}
	if len(x.Layers) > 0 {
		about = append(about, "output layer "+strings.Trim(fmt.Sprint(x.Layers), "[]"))
	}
	about = append(about, size(x.Size))
	if !x.Kept {
		return fmt.Sprintf("%s: dropped: %s (%s)", oneLine(x.Path), oneLine(x.Dropped), strings.Join(about, ", "))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: kept (%s)", oneLine(x.Path), strings.Join(about, ", "))
	for i, s := range x.Chain {
		fmt.Fprintf(&b, "\n  %s%s", strings.Repeat("  ", i), reasonText(s.Reason))
	}
	for _, r := range x.Others {
		fmt.Fprintf(&b, "\n  also %s", reasonText(r))
	}
	if x.Owner != nil {
		fmt.Fprintf(&b, "\n  owner %d:%d becomes %d:%d: %s", x.Owner.OldUID, x.Owner.OldGID, x.Owner.UID, x.Owner.GID, reasonText(x.Owner.Reason))
	}
	return b.String()
}

// reasonText is "elf, from /usr/sbin/nginx (needed)".
func reasonText(r slim.Reason) string {
	text := oneLine(r.Rule)
	switch {
	case r.From != "":
		text += ", from " + printable(r.From)
	case r.Rule == "access":
		text += ", seen by the profile"
	}
	if r.Note != "" {
		text += " (" + oneLine(r.Note) + ")"
	}
	return text
}
