package slim

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

// Summary counts what a plan does. Bytes are those of regular files' content;
// hard links count once.
type Summary struct {
	SourceEntries  int          `json:"sourceEntries"`
	SourceBytes    int64        `json:"sourceBytes"`
	KeptEntries    int          `json:"keptEntries"` // of the output, a base's among them
	KeptBytes      int64        `json:"keptBytes"`
	BaseEntries    int          `json:"baseEntries,omitempty"` // of them, those that the base has
	BaseBytes      int64        `json:"baseBytes,omitempty"`
	SharedEntries  int          `json:"sharedEntries,omitempty"` // of those, what the source's stands for: not carried
	OverEntries    int          `json:"overEntries,omitempty"`   // kept, and above another one of the base
	DroppedEntries int          `json:"droppedEntries"`
	DroppedBytes   int64        `json:"droppedBytes"`
	SourcePackages int          `json:"sourcePackages"`
	KeptPackages   int          `json:"keptPackages"`
	HalfPackages   int          `json:"halfPackages"`
	ByRule         []RuleShare  `json:"byRule"`         // by the first reason of each entry; most bytes first
	DroppedByOwner []OwnerShare `json:"droppedByOwner"` // by package; most bytes first
}

// RuleShare is what one rule brought.
type RuleShare struct {
	Rule    string `json:"rule"`
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
}

// OwnerShare is what was dropped of one package; "" is files of no package.
type OwnerShare struct {
	Package string `json:"package"`
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
}

// report lists what is dropped, counts, marks risks and sorts the findings.
func (pl *planner) report() error {
	pl.listDropped()
	pl.countPackages()
	pl.countRules()
	pl.plan.Prioritized = pl.prioritized()
	pl.markRisks()
	pl.markFindings()
	pl.plan.Findings = sortFindings(pl.keep.findings, pl.options.Allow)
	pl.plan.Risks = sortRisks(pl.keep.risks, pl.keep.ranks)
	return nil
}

func (pl *planner) listDropped() {
	s := &pl.plan.Summary
	seen := map[*layers.Inode]bool{}
	kept := map[*layers.Inode]bool{}
	for p := range pl.keep.reasons {
		if e, ok := pl.tree.Lookup(p); ok {
			kept[e.Inode] = true
		}
	}
	owners := map[string]*OwnerShare{}
	for e := range pl.tree.All() {
		if e.Path == "/" && e.Implied {
			continue
		}
		size := e.Size
		if seen[e.Inode] {
			size = 0
		}
		seen[e.Inode] = true
		s.SourceEntries++
		s.SourceBytes += size
		if pl.keep.Has(e.Path) || pl.outputs[e.Path] != nil {
			continue
		}
		if kept[e.Inode] {
			size = 0 // its content stays, by another name
		}
		d := Dropped{Path: e.Path, Type: e.Type.String(), Size: size, Rule: pl.keep.dropped[e.Path]}
		if d.Rule == "" {
			d.Rule = pl.excluded[e.Path]
		}
		if owner, ok := pl.packages.Owner(e.Path); ok {
			d.Package = owner.ID()
		}
		pl.plan.Dropped = append(pl.plan.Dropped, d)
		s.DroppedEntries++
		s.DroppedBytes += size
		o := owners[d.Package]
		if o == nil {
			o = &OwnerShare{Package: d.Package}
			owners[d.Package] = o
		}
		o.Entries++
		o.Bytes += size
	}
	for _, k := range sortedKeys(owners) {
		s.DroppedByOwner = append(s.DroppedByOwner, *owners[k])
	}
	slices.SortStableFunc(s.DroppedByOwner, func(a, b OwnerShare) int { return cmp.Compare(b.Bytes, a.Bytes) })
}

func (pl *planner) countPackages() {
	half := map[string]bool{}
	for _, p := range pl.halfPackages() {
		half[p.ID()] = true
	}
	files := map[string]int{}
	for _, e := range pl.plan.Entries {
		if e.Package != "" && e.Type != "directory" && (e.Source >= 0 || e.Base) {
			files[e.Package]++
		}
	}
	for i, p := range pl.databases.Packages {
		pl.plan.Packages[i].Half, pl.plan.Packages[i].Files = half[p.ID()], files[p.ID()]
	}
	s := &pl.plan.Summary
	s.SourcePackages, s.KeptPackages, s.HalfPackages = len(pl.packages.Packages()), len(pl.plan.Packages), len(half)
}

// halfPackages are those that keep a part of their files. One that the base
// has too has the rest there.
func (pl *planner) halfPackages() []*pkgdb.Package {
	if !pl.onBase() {
		return pl.databases.Half
	}
	return slices.DeleteFunc(slices.Clone(pl.databases.Half), func(p *pkgdb.Package) bool { return pl.inBase[p.Name+" "+p.Arch] != nil })
}

