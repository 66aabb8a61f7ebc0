package slim

import (
	"maps"
	"slices"
)

// Reason is why a path is kept.
type Reason struct {
	// Rule is the stable name of the rule: "elf", "group:nss".
	Rule string `json:"rule"`
	// From is the path that led here, or what of the config or options did
	// ("config:Entrypoint"); "" when the profile itself names the path.
	From    string `json:"from,omitempty"`
	FromB64 string `json:"from_b64,omitempty"` // in JSON, when not UTF-8
	// Note says more, for people.
	Note string `json:"note,omitempty"`
}

// KeepSet is the kept paths with their reasons, in the order of keeping. Add
// is the only way in.
type KeepSet struct {
	reasons map[string][]Reason
	order   []string

	// What rules said besides.
	risks     []Risk
	ranks     map[Risk]int // of some risks: which comes first
	findings  []Finding
	generated map[string]Generated
	dropped   map[string]string // paths taken out, with the rule that did
	unsafe    map[string]Reason // of them, those that a user's rule took from what needs them
	selection *selection
}

func newKeepSet() *KeepSet {
	return &KeepSet{reasons: map[string][]Reason{}, ranks: map[Risk]int{}, generated: map[string]Generated{}, dropped: map[string]string{}, unsafe: map[string]Reason{}}
}

// Add keeps path for r. It reports whether the path was not kept before.
func (k *KeepSet) Add(path string, r Reason) bool {
	have, ok := k.reasons[path]
	if !ok {
		k.order = append(k.order, path)
	}
	if room(have, r.Rule) && !slices.Contains(have, r) {
		k.reasons[path] = append(have, r)
	}
	return !ok
}

// room bounds the reasons of one path, a C library or a shell, for which each
// program that needs it has one. The first of every rule is always there.
func room(have []Reason, rule string) bool {
	return len(have) < maxPlanReason || !slices.ContainsFunc(have, func(r Reason) bool { return r.Rule == rule })
}

// clone is a copy for a plan, which adds what it decides.
func (k *KeepSet) clone() *KeepSet {
	c := *k
	c.reasons, c.generated, c.dropped = maps.Clone(k.reasons), maps.Clone(k.generated), maps.Clone(k.dropped)
	for p, rs := range c.reasons {
		c.reasons[p] = slices.Clip(rs)
	}
	c.order, c.risks, c.findings = slices.Clip(k.order), slices.Clone(k.risks), slices.Clone(k.findings)
	return &c
}

// Has says whether path is kept.
func (k *KeepSet) Has(path string) bool { return len(k.reasons[path]) > 0 }

// Reasons are why path is kept, the first first.
func (k *KeepSet) Reasons(path string) []Reason { return k.reasons[path] }

// Len is the number of kept paths.
func (k *KeepSet) Len() int { return len(k.order) }
