package profile

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Schema is the JSON Schema of the format.
//
//go:embed schema.json
var Schema []byte

// Bounds of a document. A recording of every file of a 2 GB image stays
// below a tenth of them.
const (
	maxDocument = 128 << 20
	maxAccesses = 1_000_000
	maxPath     = 4096
	maxList     = 10_000
	maxPackages = 200_000
)

const (
	schemaVersion = 1
	kindName      = "pare.profile"
)

// document is the JSON form.
type document struct {
	SchemaVersion int       `json:"schemaVersion"`
	Kind          string    `json:"kind"`
	Image         Image     `json:"image"`
	Sessions      []Session `json:"sessions"`
	Ports         []int     `json:"ports,omitempty"`
	Users         []User    `json:"users,omitempty"`
	Home          []string  `json:"home,omitempty"`
	// Of the recorded image.
	Packages    []Package         `json:"packages,omitempty"`
	Directories []directoryRecord `json:"directories,omitempty"`
	Derived     []Derivation      `json:"derived,omitempty"`

	Accesses []accessRecord `json:"accesses"`
}

// accessRecord holds a path as text, or in base64 when it is not UTF-8.
type accessRecord struct {
	Path        string   `json:"path,omitempty"`
	PathB64     []byte   `json:"path_b64,omitempty"`
	Resolved    string   `json:"resolved,omitempty"`
	ResolvedB64 []byte   `json:"resolved_b64,omitempty"`
	Exists      bool     `json:"exists"`
	Kinds       []Kind   `json:"kinds"`
	FirstMS     int64    `json:"firstMs"`
	By          []string `json:"by,omitempty"`
	Package     string   `json:"package,omitempty"`
	Origin      Origin   `json:"origin,omitempty"`
}

// Write writes the canonical JSON: same profile, same bytes; one access a line.
func (p *Profile) Write(w io.Writer) error {
	d := document{
		SchemaVersion: schemaVersion, Kind: kindName, Image: p.Image, Sessions: p.Sessions,
		Ports: p.Ports, Users: p.Users, Home: p.Home,
		Packages: p.Packages, Directories: directoryRecords(p.Directories), Derived: p.Derived,
	}
	if d.Sessions == nil {
		d.Sessions = []Session{}
	}
	head, err := encode(d, " ")
	if err != nil {
		return fmt.Errorf("writing profile: %w", err)
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(bytes.TrimSpace(head), []byte(": null\n}")))
	b.WriteString(": [")
	for i, a := range p.Accesses {
		line, err := encode(record(a), "")
		if err != nil {
			return fmt.Errorf("writing profile: %w", err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n  ")
		b.Write(bytes.TrimSpace(line))
	}
	b.WriteString("\n ]\n}\n")
	_, err = w.Write(b.Bytes())
	return err
}

func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	err := e.Encode(v)
	return b.Bytes(), err
}

func record(a Access) accessRecord {
	r := accessRecord{Exists: a.Exists, Kinds: a.Kinds, FirstMS: a.FirstMS, By: a.By, Package: a.Package, Origin: a.Origin}
	if r.Path = a.Path; !utf8.ValidString(a.Path) {
		r.Path, r.PathB64 = "", []byte(a.Path)
	}
	if r.Resolved = a.Resolved; !utf8.ValidString(a.Resolved) {
		r.Resolved, r.ResolvedB64 = "", []byte(a.Resolved)
	}
	return r
}

// Digest is the sha256 of the canonical JSON, "sha256:…".
func (p *Profile) Digest() (string, error) {
	h := sha256.New()
	if err := p.Write(h); err != nil {
		return "", err
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil)), nil
}

// Read parses a profile strictly (unknown fields, duplicates and malformed
// paths are errors) and within bounds. Lists may come in any order.
func Read(r io.Reader) (*Profile, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("reading profile: %w", err)
	}
	if len(b) > maxDocument {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrInvalid, maxDocument)
	}
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%w: not UTF-8; paths that are not go into path_b64", ErrInvalid)
	}
	var d document
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("%w: byte %d: %v", ErrInvalid, dec.InputOffset(), err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more data after the profile, at byte %d", ErrInvalid, dec.InputOffset())
	}
	return d.profile()
}

