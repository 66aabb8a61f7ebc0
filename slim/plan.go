package slim

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/profile"
)

// Plan is every decision about a slim image: [Build] obeys it and decides
// nothing. Lists are sorted by path, name or layer.
type Plan struct {
	SchemaVersion int       `json:"schemaVersion"`
	Kind          string    `json:"kind"` // "pare.plan"
	Source        Source    `json:"source"`
	Profile       Recording `json:"profile"`
	Options       Options   `json:"options"`
	OptionsDigest string    `json:"optionsDigest"`

	User        User              `json:"user"`
	Config      v1.ConfigFile     `json:"config"` // without rootfs and history: those follow from the layers
	Annotations map[string]string `json:"annotations"`
	Layers      []Layer           `json:"layers"`
	Entries     []Entry           `json:"entries"`
	Generated   []File            `json:"generated"`
	Dropped     []Dropped         `json:"dropped"`
	Ownership   []Ownership       `json:"ownership"`
	Packages    []Package         `json:"packages"`
	Prioritized []string          `json:"prioritized,omitempty"` // order of first access, for eStargz

	Findings []Finding `json:"findings"`
	Risks    []Risk    `json:"risks"`
	Summary  Summary   `json:"summary"`
}

// Source is the image that is made smaller.
type Source struct {
	Digest   string   `json:"digest"`
	Platform string   `json:"platform"`
	DiffIDs  []string `json:"diffIds"`
}

// Recording is what a plan says of its profile.
type Recording struct {
	Digest   string `json:"digest"`
	Sessions int    `json:"sessions"`
	Accesses int    `json:"accesses"`
	Lost     int64  `json:"lost"`
	// Derived says where accesses were carried from, what was found under
	// another name, and what was not.
	Derived []profile.Derivation `json:"derived,omitempty"`
}

// Layer is one layer of the output: those of the base, if there is one, and
// above them pare's.
type Layer struct {
	// Base says that it is the base's own: Source and SourceDiffID are of the
	// base then.
	Base bool `json:"base,omitempty"`
	// Source is the index of the source layer whose files it holds; -1 for
	// pare's own layer, and for the one of LayersSquash.
	Source       int    `json:"source"`
	SourceDiffID string `json:"sourceDiffId,omitempty"`
	CreatedBy    string `json:"createdBy"` // its line of history
	Entries      int    `json:"entries"`
	Bytes        int64  `json:"bytes"` // content of regular files
}

// Entry is one path of the output.
type Entry struct {
	Path    string `json:"path,omitempty"`
	PathB64 string `json:"path_b64,omitempty"` // in JSON, for paths that are not UTF-8
	// From is the source's path for it, where a base has other directories.
	From    string `json:"from,omitempty"`
	FromB64 string `json:"from_b64,omitempty"`
	Type    string `json:"type"`
	Mode    string `json:"mode"` // octal
	UID     int    `json:"uid"`
	GID     int    `json:"gid"`
	Size    int64  `json:"size"`
	// Source is the source layer that provides it; -1 when pare writes it, or
	// the base has it.
	Source int `json:"source"`
	// Base says that it is the base's, and Over that the base has another one,
	// which this one hides.
	Base bool `json:"base,omitempty"`
	Over bool `json:"over,omitempty"`
	// Layers are the output layers that hold it, ascending: several for
	// directories and package file lists.
	Layers  []int    `json:"layers"`
	Package string   `json:"package,omitempty"`
	Reasons []Reason `json:"reasons"`
}

// File is a copy of what pare writes itself, in one output layer.
type File struct {
	Path    string    `json:"path,omitempty"`
	PathB64 string    `json:"path_b64,omitempty"`
	Layer   int       `json:"layer"`
	Type    string    `json:"type"` // "file", "directory" or "symlink"
	Mode    string    `json:"mode"` // octal
	UID     int       `json:"uid"`
	GID     int       `json:"gid"`
	ModTime time.Time `json:"mtime"`
	Content []byte    `json:"content,omitempty"` // base64 in JSON
	// Target is a symlink's.
	Target    string `json:"target,omitempty"`
	TargetB64 string `json:"target_b64,omitempty"`
}

