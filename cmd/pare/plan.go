package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/slim"
)

type planCommand struct {
	image  string
	output string
	json   bool
	slim   slimFlags
	source sourceFlags
	cache  cacheFlags
}

func newPlanCommand(a *app) *cobra.Command {
	var c planCommand
	cmd := &cobra.Command{
		Use:   "plan IMAGE -p PROFILE",
		Short: "say what slim would do, without building",
		Long: `plan decides everything that slim would decide, and builds nothing: which paths
stay and why, which go, the user, changes of owner, layers, packages, findings
and risks. Text by default; --json, or -o FILE, is the whole plan, which why
reads. Exit 3 when it has findings that forbid building.`,
		Example: `  pare plan app:1.4 -p profile.json
  pare plan app:1.4 -p profile.json -o plan.json && pare why plan.json /bin/sh
  pare plan app:1.4 -p profile.json --reach keep
  pare plan app:1.4 -p profile.json --json | jq '.dropped[] | select(.size > 1000000) | .path'`,
		Args: exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.image = args[0]
			return runPlan(cmd.Context(), a, c)
		},
	}
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "write the plan as JSON to `FILE`")
	c.slim.bind(cmd)
	c.source.bind(cmd)
	c.cache.bind(cmd)
	bindJSON(cmd, &c.json)
	return cmd
}

func runPlan(ctx context.Context, a *app, c planCommand) error {
	if err := refusePlanOver(c.output, &c.slim, &c.source, c.image, ""); err != nil {
		return err
	}
	plans, left, err := a.plans(ctx, c.image, &c.slim, &c.source, &c.cache)
	if err != nil {
		return err
	}
	if len(plans) > 1 && (c.json || c.output != "") {
		return usagef("JSON is the plan of one platform, and %d have a profile; choose one with --platform", len(plans))
	}
	a.tellLeftOut(left)
	if err := a.tellPlans(c, plans); err != nil {
		return err
	}
	for _, p := range plans {
		if p.Err() != nil {
			return slim.ErrFindings // which ones, the plan has said
		}
	}
	return nil
}

func (a *app) tellPlans(c planCommand, plans []*slim.Plan) error {
	if c.output != "" {
		if err := a.writeResult(c.output, plans[0].Write); err != nil {
			return err
		}
	}
	if c.json {
		return plans[0].Write(a.term.stdout)
	}
	if c.output != "" {
		return nil
	}
	for _, p := range plans {
		if err := a.term.result("%s", planText(p)); err != nil {
			return err
		}
	}
	return nil
}

// plans makes the plan of every image that has a profile.
func (a *app) plans(ctx context.Context, image string, sf *slimFlags, srcf *sourceFlags, cf *cacheFlags) ([]*slim.Plan, []leftOut, error) {
	places, err := a.places(srcf)
	if err != nil {
		return nil, nil, err
	}
	w, err := newWork(a, sf, cf)
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	if err := w.openBase(ctx, &sf.base, places); err != nil {
		return nil, nil, err
	}
	src, err := a.open(ctx, image, srcf, places)
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	jobs, left, err := a.match(ctx, src, given{sf.profiles, sf.reuse, *srcf, *cf}, places)
	if err != nil {
		return nil, nil, err
	}
	var out []*slim.Plan
	for _, j := range jobs {
		p, err := w.planJob(ctx, src, j)
		if err != nil {
			return nil, nil, err
		}
		p.Close()
		out = append(out, p.plan)
	}
	return out, left, nil
}

// planText is the plan for people.
func planText(p *slim.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan for %s (%s)\n", oneLine(p.Source.Digest), oneLine(p.Source.Platform))
	b.WriteString(summary(p, []string{"", "source", "slim", ""}))
	b.WriteString("\n\nlayers\n")
	rows := [][]string{{"", "of source layer", "entries", "content", ""}}
	for i, l := range p.Layers {
		of := fmt.Sprint(l.Source)
		switch {
		case l.Base:
			of = "(the base's)"
		case l.Source < 0:
			of = "(pare's own)"
		}
		rows = append(rows, []string{fmt.Sprint(i), of, fmt.Sprint(l.Entries), size(l.Bytes), printable(cut(l.CreatedBy, 60))})
	}
	b.WriteString(columns(rows))
	b.WriteString("\n\nkept, by the first reason of each\n")
	rows = [][]string{{"rule", "entries", "content", ""}}
	for _, r := range p.Summary.ByRule {
		rows = append(rows, []string{oneLine(r.Rule), fmt.Sprint(r.Entries), size(r.Bytes), ""})
	}
	b.WriteString(columns(rows))
	if len(p.Risks) > 0 {
		b.WriteString("\n\nrisks: what a recording cannot prove\n")
		rows = nil
		for _, r := range p.Risks {
			text := oneLine(r.Text)
			if r.Path != "" {
				text = printable(r.Path) + ": " + text
			}
			rows = append(rows, []string{oneLine(r.Name), text})
		}
		b.WriteString(columns(rows))
	}
	return b.String()
}

// cut shortens a text for a column.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func printablePath(p string) string {
	if p == "" {
		return ""
	}
	return printable(p)
}
