package pkgdb

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"github.com/pare-image/pare/layers"
)

// rpmDirs are where rpm keeps its database.
var rpmDirs = []string{"/var/lib/rpm", "/usr/lib/sysimage/rpm"}

// rpmTable has the headers; all others are indexes of rpm's own.
const rpmTable = "Packages"

// rpmSQLite is its file since rpm 4.16; older forms cannot be filtered.
const rpmSQLite = "rpmdb.sqlite"

// rpmRecord is a package in rpm's database: its number there, and its header.
type rpmRecord struct {
	number int64
	header []byte
}

// readRPM reads rpm's database in SQLite: a table of headers.
func (d *DB) readRPM() error {
	at := slices.IndexFunc(rpmDirs, func(dir string) bool { return d.file(path.Join(dir, rpmSQLite)) != nil })
	if at < 0 {
		return nil
	}
	file := path.Join(rpmDirs[at], rpmSQLite)
	if !d.settled(file) {
		d.Unsupported = append(d.Unsupported, file)
		return nil
	}
	b, err := d.read(file, maxLists)
	if err != nil {
		return err
	}
	d.rpmFile = file
	if err := d.addRPMs(b); err != nil {
		return fmt.Errorf("reading package database: %s: %w", file, err)
	}
	if d.Format == "" && len(d.order) > 0 {
		d.Format = "rpm"
	}
	return nil
}

// settled says that nothing is left in SQLite's log beside a database.
func (d *DB) settled(file string) bool {
	for _, suffix := range []string{"-wal", "-journal"} {
		if r, err := d.tree.Resolve(file + suffix); err == nil && r.Entry.Size > 0 {
			return false
		}
	}
	return true
}

func (d *DB) addRPMs(b []byte) error {
	f, err := openSQLite(b)
	if err != nil {
		return err
	}
	rows, err := f.table(rpmTable)
	if err != nil {
		return err
	}
	if d.rpmSchema, err = f.schema(); err != nil {
		return err
	}
	if len(rows) > maxPackages {
		return fmt.Errorf("more than %d packages", maxPackages)
	}
	for _, r := range rows { // hnum, which is the row's ID, and blob
		if len(r.values) < 2 {
			return fmt.Errorf("%w: row %d has no header", errSQLite, r.id)
		}
		p, files, err := rpmPackage(r.values[1].b)
		if err != nil {
			return fmt.Errorf("package %d: %w", r.id, err)
		}
		p.rpm.number = r.id
		for _, file := range files {
			d.own(p, file.name, file.directory)
		}
		d.settle(p)
		d.order = append(d.order, p)
	}
	return nil
}

// rpmDatabase is the database of the packages that stay; nil for none. Headers
// stay to the letter, as they are signed: of a package that lost files they
// name more than there is. rpm's indexes are there and empty: rpm lists all
// packages, and finds one by name after rpm --rebuilddb.
func (d *DB) rpmDatabase(stay []*Package) []File {
	var rows []blob
	for _, p := range stay {
		if p.rpm != nil {
			rows = append(rows, blob{p.rpm.number, p.rpm.header})
		}
	}
	if rows == nil {
		return nil
	}
	slices.SortFunc(rows, func(a, b blob) int { return cmp.Compare(a.id, b.id) })
	objects := slices.Clone(d.rpmSchema)
	for i := range objects {
		if objects[i].name == rpmTable {
			objects[i].rows = rows
		}
	}
	return []File{{Path: d.rpmFile, Content: writeSQLite(objects), Like: d.rpmFile}}
}

// rpmEntries are rpm's database and what is beside it: logs and locks.
func (d *DB) rpmEntries() []*layers.Entry {
	if d.rpmFile == "" {
		return nil
	}
	return d.list(path.Dir(d.rpmFile))
}