// Dropped is one path of the source that the output does not have.
type Dropped struct {
	Path    string `json:"path,omitempty"`
	PathB64 string `json:"path_b64,omitempty"`
	Type    string `json:"type"`
	Size    int64  `json:"size"`
	Package string `json:"package,omitempty"`
	// Rule says who took it out, if not simply nobody kept it: "drop",
	// "package-database", "source-sbom".
	Rule string `json:"rule,omitempty"`
}

// Ownership is one change of owner: state that the workload wrote, given to
// the user that the image runs as.
type Ownership struct {
	Path    string `json:"path,omitempty"`
	PathB64 string `json:"path_b64,omitempty"`
	OldUID  int    `json:"oldUid"`
	OldGID  int    `json:"oldGid"`
	UID     int    `json:"uid"`
	GID     int    `json:"gid"`
	Reason  Reason `json:"reason"`
}

// Package is one OS package of the output's database.
type Package struct {
	Name    string `json:"name"`
	Arch    string `json:"arch"`
	Version string `json:"version"`
	Files   int    `json:"files"` // kept, that are no directories
	Half    bool   `json:"half"`  // some files of it are dropped
	// Base says that the base has it, and tells its version.
	Base bool `json:"base,omitempty"`
}

const (
	planKind      = "pare.plan"
	planVersion   = 1
	pareOwnLayer  = -1
	maxPlanReason = 16
)

// planner makes a plan: what it looks at, and what it has decided so far.
type planner struct {
	*selection
	*footing  // nil on scratch
	plan      *Plan
	created   time.Time
	written   map[string]Generated // what pare writes, by path
	databases *pkgdb.Filtered
	owners    map[string]Ownership
	changed   map[string]bool         // entries that the workload changed
	refused   map[*layers.Inode]bool  // of them, those that the user cannot have
	outputs   map[string]*output      // by path of the output
	placed    map[string]map[int]bool // path of the output -> source layers whose output holds it
	out       map[int]int             // source layer -> output layer
}

// NewPlan decides user, ownership, package database, layers and config. p and
// o are those that k was selected by. An onbase.ErrUnfit says that the image
// cannot stand on the base at all.
func NewPlan(ctx context.Context, t *layers.Tree, p *profile.Profile, k *KeepSet, o Options) (*Plan, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	digest, err := p.Digest()
	if err != nil {
		return nil, err
	}
	sel := *k.selection
	sel.keep = k.clone()
	pl := &planner{
		selection: &sel, written: map[string]Generated{}, owners: map[string]Ownership{},
		changed: map[string]bool{}, refused: map[*layers.Inode]bool{},
		created: creation(t.Config(), o),
		plan: &Plan{
			SchemaVersion: planVersion, Kind: planKind, Options: o.recorded(), OptionsDigest: o.digest(),
			Source:  Source{Digest: t.Digest().String(), Platform: platformName(t.Config().Platform())},
			Profile: Recording{Digest: digest, Sessions: len(p.Sessions), Accesses: len(p.Accesses), Lost: p.Lost(), Derived: p.Derived},
		},
	}
	for _, l := range t.Layers() {
		pl.plan.Source.DiffIDs = append(pl.plan.Source.DiffIDs, l.DiffID.String())
	}
	for _, step := range []func() error{
		pl.decideAccounts, func() error { return pl.decideBase(ctx) }, pl.decideDatabase, pl.placeGenerated, pl.decideOwners, pl.checkAccess, pl.decideLayers, pl.decideConfig, pl.report,
	} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step(); err != nil {
			return nil, fmt.Errorf("planning: %w", err)
		}
	}
	return pl.plan, nil
}

// creation is the time that the output says it was made: what was asked for,
// else the source's, so that it never depends on the clock.
func creation(c *v1.ConfigFile, o Options) time.Time {
	if o.SourceDateEpoch != nil {
		return time.Unix(*o.SourceDateEpoch, 0).UTC()
	}
	if t := c.Created.Time; t.Unix() > 0 {
		return t.UTC()
	}
	return time.Unix(0, 0).UTC()
}