func (d *document) profile() (*Profile, error) {
	if d.Kind != kindName || d.SchemaVersion != schemaVersion {
		return nil, fmt.Errorf("%w: kind %s, schema version %d; this pare reads %s, version %d", ErrInvalid, strconv.Quote(d.Kind), d.SchemaVersion, kindName, schemaVersion)
	}
	if len(d.Accesses) > maxAccesses || len(d.Sessions) > maxList || len(d.Ports) > maxList || len(d.Users) > maxList || len(d.Home) > maxList {
		return nil, fmt.Errorf("%w: more than %d accesses or %d sessions, ports, users or homes", ErrInvalid, maxAccesses, maxList)
	}
	if len(d.Packages) > maxPackages || len(d.Directories) > maxAccesses {
		return nil, fmt.Errorf("%w: more than %d packages or %d directories", ErrInvalid, maxPackages, maxAccesses)
	}
	p := &Profile{
		Image: d.Image, Sessions: d.Sessions, Ports: d.Ports, Users: d.Users, Home: d.Home, Accesses: make([]Access, 0, len(d.Accesses)),
		Packages: d.Packages, Derived: d.Derived,
	}
	for i, r := range d.Accesses {
		a, err := r.access()
		if err != nil {
			return nil, fmt.Errorf("%w: access %d: %s: %v", ErrInvalid, i, strconv.Quote(a.Path), err)
		}
		p.Accesses = append(p.Accesses, a)
	}
	for _, s := range p.Sessions {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("%w: session %s: %v", ErrInvalid, strconv.Quote(s.ID), err)
		}
	}
	for _, u := range p.Users {
		if u.UID < 0 || u.GID < 0 || u.UID > math.MaxInt32 || u.GID > math.MaxInt32 {
			return nil, fmt.Errorf("%w: user %d:%d; numbers go from 0 to %d", ErrInvalid, u.UID, u.GID, math.MaxInt32)
		}
	}
	for _, h := range p.Home {
		if err := checkPath(h); err != nil {
			return nil, fmt.Errorf("%w: home %s: %v", ErrInvalid, strconv.Quote(h), err)
		}
	}
	for i, r := range d.Directories {
		dir, err := r.directory()
		if err != nil {
			return nil, fmt.Errorf("%w: directory %d: %s: %v", ErrInvalid, i, strconv.Quote(dir.Path), err)
		}
		p.Directories = append(p.Directories, dir)
	}
	p.normalize()
	if len(p.Accesses) != len(d.Accesses) || len(p.Sessions) != len(d.Sessions) {
		return nil, fmt.Errorf("%w: a path or session occurs twice", ErrInvalid)
	}
	if err := errors.Join(p.checkOrigins(), p.checkDerived()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return p, nil
}

func (r *accessRecord) access() (Access, error) {
	a := Access{Path: r.Path + string(r.PathB64), Resolved: r.Resolved + string(r.ResolvedB64), Exists: r.Exists, Kinds: r.Kinds, FirstMS: r.FirstMS, By: r.By, Package: r.Package, Origin: r.Origin}
	if r.Path != "" && r.PathB64 != nil || r.Resolved != "" && r.ResolvedB64 != nil {
		return a, errors.New("both text and base64")
	}
	if err := checkPath(a.Path); err != nil {
		return a, err
	}
	if a.Resolved != "" {
		if err := checkPath(a.Resolved); err != nil {
			return a, fmt.Errorf("resolved: %w", err)
		}
	}
	if len(a.Kinds) == 0 || len(a.Kinds) > len(kinds) || len(a.By) > MaxBy || a.FirstMS < 0 {
		return a, fmt.Errorf("want 1 to %d kinds, at most %d executables, no negative time", len(kinds), MaxBy)
	}
	for _, k := range a.Kinds {
		if !slices.Contains(kinds, k) {
			return a, fmt.Errorf("unknown kind %s", strconv.Quote(string(k)))
		}
	}
	return a, nil
}

// WritePaths writes the paths that existed, one a line; those with a newline
// in them cannot be told apart and are an error.
func (p *Profile) WritePaths(w io.Writer) error {
	var b bytes.Buffer
	for _, a := range p.Accesses {
		if !a.Exists {
			continue
		}
		if bytes.ContainsRune([]byte(a.Path), '\n') {
			return fmt.Errorf("writing path list: %s holds a newline", strconv.Quote(a.Path))
		}
		b.WriteString(a.Path)
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}
