// Package pkgdb says which package owns a path of an image, and writes a
// package database that tells the truth about a part of the image.
//
// Debian's database is read and written, in dpkg's own form and in the
// status.d form of distroless images; so are Alpine's (apk), and rpm's where it
// is SQLite. Others are found and named, so that nobody takes an image without
// its database for one without packages.
package pkgdb

import (
	"cmp"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// Package is one installed package of the image's database.
type Package struct {
	Name    string `json:"name"`
	Arch    string `json:"arch"`
	Version string `json:"version"`
	// Source is the source package's name, without its version.
	Source string `json:"source"`

	stanza    []byte // to the letter, without the blank line after it
	multiSame bool
	apk       *apkRecord // nil in other databases
	rpm       *rpmRecord // likewise
	file      string     // its file in status.d; "" in other databases
	paths     []string   // entries it owns, resolved, sorted; directories too
	owned     []string   // of them, those that are no directories
	list      []string   // lines of its .list or .md5sums file
	depends   [][]string // Pre-Depends and Depends: alternatives by name
	provides  []string
}

// ID is "name:arch" for packages of which several architectures can be
// installed (Multi-Arch: same), else "name", as dpkg prints it.
func (p *Package) ID() string {
	if p.multiSame {
		return p.Name + ":" + p.Arch
	}
	return p.Name
}

// Paths are the entries that the package owns (regular files, symlinks,
// directories), as they are in the tree: links and diversions on the way
// followed. Sorted.
func (p *Package) Paths() []string { return p.paths }

// DB is an image's package database.
type DB struct {
	// Format is "dpkg", "status.d", "apk" or "rpm", "" when the image has no database that
	// can be filtered.
	Format string
	// Unsupported are the paths of databases that cannot be filtered yet.
	Unsupported []string
	// Unlisted are the installed packages, by ID, that have no list of their
	// files: what they own cannot be told.
	Unlisted []string

	tree       *layers.Tree
	packages   []*Package // by ID
	order      []*Package // as in the status file
	owners     map[string][]*Package
	diversions []diversion
	diverted   map[string][]diversion // by the name that is diverted
	names      names
	apkFile    string // "" when apk has no database here
	rpmFile    string // likewise
	rpmSchema  []sqliteObject
	byName     map[string][]*Package
	provided   map[string]*Package // the first by ID
}

// Read finds and reads the image's package database. An image without one
// gives an empty DB.
func Read(t *layers.Tree) (*DB, error) {
	d := &DB{tree: t, owners: map[string][]*Package{}, names: names{tree: t}}
	for _, p := range unsupported {
		if e, err := t.Resolve(p); err == nil && (e.Entry.Type == layers.Regular || e.Entry.Type == layers.Directory) {
			d.Unsupported = append(d.Unsupported, p)
		}
	}
	if err := d.readDpkg(); err != nil {
		return nil, err
	}
	if err := d.readStatusD(); err != nil {
		return nil, err
	}
	if err := d.readApk(); err != nil {
		return nil, err
	}
	if err := d.readRPM(); err != nil {
		return nil, err
	}
	d.packages = slices.Clone(d.order)
	slices.SortStableFunc(d.packages, func(a, b *Package) int { return cmp.Compare(a.ID(), b.ID()) })
	d.index()
	return d, nil
}

// unsupported are where older rpm, opkg and pacman keep their databases.
var unsupported = []string{
	"/usr/lib/sysimage/rpm/Packages", "/usr/lib/sysimage/rpm/Packages.db",
	"/var/lib/rpm/Packages", "/var/lib/rpm/Packages.db",
	"/usr/lib/opkg/status", "/var/lib/opkg/status", "/var/lib/pacman/local",
	"/var/lib/rpmmanifest/container-manifest-1", "/var/lib/rpmmanifest/container-manifest-2",
}

// Packages lists installed packages sorted by ID.
func (d *DB) Packages() []*Package { return d.packages }

// Owner returns the package that owns an entry, by its path in the tree. A
// link of the alternatives system belongs to the package that it leads to.
// Directories have no single owner. A path of several packages (of two
// architectures) has the first by ID.
func (d *DB) Owner(path string) (*Package, bool) {
	if o := d.owners[path]; len(o) > 0 {
		return o[0], true
	}
	e, ok := d.tree.Lookup(path)
	if !ok || e.Type != layers.Symlink {
		return nil, false
	}
	if !strings.HasPrefix(path, alternatives) && !strings.HasPrefix(e.Linkname, alternatives) {
		return nil, false
	}
	to, err := d.tree.Resolve(path)
	if err != nil || len(d.owners[to.Entry.Path]) == 0 {
		return nil, false
	}
	return d.owners[to.Entry.Path][0], true
}

const alternatives = "/etc/alternatives/"

// own gives p the entry that name means. What is a directory to the package
// is shared, whatever the tree has there.
func (d *DB) own(p *Package, name string, directory bool) {
	e, _ := d.names.find(name)
	if e == nil {
		return // deleted since it was installed: slimmed docs, path-exclude
	}
	p.paths = append(p.paths, e.Path)
	if directory || e.Type == layers.Directory {
		return
	}
	p.owned = append(p.owned, e.Path)
	// Packages come one after the other: one that owns the path is the last.
	if o := d.owners[e.Path]; len(o) == 0 || o[len(o)-1] != p {
		d.owners[e.Path] = append(o, p)
	}
}

// settle sorts what own collected.
func (d *DB) settle(p *Package) {
	slices.Sort(p.paths)
	p.paths = slices.Compact(p.paths)
	slices.Sort(p.owned)
	p.owned = slices.Compact(p.owned)
}

// Copyright is where a package's licence is (Debian policy 12.5); the
// directory may be a link to another package's.
func (p *Package) Copyright() string { return "/usr/share/doc/" + p.Name + "/copyright" }
