package pkgdb

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// File is one file of a filtered database.
type File struct {
	Path    string
	Content []byte
	// Package whose list this is, by ID; "" for files about all packages.
	Package string
	// Like is the entry whose owner, mode and mtime the file takes.
	Like string
	// Covers are the kept paths that the list names: a copy belongs into
	// each layer that holds some of them.
	Covers []string
}

// Filtered is a package database that tells the truth about a part of the image.
type Filtered struct {
	Files    []File     // sorted by path
	Packages []*Package // that still own a kept regular file or symlink
	Half     []*Package // of those, the ones that lost a file
}

// Filter returns the database for the entries that kept takes, by their path
// in the tree. A package stays if it still owns a kept entry that is no
// directory; then its stanza stays to the letter (but for Conffiles lines of
// dropped files) and so do the lines of its lists that are about kept
// entries. Where a line goes through a symlink that is not kept (/lib of a
// merged /usr), it takes the entry's own path: else it would name nothing.
// Maintainer scripts, triggers and the alternatives database do not
// stay: nothing in a slim image can run them.
func (d *DB) Filter(kept func(path string) bool) *Filtered {
	f := &Filtered{}
	var status bytes.Buffer
	names := map[string]bool{}
	for _, p := range d.order {
		covers := d.covers(p, kept)
		if len(covers) == 0 {
			continue
		}
		f.Packages = append(f.Packages, p)
		names[p.Name] = true
		if len(covers) < len(p.owned) {
			f.Half = append(f.Half, p)
		}
		f.Files = append(f.Files, d.packageFiles(p, kept)...)
		if p.stanza != nil && p.file == "" {
			status.Write(keepConffiles(p.stanza, d.spelling(p, kept).unchanged))
			status.WriteString("\n\n")
		}
	}
	if status.Len() > 0 {
		f.Files = append(f.Files, File{Path: statusFile, Content: status.Bytes(), Like: statusFile})
		f.Files = append(f.Files, d.common(kept, names)...)
	}
	f.Files = append(f.Files, d.apkDatabase(f.Packages, kept)...)
	f.Files = append(f.Files, d.rpmDatabase(f.Packages)...)
	slices.SortFunc(f.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	byID := func(a, b *Package) int { return strings.Compare(a.ID(), b.ID()) }
	slices.SortStableFunc(f.Packages, byID)
	slices.SortStableFunc(f.Half, byID)
	return f
}

// covers are p's kept entries that are no directories.
func (d *DB) covers(p *Package, kept func(string) bool) []string {
	var out []string
	for _, name := range p.owned {
		if kept(name) {
			out = append(out, name)
		}
	}
	return out
}

// spelling says how a name in a list is to be written; "" when what it means
// is not kept.
type spelling func(name string) string

// unchanged says that a name stays as it is.
func (s spelling) unchanged(name string) bool { return s(name) == name }

// spelling is that of p's lists.
func (d *DB) spelling(p *Package, kept func(string) bool) spelling {
	return func(name string) string {
		target := d.divert(p, name)
		e, links := d.names.find(target)
		switch {
		case e == nil || !kept(e.Path):
			return ""
		case !slices.ContainsFunc(links, func(l string) bool { return !kept(l) }):
			return name
		case target != name:
			return "" // dpkg diverts the name in the list, to what is not there
		}
		return e.Path
	}
}

// PackageFiles are the files about the package id alone (its lists; in the
// status.d form its stanza too) for the entries that kept takes; none when
// there is no such package. For a part of what [DB.Filter] was asked about:
// a layer has a copy of the lists of its own files.
func (d *DB) PackageFiles(id string, kept func(path string) bool) []File {
	i, ok := slices.BinarySearchFunc(d.packages, id, func(p *Package, id string) int { return strings.Compare(p.ID(), id) })
	if !ok {
		return nil
	}
	return d.packageFiles(d.packages[i], kept)
}

func (d *DB) packageFiles(p *Package, kept func(string) bool) []File {
	if p.stanza == nil {
		return nil // apk and rpm have one file for all
	}
	covers, spell := d.covers(p, kept), d.spelling(p, kept)
	if p.file != "" {
		stanza := append(keepConffiles(p.stanza, spell.unchanged), '\n')
		return []File{
			{Path: p.file, Content: stanza, Package: p.ID(), Like: p.file, Covers: covers},
			{Path: p.file + ".md5sums", Content: filterSums(p.list, spell), Package: p.ID(), Like: p.file, Covers: covers},
		}
	}
	list := d.infoFile(p, "list")
	out := []File{{Path: list, Content: filterList(p.list, spell), Package: p.ID(), Like: d.like(list), Covers: covers}}
	sums := d.infoFile(p, "md5sums")
	if b, err := d.read(sums, maxList); err == nil && b != nil {
		out = append(out, File{Path: sums, Content: filterSums(splitLines(b), spell), Package: p.ID(), Like: sums, Covers: covers})
	}
	return out
}

// like is an entry to take owner and mode from: p itself if it is there.
func (d *DB) like(p string) string {
	if _, err := d.tree.Resolve(p); err == nil {
		return p
	}
	return statusFile
}

// filterList keeps the lines about kept entries, directories included. "/."
// comes first in every list of dpkg's.
func filterList(lines []string, spell spelling) []byte {
	var b bytes.Buffer
	written := map[string]bool{}
	for _, l := range lines {
		if l != "/." {
			if !strings.HasPrefix(l, "/") {
				continue
			}
			clean := path.Clean(l)
			name := spell(clean)
			if name != clean {
				l = name
			}
		}
		if l == "" || written[l] {
			continue
		}
		written[l] = true
		b.WriteString(l)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// filterSums keeps the lines about kept entries to the letter: one scanner
// gives up on a layer when sum and path are not two spaces apart.
func filterSums(lines []string, spell spelling) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		sum, name, ok := strings.Cut(l, "  ")
		if !ok {
			continue
		}
		clean := path.Join("/", name)
		switch spelled := spell(clean); spelled {
		case "":
			continue
		case clean:
			b.WriteString(l)
		default:
			b.WriteString(sum + "  " + strings.TrimPrefix(spelled, "/"))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// common are the files about all packages that dpkg's own tools need to read
// the rest: the version of the info directory, architectures, and what is
// left of diversions and overrides.
func (d *DB) common(kept func(string) bool, names map[string]bool) []File {
	var out []File
	for _, p := range []string{infoDir + "/format", adminDir + "/arch"} {
		if b, err := d.read(p, maxList); err == nil && b != nil {
			out = append(out, File{Path: p, Content: b, Like: p})
		}
	}
	var div bytes.Buffer
	for _, v := range d.diversions {
		if v.by == ":" || names[v.by] {
			div.WriteString(v.from + "\n" + v.to + "\n" + v.by + "\n")
		}
	}
	if div.Len() > 0 {
		out = append(out, File{Path: adminDir + "/diversions", Content: div.Bytes(), Like: adminDir + "/diversions"})
	}
	override := adminDir + "/statoverride"
	b, err := d.read(override, maxList)
	if err != nil {
		return out
	}
	var left bytes.Buffer
	for _, l := range splitLines(b) {
		if f := strings.SplitN(l, " ", 4); len(f) == 4 && kept(f[3]) {
			left.WriteString(l + "\n")
		}
	}
	if left.Len() > 0 {
		out = append(out, File{Path: override, Content: left.Bytes(), Like: override})
	}
	return out
}
