package slim

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testelf"
	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/slim/profile"
)

// ruleCase is an image, what was recorded, and every path that is kept with
// its first reason: "PATH RULE FROM" a line. Directories that are kept for
// what is in them are left out, and so is what all images have, but for the
// rules that show names.
type ruleCase struct {
	name    string
	image   string
	opened  string           // paths, in this order
	profile *profile.Profile // instead of opened
	options Options          // granularity file when it says none
	show    string           // rules that are shown though all images have them
	want    string
	risks   string // "NAME PATH" a line; of the risks that a rule marks
}

func runRuleCases(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := c.profile
			if p == nil {
				p = opened(strings.Fields(c.opened)...)
			}
			if c.options.Granularity == "" {
				c.options.Granularity = GranularityFile
			}
			plan, _ := slimmed(t, open(t, c.image), p, c.options)
			if d := cmp.Diff(lines(c.want), keptLines(plan, c.show)); d != "" {
				t.Errorf("kept (-want +got):\n%s", d)
			}
			if d := cmp.Diff(lines(c.risks), riskLines(plan)); d != "" {
				t.Errorf("risks (-want +got):\n%s", d)
			}
			checkChains(t, plan)
		})
	}
}

// lines are the lines of a table's text, sorted.
func lines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	slices.Sort(out)
	return out
}

func keptLines(plan *Plan, show string) []string {
	hidden := map[string]bool{"parent": true, "skeleton": true, "runtime-mount": true, "user": true, "distro-id": true}
	for rule := range strings.FieldsSeq(show) {
		delete(hidden, rule)
	}
	var out []string
	for _, e := range plan.Entries {
		if r := e.Reasons[0]; !hidden[r.Rule] {
			out = append(out, strings.TrimSpace(quoted(e.Path)+" "+r.Rule+" "+quoted(r.From)))
		}
	}
	slices.Sort(out)
	return out
}

// riskLines are the risks but for those that the planner marks on any
// program, library or package.
func riskLines(plan *Plan) []string {
	var out []string
	for _, r := range plan.Risks {
		if !slices.Contains([]string{"interpreter", "library-by-name", "half-kept-package"}, r.Name) {
			out = append(out, strings.TrimSpace(r.Name+" "+r.Path))
		}
	}
	slices.Sort(out)
	return out
}

// checkChains holds that every chain of reasons leads, without a loop, to
// something that is no path: the profile, the config, an option, or a rule
// that needs none.
func checkChains(t testing.TB, plan *Plan) {
	t.Helper()
	dropped := map[string]bool{}
	for _, d := range plan.Dropped {
		dropped[d.Path] = true
	}
	for _, e := range plan.Entries {
		x, err := plan.Why(e.Path)
		if err != nil || !x.Kept || len(x.Chain) == 0 {
			t.Errorf("why %q: %+v, %v", e.Path, x, err)
			continue
		}
		last := x.Chain[len(x.Chain)-1].Reason
		if strings.HasPrefix(last.From, "/") && !dropped[last.From] {
			t.Errorf("why %q runs in a circle: %+v", e.Path, x.Chain)
		}
		if last.Rule == "parent" || last.Rule == "link" {
			t.Errorf("why %q ends at %s: %+v", e.Path, last.Rule, x.Chain)
		}
	}
}

// elfFile is a line of a layer: an ELF file for x86-64.
func elfFile(name string, f testelf.File) string {
	if f.Class == 0 {
		f.Class = 2
	}
	if f.Machine == 0 {
		f.Machine = 62
	}
	if f.Type == 0 {
		f.Type = 3
	}
	return "file " + name + " 0755 0:0 " + strconv.Quote(string(f.Bytes())) + "\n"
}

// accessed is a profile of one existing path used in these ways.
func accessed(path string, kinds ...profile.Kind) *profile.Profile {
	return joined(&profile.Profile{Accesses: []profile.Access{{Path: path, Exists: true, Kinds: kinds}}})
}

// joined is the union of profiles.
func joined(ps ...*profile.Profile) *profile.Profile {
	u, err := profile.Union(ps...)
	if err != nil {
		panic(err)
	}
	return u
}

// tree shows a tree as a line a path: type, mode, owner, what it holds.
func dumpTree(t testing.TB, tree *layers.Tree) map[string]string {
	t.Helper()
	out := map[string]string{}
	for e := range tree.All() {
		out[e.Path] = dumpEntry(t, tree, e)
	}
	return out
}

func dumpEntry(t testing.TB, tree *layers.Tree, e *layers.Entry) string {
	t.Helper()
	s := e.Type.String() + " " + octal(e.Mode) + " " + owner(e.Header)
	switch e.Type {
	case layers.Regular:
		s += " " + strconv.Quote(content(t, tree, e.Path))
	case layers.Symlink:
		s += " -> " + e.Linkname
	case layers.CharDevice, layers.BlockDevice:
		s += " " + strconv.FormatInt(e.Major, 10) + ":" + strconv.FormatInt(e.Minor, 10)
	}
	return s
}

// content is a regular file's.
func content(t testing.TB, tree *layers.Tree, path string) string {
	t.Helper()
	e, ok := tree.Lookup(path)
	if !ok || e.Type != layers.Regular {
		t.Fatalf("%s is no file", path)
	}
	b, err := tree.ReadContent(e.Inode, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// findingLines are "SEVERITY NAME PATH" a line.
func findingLines(plan *Plan) []string {
	var out []string
	for _, f := range plan.Findings {
		out = append(out, strings.TrimSpace(string(f.Severity)+" "+f.Name+" "+f.Path))
	}
	slices.Sort(out)
	return out
}
