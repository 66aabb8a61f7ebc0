package slim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pare-image/pare/layers"
)

// ErrPlan says that a document is no plan of a known version, or not one of
// the image at hand.
var ErrPlan = errors.New("invalid plan")

// maxPlan bounds a plan's JSON: two million dropped paths take half of it.
const maxPlan = 512 << 20

// Write writes the plan as JSON. Paths that are not UTF-8 are in the field
// with "_b64" behind its name instead; in lists of text they are quoted as Go
// quotes them (no path begins with a quote).
func (p *Plan) Write(w io.Writer) error {
	out := p.withPaths(func(text, b64 *string) {
		if !utf8.ValidString(*text) {
			*text, *b64 = "", base64.StdEncoding.EncodeToString([]byte(*text))
		}
	})
	out.Prioritized = nil
	for _, path := range p.Prioritized {
		out.Prioritized = append(out.Prioritized, utf8Path(path))
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("writing plan: %w", err)
	}
	return nil
}

// withPaths is a copy of the plan in which f has changed every path.
func (p *Plan) withPaths(f func(text, b64 *string)) *Plan {
	out := *p
	reasons := func(rs []Reason) []Reason {
		rs = slices.Clone(rs)
		for i := range rs {
			f(&rs[i].From, &rs[i].FromB64)
		}
		return rs
	}
	out.Entries = slices.Clone(p.Entries)
	for i := range out.Entries {
		e := &out.Entries[i]
		f(&e.Path, &e.PathB64)
		f(&e.From, &e.FromB64)
		e.Reasons = reasons(e.Reasons)
	}
	out.Generated = slices.Clone(p.Generated)
	for i := range out.Generated {
		f(&out.Generated[i].Path, &out.Generated[i].PathB64)
		f(&out.Generated[i].Target, &out.Generated[i].TargetB64)
	}
	out.Dropped = slices.Clone(p.Dropped)
	for i := range out.Dropped {
		f(&out.Dropped[i].Path, &out.Dropped[i].PathB64)
	}
	out.Ownership = slices.Clone(p.Ownership)
	for i := range out.Ownership {
		o := &out.Ownership[i]
		f(&o.Path, &o.PathB64)
		f(&o.Reason.From, &o.Reason.FromB64)
	}
	return &out
}

// ReadPlan reads what Write wrote. The error is ErrPlan for anything else.
func ReadPlan(r io.Reader) (*Plan, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPlan+1))
	if err != nil {
		return nil, fmt.Errorf("reading plan: %w", err)
	}
	if len(b) > maxPlan {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrPlan, maxPlan)
	}
	var head struct {
		SchemaVersion int    `json:"schemaVersion"`
		Kind          string `json:"kind"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrPlan, err)
	}
	if head.Kind != planKind || head.SchemaVersion < 1 || head.SchemaVersion > planVersion {
		return nil, fmt.Errorf("%w: kind %q, schema version %d; this pare reads %s up to version %d", ErrPlan, head.Kind, head.SchemaVersion, planKind, planVersion)
	}
	var p Plan
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrPlan, err)
	}
	var bad error
	out := p.withPaths(func(text, b64 *string) {
		raw, err := base64.StdEncoding.DecodeString(*b64)
		if err != nil || *text != "" && *b64 != "" {
			bad = fmt.Errorf("%w: a path in base64, and only there: %q, %q (%v)", ErrPlan, *text, *b64, err)
		}
		*text, *b64 = *text+string(raw), ""
	})
	for i, path := range out.Prioritized {
		if !strings.HasPrefix(path, `"`) {
			continue
		}
		if out.Prioritized[i], err = strconv.Unquote(path); err != nil {
			return nil, fmt.Errorf("%w: the quoted path %s", ErrPlan, path)
		}
	}
	return out, errors.Join(bad, out.check())
}

// check holds what the readers of a plan rely on.
func (p *Plan) check() error {
	for _, check := range []func() error{p.checkEntries, p.checkLayers, p.checkOwners} {
		if err := check(); err != nil {
			return fmt.Errorf("%w: %w", ErrPlan, err)
		}
	}
	return nil
}

func (p *Plan) checkEntries() error {
	last := ""
	for i := range p.Entries {
		e := &p.Entries[i]
		if !strings.HasPrefix(e.Path, "/") || i > 0 && e.Path <= last {
			return fmt.Errorf("entry %d (%q) is not an absolute path after the one before", i, e.Path)
		}
		last = e.Path
		for j, l := range e.Layers {
			if l < 0 || l >= len(p.Layers) || j > 0 && l <= e.Layers[j-1] {
				return fmt.Errorf("%q is in layers %d of %d", e.Path, e.Layers, len(p.Layers))
			}
			if e.Base && !p.Layers[l].Base && e.Type != layers.Directory.String() {
				return fmt.Errorf("%q is the base's, and in layer %d besides", e.Path, l)
			}
		}
		if len(e.Reasons) == 0 {
			return fmt.Errorf("%q has no reason", e.Path)
		}
	}
	return nil
}

// checkLayers holds that the base's layers are the lowest, and that there is at
// most one output layer for each of the source, in their order, and one of
// pare's own on top.
func (p *Plan) checkLayers() error {
	last, base := -1, true
	for i := range p.Layers {
		s := p.Layers[i].Source
		if p.Layers[i].Base {
			if !base || s != i || p.Options.Base == nil {
				return fmt.Errorf("layer %d is the base's layer %d", i, s)
			}
			continue
		}
		base = false
		if own := s == pareOwnLayer && i == len(p.Layers)-1; !own && (s <= last || s >= len(p.Source.DiffIDs)) {
			return fmt.Errorf("layer %d is of source layer %d of %d", i, s, len(p.Source.DiffIDs))
		}
		last = s
	}
	return nil
}

// maxID is the largest number of a user or group; (uid_t)-1 is none.
const maxID = 1<<32 - 2

func (p *Plan) checkOwners() error {
	bad := func(id int) bool { return id < 0 || id > maxID }
	for i := range p.Ownership {
		if o := &p.Ownership[i]; bad(o.UID) || bad(o.GID) {
			return fmt.Errorf("%q is given to %d:%d", o.Path, o.UID, o.GID)
		}
	}
	for i := range p.Generated {
		f := &p.Generated[i]
		if bad(f.UID) || bad(f.GID) || f.Layer < 0 || f.Layer >= len(p.Layers) || !isWritten(f.Type) {
			return fmt.Errorf("%q is a %s of %d:%d in layer %d of %d", f.Path, f.Type, f.UID, f.GID, f.Layer, len(p.Layers))
		}
	}
	return nil
}

// isWritten says that pare writes entries of a type.
func isWritten(kind string) bool {
	return slices.Contains([]string{layers.Regular.String(), layers.Directory.String(), layers.Symlink.String()}, kind)
}
