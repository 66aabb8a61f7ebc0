package rebase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
)

// Plan is everything about one move: what the new base brings and what of it
// arrives, what is merged and repaired, and what speaks against it. Lists are
// sorted by name or path.
type Plan struct {
	SchemaVersion int     `json:"schemaVersion"`
	Kind          string  `json:"kind"` // "pare.rebase"
	Image         Subject `json:"image"`
	OldBase       Subject `json:"oldBase"`
	NewBase       Subject `json:"newBase"`
	Options       Options `json:"options"`
	// Nothing says that the image stands on the new base already.
	Nothing bool `json:"nothing"`

	Packages []PackageChange `json:"packages"`
	Files    []FileChange    `json:"files"`
	Config   []ConfigChange  `json:"config"`
	Repairs  []Repair        `json:"repairs"`
	Findings []Finding       `json:"findings"`
	// Result is the digest of the image that the plan makes.
	Result string `json:"result,omitempty"`

	result v1.Image
}

// Subject is an image that a plan is about.
type Subject struct {
	Name     string `json:"name,omitempty"`
	Digest   string `json:"digest,omitempty"`
	Platform string `json:"platform,omitempty"`
	Layers   int    `json:"layers"`
	// From says how an old base was found: "--from", "annotation", "lock",
	// "layers".
	From string `json:"from,omitempty"`
}

// Options say what a move may do; the zero value is good.
type Options struct {
	// Allow names findings that do not forbid the move.
	Allow []string `json:"allow,omitempty"`
	// RequireFix names packages (binary or source) that the new base brings
	// and that have to arrive.
	RequireFix []string `json:"requireFix,omitempty"`
	// DropShadow lets the new base's copy of a package win over the image's,
	// unless it is older.
	DropShadow bool `json:"dropShadow,omitempty"`

	// Hold names packages that stay at the image's version, though the new base
	// has another: what others of the image need exactly.
	Hold []string `json:"hold,omitempty"`

	// Open reads an image; nil is [layers.Open] without a cache.
	Open func(context.Context, v1.Image) (*layers.Tree, error) `json:"-"`
	// Dir is where the repair layer is made; the caller removes it.
	Dir string `json:"-"`
}

func (o *Options) dropsShadow(id string) bool { return o.DropShadow && !o.holds(id) }

// holds says whether a package, by its ID, is to be held.
func (o *Options) holds(id string) bool {
	name, _, _ := strings.Cut(id, ":")
	return slices.Contains(o.Hold, id) || slices.Contains(o.Hold, name)
}

const (
	planKind    = "pare.rebase"
	planVersion = 1
)

// ErrFindings says that findings forbid a move; the error names them.
var ErrFindings = errors.New("the plan has findings that forbid the move")

// NewPlan plans to move app from old, whose layers are its lowest, to base,
// which is called name (and is of the index of that digest, if it is of one).
// The error is about what cannot be read; what speaks against the move are
// findings.
func NewPlan(ctx context.Context, app v1.Image, old Base, base v1.Image, onto Base, o Options) (*Plan, error) {
	if o.Open == nil {
		o.Open = func(ctx context.Context, img v1.Image) (*layers.Tree, error) {
			return layers.Open(ctx, img, layers.Options{Scratch: o.Dir, Want: WantContent})
		}
	}
	m := &move{options: o, oldBase: old, onto: onto}
	err := m.read(app, base)
	if err == nil {
		err = m.plan(ctx)
	}
	if cerr := m.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("planning a rebase: %w", err)
	}
	return m.out, nil
}

// Err returns an error (ErrFindings) that names the findings which forbid the
// move, of each name the first ten; nil when there is none.
func (p *Plan) Err() error {
	var against []Finding
	for _, f := range p.Findings {
		if f.Forbids() {
			against = append(against, f)
		}
	}
	if len(against) == 0 {
		return nil
	}
	var errs []error
	told, more := Told(against)
	for _, f := range told {
		text := f.Name + ": "
		if f.Path != "" {
			text += fmt.Sprintf("%q: ", f.Path)
		}
		errs = append(errs, errors.New(text+f.Text+"; "+f.Next))
	}
	for _, name := range sortedKeys(more) {
		errs = append(errs, fmt.Errorf("%s: and %d more like these", name, more[name]))
	}
	return fmt.Errorf("%w:\n%w", ErrFindings, errors.Join(errs...))
}

