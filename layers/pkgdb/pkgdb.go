package pkgdb

import "github.com/pare-image/pare/layers"

// Package is one installed package of the image's database.
type Package struct {
	Name    string `json:"name"`
	Arch    string `json:"arch"`
	Version string `json:"version"`
	Source  string `json:"source,omitempty"`
	// Essential, Depends ... more as needed
	Depends []string `json:"-"` // raw alternatives, Pre-Depends included
	// Paths the package owns, resolved in the tree (usr-merge, diversions), sorted.
	Paths []string `json:"-"`
}

// ID is "name:arch" as dpkg prints it for Multi-Arch: same packages, else "name".
func (p *Package) ID() string { panic("contract") }

// DB is an image's package database.
type DB struct {
	// Format is "dpkg", or "" when the image has no database.
	Format string
	// Unsupported names databases found that cannot be filtered yet ("apk", "rpm").
	Unsupported []string
}

// Read finds and reads the image's package database. An image without one
// gives an empty DB.
func Read(t *layers.Tree) (*DB, error) { panic("contract") }

// Packages lists installed packages sorted by ID.
func (d *DB) Packages() []*Package { panic("contract") }

// Owner returns the package that owns the resolved path of an entry (a
// regular file or symlink; directories have no single owner).
func (d *DB) Owner(path string) (*Package, bool) { panic("contract") }

// DatabasePaths are the entries that are the database itself and must be
// replaced by a filtered one.
func (d *DB) DatabasePaths() []string { panic("contract") }

// File is one file of a filtered database.
type File struct {
	Path    string
	Content []byte
	// Package whose list this is; "" for the status file. Layered files
	// belong in the layer that holds the package's files.
	Package string
	// Like is the entry whose header (owner, mode, mtime) the file takes.
	Like string
	// Covers lists the kept paths this list names, so that a copy can be put in each layer that holds some of them.
	Covers []string
}

// Filtered is a package database that tells the truth about a part of the image.
type Filtered struct {
	Files    []File
	Packages []*Package // that still own a kept regular file or symlink
	Half     []*Package // of those, the ones that lost a file
}

// Filter returns the database for the kept paths.
func (d *DB) Filter(kept func(path string) bool) (*Filtered, error) { panic("contract") }
