package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pare-image/pare/internal/reference"
	"github.com/pare-image/pare/rebase"
)

// rebaseDocument is the JSON of pare rebase.
type rebaseDocument struct {
	envelope
	Reference string         `json:"reference"`
	Digest    string         `json:"digest"` // of the manifest or index that was made
	MediaType string         `json:"mediaType"`
	Nothing   bool           `json:"nothing"` // it is the image that there was
	Images    []*rebase.Plan `json:"images"`
	// Slimmed are the images that were slimmed again: Images are then about
	// what they were made of.
	Slimmed []slimImage `json:"slimmed,omitempty"`
	// LeftBehind refer to the old image, and stay with it.
	LeftBehind []reference.Artifact `json:"leftBehind"`
}

func (m *moved) document() (rebaseDocument, error) {
	d := rebaseDocument{
		envelope: newEnvelope("rebased"), Reference: m.at.String(), Digest: m.digest, MediaType: m.mediaType,
		Nothing: m.digest == m.source.source.Descriptor.Digest.String(), Images: m.plans, LeftBehind: orEmpty(m.referrers),
	}
	for _, s := range m.slimmed {
		if s == nil || s.built == nil {
			continue
		}
		si, err := s.built.document()
		if err != nil {
			return d, err
		}
		d.Slimmed = append(d.Slimmed, si)
	}
	return d, nil
}

// tell prints the result and, for people, what became of the image.
func (r *rebaser) tell(m *moved) error {
	r.app.term.note("%s", m.text(m.plans))
	r.tellLeftBehind(m)
	if r.command.json {
		d, err := m.document()
		if err != nil {
			return err
		}
		return r.app.term.json(d)
	}
	return r.app.term.result("%s", m.at)
}

// tellLeftBehind names what is said about the old image.
func (r *rebaser) tellLeftBehind(m *moved) {
	for _, a := range m.referrers {
		kind := a.Type
		if kind == "" {
			kind = "an artifact"
		}
		r.app.term.note("left behind: %s (%s) is about the old image; make it again for the new one", oneLine(kind), shortDigest(a.Digest))
	}
}

// rebaseText is the account of the platforms of one image for people.
func rebaseText(plans []*rebase.Plan) string {
	var out []string
	for _, p := range plans {
		out = append(out, rebaseSummary(p))
	}
	return strings.Join(out, "\n")
}

// text is the account of an image, with plans in place of its own.
func (m *moved) text(plans []*rebase.Plan) string {
	var out []string
	for i, p := range plans {
		out = append(out, rebaseSummary(p)+m.slimmed[i].text())
	}
	return strings.Join(out, "\n")
}

// text says what was made of a moved source.
func (s *slimmed) text() string {
	switch {
	case s == nil:
		return ""
	case s.already:
		return "\n  slimmed    the image was made of this already"
	case s.planned == nil:
		return "" // the move is forbidden
	}
	return "\n" + s.summary()
}

func (s *slimmed) summary() string {
	return summary(s.planned.plan, []string{"", "source", "slim", ""})
}

// slimPlans are the accounts of what would be made of moved sources.
func (m *moved) slimPlans() string {
	var b strings.Builder
	for _, s := range m.slimmed {
		if s != nil && s.planned != nil {
			b.WriteString("\n\nslimmed again\n" + s.summary())
		}
	}
	return b.String()
}

// besidesError are plans without the findings that forbid the moves: an error
// names them.
func besidesError(plans []*rebase.Plan) []*rebase.Plan {
	var out []*rebase.Plan
	for _, p := range plans {
		q := *p
		q.Findings = slices.DeleteFunc(slices.Clone(p.Findings), rebase.Finding.Forbids)
		out = append(out, &q)
	}
	return out
}

func rebaseSummary(p *rebase.Plan) string {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n  %-10s %s", name, text)
		}
	}
	fmt.Fprintf(&b, "  %-10s %s (%s), %s", "image", shortDigest(oneLine(p.Image.Digest)), oneLine(p.Image.Platform), count(p.Image.Layers, "layer"))
	line("old base", subjectText(p.OldBase))
	line("new base", subjectText(p.NewBase))
	if p.Nothing {
		line("nothing", "to do: it stands on the new base already")
	}
	line("packages", packagesText(p.Packages))
	line("files", filesText(p))
	line("config", configText(p.Config))
	line("repairs", repairsText(p.Repairs))
	line("findings", rebaseFindings(p.Findings))
	return b.String()
}

func subjectText(s rebase.Subject) string {
	text := oneLine(s.Name)
	if s.Digest != "" {
		text += " " + shortDigest(oneLine(s.Digest))
	}
	if text = strings.TrimSpace(text); text == "" {
		text = "unknown"
	}
	text += ", " + count(s.Layers, "layer")
	if s.From != "" {
		text += " (found by " + s.From + ")"
	}
	return text
}