// Apply is the image that the plan makes; an ErrFindings when findings forbid
// it. It decides nothing. Its repair layer is a file in Options.Dir.
func Apply(p *Plan) (v1.Image, error) {
	if err := p.Err(); err != nil {
		return nil, err
	}
	return p.result, nil
}

// Write writes the plan as JSON.
func (p *Plan) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(p); err != nil {
		return fmt.Errorf("writing plan: %w", err)
	}
	return nil
}

// move is a plan in the making.
type move struct {
	options       Options
	oldBase, onto Base
	app, base     *source
	seam, top     int // of app: layers of the old base, and the end of the upper ones
	scene         scene
	merger        merger
	bare          *layers.Tree
	config        *document // "config" of the result
	settledOn     bool      // the image stands on the new base already
	open          []*layers.Tree
	out           *Plan
}

func (m *move) read(app, base v1.Image) (err error) {
	if m.app, err = readSource(app); err != nil {
		return fmt.Errorf("the image: %w", err)
	}
	if m.base, err = readSource(base); err != nil {
		return fmt.Errorf("the new base: %w", err)
	}
	m.seam, m.top = len(m.oldBase.DiffIDs), len(m.app.layers)
	if m.seam > m.top {
		return fmt.Errorf("%w: it has %d layers, the image %d", ErrNoBase, m.seam, m.top)
	}
	for i, id := range m.oldBase.DiffIDs {
		if canonical(m.app.diffIDs[i]) != quote(id) {
			return fmt.Errorf("%w: layer %d of the image is %s, of the base %s", ErrNoBase, i, canonical(m.app.diffIDs[i]), id)
		}
	}
	if m.top > m.seam && m.app.isRepair() {
		m.top--
	}
	return m.describe()
}

// describe fills in what the plan says of its images.
func (m *move) describe() error {
	m.out = &Plan{
		SchemaVersion: planVersion, Kind: planKind, Options: m.options,
		OldBase:  Subject{Name: m.oldBase.Name, Digest: m.oldBase.Digest, Platform: m.oldBase.Platform, Layers: m.seam, From: m.oldBase.From},
		Packages: []PackageChange{}, Files: []FileChange{}, Config: []ConfigChange{}, Repairs: []Repair{}, Findings: []Finding{},
	}
	for _, x := range []struct {
		to *Subject
		s  *source
	}{{&m.out.Image, m.app}, {&m.out.NewBase, m.base}} {
		d, err := x.s.image.Digest()
		if err != nil {
			return err
		}
		c, err := x.s.image.ConfigFile()
		if err != nil {
			return err
		}
		*x.to = Subject{Digest: d.String(), Platform: layers.PlatformName(c), Layers: len(x.s.layers)}
	}
	m.out.NewBase.Name = m.onto.Name
	return nil
}

