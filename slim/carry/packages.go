package carry

import (
	"cmp"
	"slices"

	"github.com/pare-image/pare/layers/pkgdb"
	"github.com/pare-image/pare/slim/profile"
)

// kinship says how a package of the new image goes with a recorded one.
type kinship int

// From the surest. Strangers are no successors.
const (
	samePackage kinship = iota
	successor           // another version in the name
	unrecorded          // what owned the path is not known
	stranger
)

func kin(old profile.Package, q *pkgdb.Package) kinship {
	switch {
	case old.Name == q.Name:
		return samePackage
	case packageStem(old.Name) == packageStem(q.Name) && packageStem(cmp.Or(old.Source, old.Name)) == packageStem(cmp.Or(q.Source, q.Name)):
		return successor
	}
	return stranger
}

// successors are the packages of the new image that go with a recorded one:
// those of the same name, or else those that differ in the version that is in
// the name. Of an architecture where several are installed.
func (c *carrier) successors(old profile.Package) []*pkgdb.Package {
	best := stranger
	var out []*pkgdb.Package
	for _, q := range c.byStem[packageStem(old.Name)] {
		k := kin(old, q)
		if k < best {
			best, out = k, nil
		}
		if k == best && k != stranger {
			out = append(out, q)
		}
	}
	if own := slices.DeleteFunc(slices.Clone(out), func(q *pkgdb.Package) bool { return !c.isOwn(q.Arch) }); len(own) > 0 {
		return own
	}
	return out
}

// isOwn says that packages of that architecture are the image's own.
func (c *carrier) isOwn(arch string) bool {
	a := c.arch
	return a == nil || arch == a.debian || arch == a.uname || arch == "all" || arch == "noarch"
}

// changes are the packages whose touched files are of another version now, or
// another package's.
func (c *carrier) changes() []profile.PackageChange {
	var out []profile.PackageChange
	for _, old := range c.old.Packages {
		change := profile.PackageChange{Name: old.Name, Version: old.Version}
		if q := c.heir(old); q != nil {
			change.To, change.ToVersion = q.Name, q.Version
		}
		if change.To != old.Name || change.ToVersion != old.Version {
			out = append(out, change)
		}
	}
	return out
}

// heir is the package that has most of an old one's touched paths now; the
// first by ID of equal ones; nil for none.
func (c *carrier) heir(old profile.Package) *pkgdb.Package {
	var best *pkgdb.Package
	owners := c.heirs[old.ID()]
	for q, n := range owners {
		if best == nil || n > owners[best] || n == owners[best] && q.ID() < best.ID() {
			best = q
		}
	}
	if all := c.successors(old); best == nil && len(all) > 0 {
		return all[0]
	}
	return best
}

// inherit notes that a path of an old package is of q now.
func (c *carrier) inherit(old profile.Package, q *pkgdb.Package) {
	if c.heirs[old.ID()] == nil {
		c.heirs[old.ID()] = map[*pkgdb.Package]int{}
	}
	c.heirs[old.ID()][q]++
}

func versioned(name, version string) string {
	if name == "" {
		return ""
	}
	return name + " " + version
}