// packagesText counts outcomes and names what does not arrive.
func packagesText(all []rebase.PackageChange) string {
	if len(all) == 0 {
		return "none changed"
	}
	n := map[string]int{}
	for _, c := range all {
		n[c.Outcome]++
	}
	var out []string
	for _, o := range []string{rebase.Delivered, rebase.Shadowed, rebase.Newer, rebase.Removed} {
		if n[o] > 0 {
			out = append(out, fmt.Sprintf("%d %s", n[o], o))
		}
	}
	return fmt.Sprintf("%d changed by the new base: %s", len(all), strings.Join(out, ", "))
}

func filesText(p *rebase.Plan) string {
	if len(p.Files) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of the new base hidden by the image's own", len(p.Files))
}

func configText(all []rebase.ConfigChange) string {
	var out []string
	for _, c := range all {
		if c.Was != c.Now {
			out = append(out, fmt.Sprintf("%s %s -> %s", oneLine(c.Field), orNone(c.Was), orNone(c.Now)))
		}
	}
	return strings.Join(out, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return oneLine(s)
}

// repairsText counts repairs by name.
func repairsText(all []rebase.Repair) string {
	n := map[string]int{}
	for _, r := range all {
		n[r.Name]++
	}
	var out []string
	for _, r := range all {
		if n[r.Name] > 0 {
			out = append(out, fmt.Sprintf("%s %d", r.Name, n[r.Name]))
			n[r.Name] = 0
		}
	}
	slices.Sort(out)
	if out == nil {
		return ""
	}
	return strings.Join(out, ", ") + " (one more layer)"
}

// rebaseFindings are what is to be known or decided: of each name the first
// ten, after which the rest is counted.
func rebaseFindings(all []rebase.Finding) string {
	var out []string
	told, more := rebase.Told(all)
	for i, f := range told {
		out = append(out, rebaseFinding(f))
		if n := more[f.Name]; n > 0 && (i+1 == len(told) || told[i+1].Name != f.Name) {
			out = append(out, fmt.Sprintf("%s: and %d more like these; --plan --json has them all", oneLine(f.Name), n))
		}
	}
	return strings.Join(out, "\n             ")
}

func rebaseFinding(f rebase.Finding) string {
	text := oneLine(f.Name)
	if f.Severity == rebase.SeverityError {
		text += " (error)"
	}
	if f.Allowed {
		text += " (allowed)"
	}
	text += ": "
	if f.Path != "" {
		text += printable(f.Path)
		if f.Layer != nil {
			text += fmt.Sprintf(" of layer %d", *f.Layer)
		}
		text += ": "
	}
	text += oneLine(f.Text)
	if f.Next != "" {
		text += "; " + oneLine(f.Next)
	}
	return text
}

// rebasePlanText is the plan for people: the summary, and every package,
// file, change of the config and repair.
func rebasePlanText(plans []*rebase.Plan) string {
	var b strings.Builder
	for i, p := range plans {
		if i > 0 {
			b.WriteString("\n\n")
		}
		fmt.Fprintf(&b, "plan for %s (%s)\n%s", oneLine(p.Image.Digest), oneLine(p.Image.Platform), rebaseSummary(p))
		writeRows(&b, "packages that the new base changes", packageRows(p))
		writeRows(&b, "files of the new base that the image hides", fileRows(p))
		writeRows(&b, "config", configRows(p))
		writeRows(&b, "repairs, in one layer on top", repairRows(p))
	}
	return b.String()
}

func writeRows(b *strings.Builder, title string, rows [][]string) {
	if len(rows) > 0 {
		fmt.Fprintf(b, "\n\n%s\n%s", title, columns(rows))
	}
}

func packageRows(p *rebase.Plan) [][]string {
	var rows [][]string
	for _, c := range p.Packages {
		where := ""
		if c.Layer != nil {
			where = fmt.Sprintf("by %s of layer %d", printable(c.Path), *c.Layer)
		}
		rows = append(rows, []string{oneLine(c.Name), orNone(c.Old) + " -> " + orNone(c.New), "image: " + orNone(c.App), oneLine(c.Outcome), where})
	}
	return rows
}

func fileRows(p *rebase.Plan) [][]string {
	var rows [][]string
	for _, c := range p.Files {
		layer := ""
		if c.Layer != nil {
			layer = fmt.Sprintf("layer %d", *c.Layer)
		}
		rows = append(rows, []string{printable(c.Path), layer, oneLine(c.Package)})
	}
	return rows
}

func configRows(p *rebase.Plan) [][]string {
	var rows [][]string
	for _, c := range p.Config {
		text := orNone(c.Was) + " -> " + orNone(c.Now)
		if c.Was == c.Now {
			text = fmt.Sprintf("stays %s (new base: %s)", orNone(c.Now), orNone(c.Base))
		}
		rows = append(rows, []string{oneLine(c.Field), text})
	}
	return rows
}

func repairRows(p *rebase.Plan) [][]string {
	var rows [][]string
	for _, r := range p.Repairs {
		gone := ""
		if r.Gone {
			gone = "taken away"
		}
		rows = append(rows, []string{oneLine(r.Name), printable(r.Path), gone})
	}
	return rows
}