func (m *move) close() error {
	var errs []error
	for _, t := range m.open {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

func (m *move) plan(ctx context.Context) error {
	if done, err := m.settled(); done || err != nil {
		return err
	}
	if err := m.openTrees(ctx); err != nil {
		return err
	}
	if err := m.mergeConfig(); err != nil {
		return err
	}
	if err := m.merger.run(ctx); err != nil {
		return err
	}
	if m.goesHome() {
		m.merger.wants = wants{}
	}
	if err := m.build(ctx); err != nil {
		return err
	}
	found, err := m.scene.check(ctx)
	if err != nil {
		return err
	}
	m.report(found)
	if m.settledOn {
		m.nothing()
	}
	return nil
}

// settled says that there is nothing to plan: the image stands on the new
// base, or the new base is for another platform.
func (m *move) settled() (bool, error) {
	have, err := m.app.image.ConfigFile()
	if err != nil {
		return false, err
	}
	base, err := m.base.image.ConfigFile()
	if err != nil {
		return false, err
	}
	if f := comparePlatforms(have, base); f != nil {
		m.out.Findings = append(m.out.Findings, *f)
		return true, nil
	}
	if m.settledOn = m.standsOn(base); !m.settledOn || m.options.RequireFix != nil {
		return false, nil
	}
	m.nothing()
	return true, nil
}

// nothing says that the image stays as it is.
func (m *move) nothing() {
	m.out.Nothing, m.out.Result, m.out.result = true, m.out.Image.Digest, m.app.image
	m.out.Repairs = []Repair{}
}

// standsOn says whether the image's lowest layers are the new base's, to the
// byte as they are stored, and its config is known to have been merged with
// the new base's.
func (m *move) standsOn(base *v1.ConfigFile) bool {
	if m.seam != len(m.base.layers) || m.oldBase.Config == nil {
		return false
	}
	for i := range m.seam {
		a, err := m.app.layers[i].Digest()
		b, err2 := m.base.layers[i].Digest()
		if err != nil || err2 != nil || a != b {
			return false
		}
	}
	x, err := json.Marshal(m.oldBase.Config.Config)
	y, err2 := json.Marshal(base.Config)
	return err == nil && err2 == nil && string(x) == string(y)
}

// openTrees opens old base, image, new base, and the image's upper layers on
// the new base.
func (m *move) openTrees(ctx context.Context) error {
	old, err := m.app.lower(m.seam)
	if err != nil {
		return err
	}
	bare, err := m.stacked(nil)
	if err != nil {
		return err
	}
	for _, x := range []struct {
		what string
		img  v1.Image
		to   **layers.Tree
	}{
		{"the old base", old, &m.scene.old},
		{"the image", m.app.image, &m.scene.app},
		{"the new base", m.base.image, &m.scene.base},
		{"the image on the new base", bare, &m.bare},
	} {
		if *x.to, err = m.openTree(ctx, x.img); err != nil {
			return fmt.Errorf("reading %s: %w", x.what, err)
		}
	}
	m.scene.seam, m.scene.newSeam = m.seam, len(m.base.layers)
	m.merger = merger{
		options: m.options, old: m.scene.old, app: m.scene.app, base: m.scene.base, bare: m.bare,
		newSeam: m.scene.newSeam, seam: m.seam, top: m.top,
	}
	return nil
}

func (m *move) openTree(ctx context.Context, img v1.Image) (*layers.Tree, error) {
	t, err := m.options.Open(ctx, img)
	if err == nil {
		m.open = append(m.open, t)
	}
	return t, err
}

// mergeConfig makes the result's config.
func (m *move) mergeConfig() (err error) {
	if m.config, err = m.app.config.child("config"); err != nil {
		return err
	}
	if m.oldBase.Config == nil {
		m.merger.finding(Finding{
			Name: FindingConfigUnknown, Severity: SeverityWarning,
			Text: "the old base's config is not known: the image keeps all of its own, and nothing that the new base changed in it arrives",
			Next: "name the old base with --from, or keep its config in a lock file (--bases)",
		})
		return nil
	}
	old, err := json.Marshal(m.oldBase.Config.Config)
	if err != nil {
		return err
	}
	cm := &configMerge{app: m.config}
	if cm.old, err = parseDocument(old, ""); err != nil {
		return err
	}
	if cm.base, err = m.base.config.child("config"); err != nil {
		return err
	}
	if err := cm.merge(); err != nil {
		return err
	}
	for _, c := range cm.changes {
		if c.Was == c.Now && c.Base != c.Now {
			m.merger.finding(Finding{
				Name: FindingConfig, Severity: SeverityWarning,
				Text: fmt.Sprintf("%s: the image has %s, the new base %s; the image's stays", c.Field, orNothing(c.Now), orNothing(c.Base)),
				Next: "change it where the image is built, if the new base's is meant",
			})
		}
	}
	m.out.Config = append(m.out.Config, cm.changes...)
	return nil
}

func orNothing(s string) string {
	if strings.TrimSpace(s) == "" {
		return "none"
	}
	return s
}

// build makes the result: the repair layer, and once it is known which
// libraries there are, the loader's cache.
func (m *move) build(ctx context.Context) error {
	w := m.merger.wants
	for {
		repair, err := w.layer(ctx, m.bare, m.app.docker(), m.options.Dir)
		if err != nil {
			return err
		}
		img, err := m.stacked(repair)
		if err != nil {
			return err
		}
		if m.scene.next, err = m.openTree(ctx, img); err != nil {
			return fmt.Errorf("reading the result: %w", err)
		}
		cache, stale, err := staleCache(&m.scene)
		if err != nil {
			return fmt.Errorf("making %s: %w", ldCache, err)
		}
		at := m.merger.realPath(ldCache)
		if _, made := w[at]; made || !stale || m.goesHome() {
			m.out.result = img
			break
		}
		w[at] = cache
	}
	d, err := m.out.result.Digest()
	m.out.Result = d.String()
	m.out.Repairs = w.list()
	return err
}

// stacked is the image's upper layers on the new base, with a repair layer
// on top unless that is nil.
func (m *move) stacked(repair v1.Layer) (v1.Image, error) {
	st := stacking{config: m.config}
	for i, raw := range m.base.descriptors {
		d, err := m.app.adopt(raw)
		if err != nil {
			return nil, err
		}
		if i < m.seam && string(m.base.diffIDs[i]) == string(m.app.diffIDs[i]) && sameBlob(d, m.app.descriptors[i]) {
			d = m.app.descriptors[i] // with what annotations it had
		}
		st.descriptors = append(st.descriptors, d)
	}
	st.descriptors = append(st.descriptors, m.app.descriptors[m.seam:m.top]...)
	st.diffIDs = slices.Concat(m.base.diffIDs, m.app.diffIDs[m.seam:m.top])
	st.layers = slices.Concat(m.base.layers, m.app.layers[m.seam:m.top])
	st.history = m.stackedHistory(repair != nil)
	if repair == nil {
		st.annotations = m.annotations(st.diffIDs)
		return m.app.stack(st)
	}
	d, id, err := describeLayer(repair)
	if err != nil {
		return nil, err
	}
	if d, err = m.app.adopt(d); err != nil {
		return nil, err
	}
	st.descriptors, st.diffIDs, st.layers = append(st.descriptors, d), append(st.diffIDs, id), append(st.layers, repair)
	st.annotations = m.annotations(st.diffIDs)
	return m.app.stack(st)
}

// sameBlob says whether two descriptors are of the same bytes.
func sameBlob(a, b json.RawMessage) bool {
	var x, y v1.Descriptor
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x.Digest == y.Digest
}

func describeLayer(l v1.Layer) (descriptor, diffID json.RawMessage, err error) {
	media, err := l.MediaType()
	if err != nil {
		return nil, nil, err
	}
	digest, err := l.Digest()
	if err != nil {
		return nil, nil, err
	}
	size, err := l.Size()
	if err != nil {
		return nil, nil, err
	}
	id, err := l.DiffID()
	if err != nil {
		return nil, nil, err
	}
	descriptor, err = json.Marshal(v1.Descriptor{MediaType: media, Size: size, Digest: digest})
	return descriptor, json.RawMessage(quote(id.String())), err
}

// stackedHistory is the new base's, the image's of its upper layers, and a
// line for the repairs.
func (m *move) stackedHistory(repaired bool) []json.RawMessage {
	if len(m.app.history) == 0 && len(m.base.history) == 0 && !repaired {
		return nil
	}
	var old []v1.History
	if m.oldBase.Config != nil {
		old = m.oldBase.Config.History
	}
	upper := m.app.upperHistory(m.seam, old)
	if m.top < len(m.app.layers) {
		upper = upper[:len(upper)-1]
	}
	out := slices.Concat(m.base.lines(), upper)
	if repaired {
		line := map[string]any{"created_by": repairedBy}
		if created := canonical(m.app.config.get("created")); created != "" {
			line["created"] = json.RawMessage(created)
		}
		raw, _ := json.Marshal(line) //nolint:errcheck // strings
		out = append(out, raw)
	}
	return out
}

// WantContent is the hint for [layers.Options.Want]: what a move is likely to
// read or compare.
func WantContent(p string, h *layers.Header) bool {
	if h.Size > 1<<20 {
		return isDatabase(p)
	}
	return isDatabase(p) || strings.HasPrefix(p, "/etc/") || h.Size <= 16<<10
}
