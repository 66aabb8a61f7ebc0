package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/slim"
)

// shown bounds the lists of a summary; the plan has everything.
const shown = 6

// slimText is the account of one image for people.
func slimText(b *built, si slimImage, several bool) string {
	head := []string{"", "source", "slim", ""}
	if several {
		head[0] = si.Platform
	}
	stored := []string{"layers as stored", size(si.SourceStoredBytes), size(si.StoredBytes), percent(si.StoredBytes, si.SourceStoredBytes)}
	return summary(b.plan, head, stored)
}

// summary is the table of sizes and the lines below it.
func summary(p *slim.Plan, head []string, more ...[]string) string {
	s := p.Summary
	rows := [][]string{
		head,
		{"content of files", size(s.SourceBytes), size(s.KeptBytes), percent(s.KeptBytes, s.SourceBytes)},
	}
	rows = append(rows, more...)
	rows = append(rows,
		[]string{"files, links, directories", fmt.Sprint(s.SourceEntries), fmt.Sprint(s.KeptEntries), fmt.Sprintf("%d dropped", s.DroppedEntries)},
		[]string{"packages", fmt.Sprint(s.SourcePackages), fmt.Sprint(s.KeptPackages), half(s.HalfPackages)},
		[]string{"layers", fmt.Sprint(len(p.Source.DiffIDs)), fmt.Sprint(len(p.Layers)), ""})
	var b strings.Builder
	b.WriteString(columns(rows))
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n  %-10s %s", name, text)
		}
	}
	line("runs as", fmt.Sprintf("%d:%d: %s", p.User.UID, p.User.GID, oneLine(p.User.From)))
	line("base", baseText(p))
	line("drift", driftText(p.Profile.Derived))
	line("kept by", ruleShares(s.ByRule))
	line("dropped", ownerShares(s.DroppedByOwner))
	line("owners", owners(p))
	line("findings", findings(p.Findings))
	line("risks", risks(p.Risks))
	return b.String()
}

// baseText is what the base brings, and what became of the source's files that
// it has too.
func baseText(p *slim.Plan) string {
	b, s := p.Options.Base, p.Summary
	if b == nil {
		return ""
	}
	name := oneLine(b.Digest)
	if b.Name != "" {
		name = oneLine(b.Name) + " (" + shortDigest(name) + ")"
	}
	return fmt.Sprintf("%s: %d entries, %s; %d of them in place of the source's, %d hidden by what is above", name, s.BaseEntries, size(s.BaseBytes), s.SharedEntries, s.OverEntries)
}

func percent(part, whole int64) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}

func half(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d in part", n)
}

// ruleShares says which rules brought most.
func ruleShares(all []slim.RuleShare) string {
	var out []string
	for _, r := range all[:min(shown, len(all))] {
		out = append(out, oneLine(r.Rule)+" "+size(r.Bytes))
	}
	return withRest(out, len(all))
}

// ownerShares says of which packages most was dropped.
func ownerShares(all []slim.OwnerShare) string {
	var out []string
	for _, o := range all[:min(shown, len(all))] {
		name := o.Package
		if name == "" {
			name = "(no package)"
		}
		out = append(out, printable(name)+" "+size(o.Bytes))
	}
	return withRest(out, len(all))
}

func withRest(list []string, all int) string {
	text := strings.Join(list, ", ")
	if all > len(list) {
		text += fmt.Sprintf(", %d more", all-len(list))
	}
	return text
}

func owners(p *slim.Plan) string {
	if len(p.Ownership) == 0 {
		return ""
	}
	var out []string
	for _, o := range p.Ownership[:min(shown, len(p.Ownership))] {
		out = append(out, printable(o.Path))
	}
	return fmt.Sprintf("given to %d:%d: %s", p.User.UID, p.User.GID, withRest(out, len(p.Ownership)))
}

// findings are shown in full: each is something to know or to decide.
func findings(all []slim.Finding) string {
	var out []string
	for _, f := range all {
		text := oneLine(f.Name)
		if f.Severity == slim.SeverityError {
			text += " (error)"
		}
		if f.Allowed {
			text += " (allowed)"
		}
		text += ": "
		if f.Path != "" {
			text += printable(f.Path) + ": "
		}
		text += oneLine(f.Text)
		if f.Next != "" {
			text += "; " + oneLine(f.Next)
		}
		out = append(out, text)
	}
	return strings.Join(out, "\n             ")
}

// risks are counted by name.
func risks(all []slim.Risk) string {
	var names []string
	n := map[string]int{}
	for _, r := range all { // sorted by name
		if n[r.Name] == 0 {
			names = append(names, r.Name)
		}
		n[r.Name]++
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", n[name], oneLine(name))
	}
	return strings.Join(names, ", ")
}

// slimNext is what to do with the result.
func slimNext(c slimCommand, at reference.Ref) string {
	profiles := c.slim.profiles
	if c.proof.save != "" {
		profiles = append(slices.Clone(profiles), c.proof.save)
	}
	why := fmt.Sprintf("pare why %s PATH", oneLine(strings.Join(append([]string{c.image}, profiles...), " -p ")))
	switch {
	case c.plan != "":
		why = fmt.Sprintf("pare why %s PATH", oneLine(c.plan))
	case c.proof.record && c.proof.save == "":
		why = "build with --plan FILE, then pare why FILE PATH"
	}
	return fmt.Sprintf("  next       run the image's own tests against it; why a file is there, or is not: %s", why)
}