// decideAccounts says who the image runs as, and writes the lines that passwd
// and group lack for it.
func (pl *planner) decideAccounts() error {
	pl.plan.User = pl.who
	for _, g := range pl.who.accountFiles(pl.accounts) {
		pl.keep.generated[g.Path] = g
	}
	return nil
}

// placeGenerated completes what pare writes and makes the directories that it
// needs where the source has none.
func (pl *planner) placeGenerated() error {
	for _, p := range sortedKeys(pl.keep.generated) {
		g := pl.keep.generated[p]
		g.Path = pl.realPath(p)
		if g.Reason.Rule != "package-database" && pl.user.drops(g.Path, false) {
			pl.keep.dropped[g.Path] = "drop"
			continue
		}
		if g.Reason.Rule == ruleRuntimeMount.name && pl.baseHas(g.Path) {
			continue
		}
		g.complete(pl.find, pl.created)
		pl.written[g.Path] = g
		if pl.onBase() {
			pl.placeParentsOnBase(g.Path)
			continue
		}
		pl.keep.reasons[g.Path] = append([]Reason{g.Reason}, pl.keep.reasons[g.Path]...)
		pl.placeParents(g.Path)
		pl.placeLinks(p, g.Path)
	}
	return nil
}

// find is what a path leads to in the output, as far as it is of images.
func (pl *planner) find(p string) (*layers.Entry, error) {
	if pl.onBase() {
		_, e, err := pl.Resolve(p)
		return e, err
	}
	r, err := pl.tree.Resolve(p)
	return r.Entry, err
}

// realPath is p with the symlinks of its directory followed, as a process
// would that writes to p.
func (pl *planner) realPath(p string) string {
	if pl.onBase() {
		if at, _, err := pl.Resolve(parentOf(p)); err == nil {
			return path.Join(at, path.Base(p))
		}
		return p
	}
	if r, ok := pl.dirOf(p); ok {
		return path.Join(r.Entry.Path, path.Base(p))
	}
	return p
}

func (pl *planner) dirOf(p string) (layers.Resolution, bool) {
	r, err := pl.tree.Resolve(parentOf(p))
	return r, err == nil && r.Entry.Type == layers.Directory
}

// placeLinks keeps the symlinks on the way to p, by which others find what is
// written at real.
func (pl *planner) placeLinks(p, real string) {
	r, ok := pl.dirOf(p)
	if !ok {
		return
	}
	for _, l := range r.Links {
		if pl.keep.Add(l, Reason{Rule: "link", From: real}) {
			pl.placeParents(l)
		}
	}
}

// placeParents keeps the directories above p, and makes those that the source
// does not have.
func (pl *planner) placeParents(p string) {
	child := p
	for dir := parentOf(p); ; dir = parentOf(dir) {
		r := Reason{Rule: "parent", From: child}
		e, ok := pl.tree.Lookup(dir)
		if ok && e.Type == layers.Directory || dir == "/" {
			pl.keep.Add(dir, r)
		} else if _, made := pl.written[dir]; !made {
			pl.written[dir] = Generated{Path: dir, Header: layers.Header{Type: layers.Directory, Mode: 0o755, ModTime: pl.created}, Reason: r}
			pl.keep.reasons[dir] = []Reason{r}
		}
		if dir == "/" {
			return
		}
		child = dir
	}
}

// parentOf is p without its last component. Unlike [path.Dir] it leaves ".."
// alone, which behind a symlink is not what the text says.
func parentOf(p string) string {
	if i := strings.LastIndexByte(p, '/'); i > 0 {
		return p[:i]
	}
	return "/"
}

// keptPaths are all paths of the output, sorted.
func (pl *planner) keptPaths() []string {
	paths := make([]string, 0, len(pl.keep.reasons))
	for p := range pl.keep.reasons {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// fromSource returns the source's entry of a kept path; false when pare writes
// it itself.
func (pl *planner) fromSource(p string) (*layers.Entry, bool) {
	if _, ok := pl.written[pl.outPath(p)]; ok {
		return nil, false
	}
	return pl.tree.Lookup(p)
}
