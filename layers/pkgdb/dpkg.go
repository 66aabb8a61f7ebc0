package pkgdb

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// dpkg's administrative directory (dpkg(1), FILES).
const (
	adminDir   = "/var/lib/dpkg"
	statusFile = adminDir + "/status"
	infoDir    = adminDir + "/info"
	statusDir  = adminDir + "/status.d"
)

// read returns a database file's content; nil when there is none.
func (d *DB) read(p string, limit int64) ([]byte, error) {
	r, err := d.tree.Resolve(p)
	if err != nil || r.Entry.Type != layers.Regular {
		return nil, nil //nolint:nilerr // absent is no error
	}
	b, err := d.tree.ReadContent(r.Entry.Inode, limit)
	if err != nil {
		return nil, fmt.Errorf("reading package database: %s: %w", p, err)
	}
	return b, nil
}

// readDpkg reads the status file and each package's list.
func (d *DB) readDpkg() error {
	b, err := d.read(statusFile, maxStatus)
	if err != nil || b == nil {
		return err
	}
	ps, err := parseStatus(b)
	if err != nil {
		return fmt.Errorf("reading package database: %s: %w", statusFile, err)
	}
	if len(ps) == 0 {
		return nil // distroless images carry an empty one beside status.d
	}
	d.Format = "dpkg"
	d.order = ps
	if err := d.readDiversions(); err != nil {
		return err
	}
	if err := d.checkLists(); err != nil {
		return err
	}
	for _, p := range ps {
		list, err := d.read(d.infoFile(p, "list"), maxList)
		if err != nil {
			return err
		}
		if list == nil {
			d.Unlisted = append(d.Unlisted, p.ID())
		}
		p.list = splitLines(list)
		d.ownList(p)
	}
	return nil
}

// ownList gives p what its list names.
func (d *DB) ownList(p *Package) {
	dirs := parents(p.list)
	for _, line := range p.list {
		if strings.HasPrefix(line, "/") && line != "/." {
			d.own(p, d.divert(p, line), dirs[line])
		}
	}
	d.settle(p)
}

// checkLists bounds the lists of all packages together, since many names may
// lead to one file of the greatest size.
func (d *DB) checkLists() error {
	var sum int64
	for _, p := range d.order {
		for _, kind := range []string{"list", "md5sums"} {
			if r, err := d.tree.Resolve(d.infoFile(p, kind)); err == nil {
				sum += r.Entry.Size
			}
		}
	}
	if sum > maxLists {
		return fmt.Errorf("reading package database: %w: lists of %d bytes, at most %d", layers.ErrLimit, sum, maxLists)
	}
	return nil
}

// parents are the names in a list that have others below them: directories
// to the package, even where the tree has a symlink (/lib after usr-merge).
func parents(list []string) map[string]bool {
	dirs := map[string]bool{}
	for _, line := range list {
		dirs[path.Dir(line)] = true
	}
	return dirs
}

// infoFile is a package's file in the info directory: with the architecture
// in its name for Multi-Arch: same packages, and in other packages' of a
// foreign architecture.
func (d *DB) infoFile(p *Package, kind string) string {
	qualified := infoDir + "/" + p.Name + ":" + p.Arch + "." + kind
	if _, err := d.tree.ResolveLink(qualified); err == nil || p.multiSame {
		return qualified
	}
	return infoDir + "/" + p.Name + "." + kind
}

func splitLines(b []byte) []string {
	s := strings.TrimSuffix(string(b), "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// diversion says that a path of all packages but one goes to another name
// (dpkg-divert(1)).
type diversion struct{ from, to, by string }

func (d *DB) readDiversions() error {
	b, err := d.read(adminDir+"/diversions", maxList)
	if err != nil {
		return err
	}
	d.divertBy(splitLines(b))
	return nil
}

// divertBy takes the diversions file: three lines each.
func (d *DB) divertBy(lines []string) {
	for l := lines; len(l) >= 3; l = l[3:] {
		v := diversion{l[0], l[1], l[2]}
		d.diversions = append(d.diversions, v)
		if d.diverted == nil {
			d.diverted = map[string][]diversion{}
		}
		d.diverted[v.from] = append(d.diverted[v.from], v)
	}
}

// divert is where p's file called name is.
func (d *DB) divert(p *Package, name string) string {
	for _, v := range d.diverted[name] {
		if v.by != p.Name {
			return v.to
		}
	}
	return name
}

// readStatusD reads the form of distroless images: a stanza a file, ownership
// from md5sums alone.
func (d *DB) readStatusD() error {
	for _, e := range d.list(statusDir) {
		if e.Type != layers.Regular || strings.HasSuffix(e.Path, ".md5sums") {
			continue
		}
		b, err := d.read(e.Path, maxList)
		if err != nil {
			return err
		}
		ps, err := parseStatus(b)
		if err != nil || len(ps) != 1 {
			return fmt.Errorf("reading package database: %s: want one stanza, found %d (%v)", e.Path, len(ps), err)
		}
		if d.Format == "" {
			d.Format = "status.d"
		}
		p := ps[0]
		p.file = e.Path
		sums, err := d.read(e.Path+".md5sums", maxList)
		if err != nil {
			return err
		}
		if sums == nil {
			d.Unlisted = append(d.Unlisted, p.ID())
		}
		p.list = splitLines(sums)
		for _, line := range p.list {
			if _, name, ok := strings.Cut(line, "  "); ok {
				d.own(p, path.Join("/", name), false)
			}
		}
		d.settle(p)
		d.order = append(d.order, p)
	}
	return nil
}

// list returns what is in a directory of the database, which may be behind a
// symlink.
func (d *DB) list(dir string) []*layers.Entry {
	r, err := d.tree.Resolve(dir)
	if err != nil {
		return nil
	}
	return d.tree.Children(r.Entry.Path)
}

// DatabasePaths are the entries that are the database itself, and those that
// its symlinks lead to: none of them may be carried over as it is. Sorted.
func (d *DB) DatabasePaths() []string {
	var out []string
	var walk func(entries []*layers.Entry)
	walk = func(entries []*layers.Entry) {
		for _, e := range entries {
			if e.Type == layers.Directory {
				walk(d.tree.Children(e.Path))
				continue
			}
			out = append(out, e.Path)
			if e.Type == layers.Symlink && IsDatabase(e.Path) {
				out = append(out, d.file(e.Path)...)
			}
		}
	}
	walk(d.list(adminDir))
	walk(d.apkEntries())
	walk(d.rpmEntries())
	for _, p := range d.Unsupported {
		out = append(out, d.file(p)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// file is the regular file that p names, if it does.
func (d *DB) file(p string) []string {
	if r, err := d.tree.Resolve(p); err == nil && r.Entry.Type == layers.Regular {
		return []string{r.Entry.Path}
	}
	return nil
}
