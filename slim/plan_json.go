package slim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrPlan says that a document is no plan of a known version, or not one of
// the image at hand.
var ErrPlan = errors.New("invalid plan")

// maxPlan bounds a plan's JSON: two million dropped paths take half of it.
const maxPlan = 512 << 20

// Write writes the plan as JSON. Paths that are not UTF-8 are in the field
// with "_b64" behind its name instead.
func (p *Plan) Write(w io.Writer) error {
	out := p.withPaths(func(text, b64 *string) {
		if !utf8.ValidString(*text) {
			*text, *b64 = "", base64.StdEncoding.EncodeToString([]byte(*text))
		}
	})
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
		e.Reasons = reasons(e.Reasons)
	}
	out.Generated = slices.Clone(p.Generated)
	for i := range out.Generated {
		f(&out.Generated[i].Path, &out.Generated[i].PathB64)
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
		if err != nil {
			bad = fmt.Errorf("%w: a path in base64: %v", ErrPlan, err)
		}
		*text, *b64 = *text+string(raw), ""
	})
	return out, errors.Join(bad, out.check())
}

// check holds what the readers of a plan rely on.
func (p *Plan) check() error {
	last := ""
	for i := range p.Entries {
		e := &p.Entries[i]
		if !strings.HasPrefix(e.Path, "/") || i > 0 && e.Path <= last {
			return fmt.Errorf("%w: entry %d (%q) is not an absolute path after the one before", ErrPlan, i, e.Path)
		}
		last = e.Path
		for _, l := range e.Layers {
			if l < 0 || l >= len(p.Layers) {
				return fmt.Errorf("%w: %q is in layer %d of %d", ErrPlan, e.Path, l, len(p.Layers))
			}
		}
		if len(e.Reasons) == 0 {
			return fmt.Errorf("%w: %q has no reason", ErrPlan, e.Path)
		}
	}
	for i := range p.Layers {
		if s := p.Layers[i].Source; s < pareOwnLayer || s >= len(p.Source.DiffIDs) {
			return fmt.Errorf("%w: layer %d is of source layer %d of %d", ErrPlan, i, s, len(p.Source.DiffIDs))
		}
	}
	return nil
}