func (pl *planner) countBase(e *Entry) {
	s := &pl.plan.Summary
	if e.Over {
		s.OverEntries++
	}
	if !e.Base {
		return
	}
	s.BaseEntries++
	s.BaseBytes += e.Size
	if len(e.Reasons) > 1 {
		s.SharedEntries++
	}
}

func (pl *planner) countRules() {
	s := &pl.plan.Summary
	shares := map[string]*RuleShare{}
	for _, e := range pl.plan.Entries {
		s.KeptEntries++
		s.KeptBytes += e.Size
		pl.countBase(&e)
		if len(e.Reasons) == 0 {
			continue
		}
		r := shares[e.Reasons[0].Rule]
		if r == nil {
			r = &RuleShare{Rule: e.Reasons[0].Rule}
			shares[r.Rule] = r
		}
		r.Entries++
		r.Bytes += e.Size
	}
	for _, k := range sortedKeys(shares) {
		s.ByRule = append(s.ByRule, *shares[k])
	}
	slices.SortStableFunc(s.ByRule, func(a, b RuleShare) int { return cmp.Compare(b.Bytes, a.Bytes) })
}

// prioritized are the kept files in the order in which the profile saw them
// first.
func (pl *planner) prioritized() []string {
	if pl.options.Compression != layers.EStargz {
		return nil
	}
	var out []string
	for _, p := range pl.touchedIn {
		if e, ok := pl.fromSource(p); ok && pl.keep.Has(p) && e.Type != layers.Directory && pl.carries(p) {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(pl.touched(a).FirstMS, pl.touched(b).FirstMS) })
	for i, p := range out {
		out[i] = pl.outPath(p)
	}
	return out
}

// markRisks names what a recording cannot prove.
func (pl *planner) markRisks() {
	if len(pl.config.healthcheck) > 0 {
		pl.risk("healthcheck", "", "carried over, but the output is an OCI image and podman looks for health checks in Docker's format only; docker does not mind, Kubernetes never looks")
	}
	for _, p := range pl.halfPackages() {
		pl.risk("half-kept-package", "", fmt.Sprintf("%s keeps a part of its files", p.ID()))
	}
	for _, e := range pl.plan.Entries {
		if e.Type != "file" || e.Source < 0 && !e.Base {
			continue
		}
		if isInterpreter(path.Base(e.Path)) {
			pl.risk("interpreter", e.Path, "an interpreter: it can load code by any name, which a recording shows only in part")
		}
		if pl.byNameOnly(e) {
			pl.risk("library-by-name", e.Path, "opened by the workload and needed by no kept file: loaded by name, so that its neighbours may be too")
		}
	}
}

// byNameOnly says that a library was loaded by dlopen(3).
func (pl *planner) byNameOnly(e Entry) bool {
	if !strings.Contains(path.Base(e.Path), ".so") || e.Reasons[0].Rule != "access" {
		return false
	}
	return !slices.ContainsFunc(pl.keep.Reasons(e.sourcePath()), func(r Reason) bool { return r.Rule == "elf" || strings.HasPrefix(r.Rule, "group:") })
}

// interpreters by name, without version.
var interpreters = []string{"bash", "busybox", "dash", "gawk", "ksh", "lua", "mawk", "node", "perl", "php", "python", "ruby", "sh", "tclsh", "zsh"}

func isInterpreter(name string) bool {
	return slices.Contains(interpreters, strings.TrimRight(name, "0123456789."))
}

// markFindings tells what else a user has to know.
func (pl *planner) markFindings() {
	if pl.plan.Profile.Lost > 0 {
		pl.finding(Finding{
			Name: FindingLostEvents, Severity: SeverityWarning,
			Text: fmt.Sprintf("the recording lost %d events: files may be missing", pl.plan.Profile.Lost),
			Next: "record again, or check the image well",
		})
	}
	for _, port := range pl.profile.Ports {
		if port < 1024 && pl.plan.User.UID != 0 {
			pl.finding(Finding{
				Name: FindingLowPort, Severity: SeverityWarning,
				Text: fmt.Sprintf("the workload binds port %d, which needs CAP_NET_BIND_SERVICE or net.ipv4.ip_unprivileged_port_start=0 as user %d", port, pl.plan.User.UID),
				Next: "have the application listen on a port from 1024, or run with one of the two",
			})
		}
	}
	pl.findDrift()
	pl.findUnused()
}

// findUnused names the user's patterns that took nothing: most likely a typo.
func (pl *planner) findUnused() {
	for _, text := range pl.user.unused(pl.tree) {
		pl.finding(Finding{
			Name: FindingUnusedPattern, Severity: SeverityWarning,
			Text: fmt.Sprintf("the pattern %s matches nothing in the image", quoted(text)), Next: "correct or remove it",
		})
	}
}
