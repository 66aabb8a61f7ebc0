package profile

import (
	"cmp"
	"fmt"
	"slices"
)

// Derivation says that accesses were not seen on the profile's image but on
// another, and carried over: what was found there under another name, and what
// was not. Paths are quoted where they are not UTF-8.
type Derivation struct {
	From Image `json:"from"` // what was recorded
	// Verified says that the profile's own image was run with it since, and did
	// what was recorded.
	Verified bool            `json:"verified,omitempty"`
	Mapped   []Mapping       `json:"mapped,omitempty"`
	Gone     []Gone          `json:"gone,omitempty"`
	Changed  []PackageChange `json:"changed,omitempty"`
	// Appeared are paths that did not exist when they were asked for, and do.
	Appeared []string `json:"appeared,omitempty"`
	// Added are new files beside some that were opened or run.
	Added []string `json:"added,omitempty"`
}

// Mapping is a path that has another name in the profile's image.
type Mapping struct {
	Path string `json:"path"` // as recorded
	To   string `json:"to"`
	// How it was found: "platform", "soname", "version", "cpu-level", "moved",
	// "link" (it was reached by a link that leads elsewhere).
	How string `json:"how"`
	// Package and ToPackage own the two, "name version"; "" for none.
	Package   string `json:"package,omitempty"`
	ToPackage string `json:"toPackage,omitempty"`
}

// Gone is a path that the recorded image had, or may have had, and the
// profile's image does not.
type Gone struct {
	Path    string `json:"path"`
	Package string `json:"package,omitempty"` // that owned it, "name version"
	// InImage says that the recorded image is known to have had it; else the
	// workload may have made it.
	InImage bool `json:"inImage,omitempty"`
	// Used says that it was opened or run, and not only looked at.
	Used bool   `json:"used,omitempty"`
	Text string `json:"text"` // why nothing took its place
}

// PackageChange is an OS package of which files were touched, and that has
// another version, or name, in the profile's image.
type PackageChange struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// To is its successor's name; "" when there is none.
	To        string `json:"to,omitempty"`
	ToVersion string `json:"toVersion,omitempty"`
}

// Unverified are the derivations that nobody has verified.
func (p *Profile) Unverified() []Derivation {
	var out []Derivation
	for _, d := range p.Derived {
		if !d.Verified {
			out = append(out, d)
		}
	}
	return out
}

// AsVerified is the profile with every derivation verified: its image was run
// with it, and did what was recorded.
func (p *Profile) AsVerified() *Profile {
	out := *p
	out.Derived = slices.Clone(p.Derived)
	for i := range out.Derived {
		out.Derived[i].Verified = true
	}
	return &out
}

func compareImages(a, b Image) int {
	return cmp.Or(cmp.Compare(a.Config, b.Config), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.CPULevel, b.CPULevel))
}

// normalizeDerived sorts derivations and unites those from one image.
func (p *Profile) normalizeDerived() {
	all := slices.Clone(p.Derived)
	slices.SortStableFunc(all, func(a, b Derivation) int { return compareImages(a.From, b.From) })
	out := all[:0]
	for _, d := range all {
		if n := len(out); n > 0 && out[n-1].From == d.From {
			d = out[n-1].with(d)
			out = out[:n-1]
		}
		out = append(out, d.sorted())
	}
	p.Derived = out
}

// with unites two derivations; they are verified if both are.
func (d Derivation) with(e Derivation) Derivation {
	return Derivation{
		From: d.From, Verified: d.Verified && e.Verified,
		Mapped: slices.Concat(d.Mapped, e.Mapped), Gone: slices.Concat(d.Gone, e.Gone), Changed: slices.Concat(d.Changed, e.Changed),
		Appeared: slices.Concat(d.Appeared, e.Appeared), Added: slices.Concat(d.Added, e.Added),
	}
}

func (d Derivation) sorted() Derivation {
	d.Mapped = sortedBy(d.Mapped, func(a, b Mapping) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.To, b.To), cmp.Compare(a.How, b.How), cmp.Compare(a.Package, b.Package), cmp.Compare(a.ToPackage, b.ToPackage))
	})
	d.Gone = sortedBy(d.Gone, func(a, b Gone) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Package, b.Package), cmp.Compare(a.Text, b.Text), compareBool(a.InImage, b.InImage), compareBool(a.Used, b.Used))
	})
	d.Changed = sortedBy(d.Changed, func(a, b PackageChange) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.To, b.To), cmp.Compare(a.ToVersion, b.ToVersion))
	})
	d.Appeared, d.Added = sorted(d.Appeared), sorted(d.Added)
	return d
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// sortedBy returns a sorted copy without duplicates; nil when empty.
func sortedBy[T comparable](l []T, compare func(a, b T) int) []T {
	if len(l) == 0 {
		return nil
	}
	l = slices.Clone(l)
	slices.SortFunc(l, compare)
	return slices.Compact(l)
}

// checkDerived holds the bounds of what was read.
func (p *Profile) checkDerived() error {
	if len(p.Derived) > maxList {
		return fmt.Errorf("derived from %d images, at most %d", len(p.Derived), maxList)
	}
	for _, d := range p.Derived {
		if n := max(len(d.Mapped), len(d.Gone), len(d.Changed), len(d.Appeared), len(d.Added)); n > 2*maxAccesses {
			return fmt.Errorf("a derivation with a list of %d, at most %d", n, 2*maxAccesses)
		}
	}
	return nil
}
