package pkgdb

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// apkFiles are where apk keeps its database: in /usr/lib since apk-tools 3.
var apkFiles = []string{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}

// apkRecord is a package's record in apk's database.
type apkRecord struct {
	about []string // lines about the package, to the letter
	dirs  []apkDir
}

// apkDir is a directory of a package with its files.
type apkDir struct {
	name  string   // without a slash before it; "" is the root
	about []string // its F: line and what follows it: mode and owner
	files []apkFile
}

type apkFile struct {
	name  string
	about []string // its R: line and what follows it
}

// readApk reads apk's database (apk-tools, doc/apk_db(5), "installed"): records
// of lines "X:value", with a blank line after each.
func (d *DB) readApk() error {
	at := slices.IndexFunc(apkFiles, func(p string) bool { return d.file(p) != nil })
	if at < 0 {
		return nil
	}
	b, err := d.read(apkFiles[at], maxStatus)
	if err != nil {
		return err
	}
	d.apkFile = apkFiles[at]
	for n, raw := range stanzas(b) {
		p, err := parseApk(raw)
		if err == nil && n == maxPackages {
			err = fmt.Errorf("more than %d packages", maxPackages)
		}
		if err != nil {
			return fmt.Errorf("reading package database: %s: record %d: %w", d.apkFile, n+1, err)
		}
		for _, dir := range p.apk.dirs {
			d.own(p, path.Join("/", dir.name), true)
			for _, f := range dir.files {
				d.own(p, path.Join("/", dir.name, f.name), false)
			}
		}
		d.settle(p)
		d.order = append(d.order, p)
	}
	if d.Format == "" && len(d.order) > 0 {
		d.Format = "apk"
	}
	return nil
}

func parseApk(raw []byte) (*Package, error) {
	p := &Package{apk: &apkRecord{}}
	for line := range strings.SplitSeq(string(raw), "\n") {
		key, value, ok := strings.Cut(line, ":")
		if !ok || len(key) != 1 {
			return nil, fmt.Errorf("%q is no line of it", line)
		}
		if err := p.addApk(key[0], value, line); err != nil {
			return nil, err
		}
	}
	if p.Name == "" || strings.ContainsFunc(p.Name+p.Arch, notInNames) {
		return nil, fmt.Errorf("%q of architecture %q is no package name", p.Name, p.Arch)
	}
	if p.Source == "" {
		p.Source = p.Name
	}
	return p, nil
}

// addApk takes one line. Those about a file or a directory follow its own.
func (p *Package) addApk(key byte, value, line string) error {
	r := p.apk
	last := len(r.dirs) - 1
	switch {
	case key == 'F':
		r.dirs = append(r.dirs, apkDir{name: value, about: []string{line}})
	case key == 'R' && last < 0:
		return fmt.Errorf("%q has no directory before it", line)
	case key == 'R':
		r.dirs[last].files = append(r.dirs[last].files, apkFile{value, []string{line}})
	case last < 0 || !strings.ContainsRune("MaZ", rune(key)):
		r.about = append(r.about, line)
		p.describeApk(key, value)
	case len(r.dirs[last].files) == 0:
		r.dirs[last].about = append(r.dirs[last].about, line)
	default:
		f := &r.dirs[last].files[len(r.dirs[last].files)-1]
		f.about = append(f.about, line)
	}
	return nil
}

func (p *Package) describeApk(key byte, value string) {
	switch key {
	case 'P':
		p.Name = value
	case 'V':
		p.Version = value
	case 'A':
		p.Arch = value
	case 'o':
		p.Source = value
	case 'D':
		for name := range strings.FieldsSeq(value) {
			if name = apkName(name); !strings.HasPrefix(name, "!") { // a conflict
				p.depends = append(p.depends, []string{name})
			}
		}
	case 'p':
		for name := range strings.FieldsSeq(value) {
			p.provides = append(p.provides, apkName(name))
		}
	}
}

// apkName is a dependency or provider without its version and repository:
// "so:libssl.so.3=3.1.4", "busybox>=1.36", "a@edge".
func apkName(s string) string {
	if i := strings.IndexAny(s, "<>=~@"); i >= 0 {
		return s[:i]
	}
	return s
}

// filterApk is p's record for the entries that kept takes.
func (d *DB) filterApk(p *Package, kept func(string) bool) []byte {
	lines := slices.Clone(p.apk.about)
	for _, dir := range p.apk.dirs {
		lines = append(lines, d.filterApkDir(dir, kept)...)
	}
	return []byte(strings.Join(lines, "\n") + "\n\n")
}

// filterApkDir is a directory with its kept files; nothing when neither it nor
// one of them is kept. A name through a link that is not kept would mean
// nothing: it is written as it is without.
func (d *DB) filterApkDir(dir apkDir, kept func(string) bool) []string {
	at := d.names.place(path.Join("/", dir.name))
	if at.dir == nil {
		return nil
	}
	lines := slices.Clone(dir.about)
	if slices.ContainsFunc(at.links, func(l string) bool { return !kept(l) }) {
		lines[0] = "F:" + strings.TrimPrefix(at.dir.Path, "/")
	}
	head := len(lines)
	for _, f := range dir.files {
		if e, _ := d.names.find(path.Join("/", dir.name, f.name)); e != nil && kept(e.Path) {
			lines = append(lines, f.about...)
		}
	}
	if len(lines) == head && !kept(at.dir.Path) {
		return nil
	}
	return lines
}

// apkDatabase is the database of the packages that stay; nil for none.
func (d *DB) apkDatabase(stay []*Package, kept func(string) bool) []File {
	var b bytes.Buffer
	for _, p := range stay {
		if p.apk != nil {
			b.Write(d.filterApk(p, kept))
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return []File{{Path: d.apkFile, Content: b.Bytes(), Like: d.apkFile}}
}

// apkEntries are apk's database and what is beside it: scripts, triggers.
func (d *DB) apkEntries() []*layers.Entry {
	if d.apkFile == "" {
		return nil
	}
	return d.list(path.Dir(d.apkFile))
}
