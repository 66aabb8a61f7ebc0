package pkgdb

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// ErrForeign says that packages of one format cannot be added to a database of
// another: no tool would read them.
var ErrForeign = errors.New("packages of another format")

// Join returns what has to be written above base, so that the database of both
// is one: base's packages, and those of d that own an entry which carried
// takes, as [DB.Filter] has them, in base's form. Packages lists all of both,
// by ID; Files are those alone that base does not have so. A package of both
// keeps base's stanza, and its lists get the carried entries; where the
// versions differ, the carried files are the newer truth and so is d's stanza.
// at says where the output has an entry of d, whose directories base may have
// laid out otherwise; nil is where d has it.
//
// Both forms of dpkg's database are joined. The error is ErrForeign where d
// has packages to add and the formats do not match.
func (d *DB) Join(base *DB, carried func(path string) bool, at func(path string) string) (*Filtered, error) {
	f := d.Filter(carried)
	switch {
	case len(base.packages) == 0 && len(base.Unsupported) == 0:
		return f, nil
	case len(f.Packages) == 0:
		return &Filtered{Packages: slices.Clone(base.packages)}, nil
	case !base.isDpkg() || !d.isDpkg():
		return nil, fmt.Errorf("adding %s to the base's packages: %w: the source's database is %q, the base's %q", f.Packages[0].ID(), ErrForeign, d.Format, base.Format)
	}
	j := &join{upper: d, base: base, carried: carried, at: at, inBase: map[string]*Package{}}
	if at == nil {
		j.at = func(p string) string { return p }
	}
	for _, p := range base.packages {
		j.inBase[p.Name+" "+p.Arch] = p
	}
	return j.files(f)
}

func (d *DB) isDpkg() bool { return d.Format == "dpkg" || d.Format == "status.d" }

// join is one Join.
type join struct {
	upper, base *DB
	carried     func(path string) bool
	at          func(path string) string
	inBase      map[string]*Package // by name and architecture
	replaced    map[*Package][]byte // base's packages with another stanza
	added       [][]byte            // stanzas
	out         Filtered
}

func (j *join) files(f *Filtered) (*Filtered, error) {
	j.replaced = map[*Package][]byte{}
	j.out.Half = f.Half
	known := map[*Package]bool{}
	for _, p := range j.upper.order {
		if slices.Contains(f.Packages, p) {
			if err := j.add(p, known); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range j.base.packages {
		if !known[p] {
			j.out.Packages = append(j.out.Packages, p)
		}
	}
	if err := j.status(); err != nil {
		return nil, err
	}
	if err := j.common(f.Files); err != nil {
		return nil, err
	}
	if err := j.leaveOut(); err != nil {
		return nil, err
	}
	slices.SortFunc(j.out.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	slices.SortStableFunc(j.out.Packages, func(a, b *Package) int { return strings.Compare(a.ID(), b.ID()) })
	return &j.out, nil
}

// add adds one package of the source. known gets the base's package that it
// stands for.
func (j *join) add(p *Package, known map[*Package]bool) error {
	spell := j.spelling(p)
	have := j.inBase[p.Name+" "+p.Arch]
	stanza := keepConffiles(p.stanza, spell.unchanged)
	if j.base.Format == "dpkg" {
		stanza = asInstalled(stanza)
	}
	switch {
	case have == nil:
		j.added = append(j.added, stanza)
		j.out.Packages = append(j.out.Packages, p)
	case have.Version != p.Version:
		j.replaced[have] = stanza
		j.out.Packages = append(j.out.Packages, p)
		known[have] = true
	}
	sums, err := j.sums(p, spell)
	if err != nil {
		return err
	}
	if j.base.Format == "status.d" {
		return j.addStatusD(p, have, stanza, sums)
	}
	return j.addInfo(p, have, spell, sums)
}

// spelling is that of p's lists: a name stays as it is where it leads to the
// entry through base's directories, or links that are carried.
func (j *join) spelling(p *Package) spelling {
	return func(name string) string {
		target := j.upper.divert(p, name)
		e, links := j.upper.names.find(target)
		if e == nil || !j.carried(e.Path) {
			return ""
		}
		at := j.at(e.Path)
		dir, base := path.Split(path.Clean(target))
		if r, err := j.base.tree.Resolve(dir); err == nil && path.Join(r.Entry.Path, base) == at {
			return name
		}
		foreign := func(l string) bool { return !j.carried(l) }
		switch {
		case at == e.Path && !slices.ContainsFunc(links, foreign):
			return name
		case target != name:
			return ""
		}
		return at
	}
}

// sums are the lines of p's md5sums about carried entries.
func (j *join) sums(p *Package, spell spelling) ([]string, error) {
	lines := p.list
	if p.file == "" {
		b, err := j.upper.read(j.upper.infoFile(p, "md5sums"), maxList)
		if err != nil {
			return nil, err
		}
		lines = splitLines(b)
	}
	return splitLines(filterSums(lines, spell)), nil
}

// addStatusD writes the form of distroless images.
func (j *join) addStatusD(p, have *Package, stanza []byte, sums []string) error {
	file := statusDir + "/" + p.Name
	var old []string
	if have != nil && have.file != "" {
		file, old = have.file, have.list
	}
	if have == nil || j.replaced[have] != nil {
		j.write(p, file, append(slices.Clip(stanza), '\n'))
	}
	j.write(p, file+".md5sums", joinLines(old, sums, sumName))
	return nil
}

// addInfo writes dpkg's own form. What a source without lists (status.d) owns
// is what its sums name.
func (j *join) addInfo(p, have *Package, spell spelling, sums []string) error {
	list := splitLines(filterList(p.list, spell))
	if p.file != "" {
		list = []string{"/."}
		for _, l := range sums {
			list = append(list, "/"+sumName(l))
		}
	}
	name := infoDir + "/" + p.Name
	if p.multiSame {
		name += ":" + p.Arch
	}
	var oldList, oldSums []string
	if have != nil {
		name = strings.TrimSuffix(j.base.infoFile(have, "list"), ".list")
		b, err := j.base.read(name+".md5sums", maxList)
		if err != nil {
			return err
		}
		oldList, oldSums = have.list, splitLines(b)
	}
	j.write(p, name+".list", joinLines(oldList, list, path.Clean))
	if len(oldSums)+len(sums) > 0 {
		j.write(p, name+".md5sums", joinLines(oldSums, sums, sumName))
	}
	return nil
}

func (j *join) write(p *Package, name string, content []byte) {
	j.out.Files = append(j.out.Files, File{Path: name, Content: content, Package: p.ID(), Like: statusFile, Covers: j.upper.covers(p, j.carried)})
}

// leaveOut takes away the files that the base has to the letter.
func (j *join) leaveOut() error {
	var out []File
	for _, f := range j.out.Files {
		r, err := j.base.tree.Resolve(f.Path)
		if err == nil && r.Entry.Type == layers.Regular && r.Entry.Size == int64(len(f.Content)) {
			have, err := j.base.read(f.Path, maxStatus)
			if err != nil {
				return err
			}
			if bytes.Equal(have, f.Content) {
				continue
			}
		}
		out = append(out, f)
	}
	j.out.Files = out
	return nil
}

// status writes dpkg's status file: the base's stanzas to the letter, those
// of packages that are not installed too, with what was replaced and added.
func (j *join) status() error {
	if j.base.Format != "dpkg" || len(j.added)+len(j.replaced) == 0 {
		return nil
	}
	b, err := j.base.read(statusFile, maxStatus)
	if err != nil {
		return err
	}
	other := map[string][]byte{}
	for p, stanza := range j.replaced {
		other[p.Name+" "+p.Arch] = stanza
	}
	added := map[string]bool{} // in place of what is left of a removed package
	for _, raw := range j.added {
		added[nameOf(raw)] = true
	}
	var out bytes.Buffer
	for _, raw := range stanzas(b) {
		name := nameOf(raw)
		if added[name] {
			continue
		}
		if o, ok := other[name]; ok {
			raw = o
		}
		out.Write(raw)
		out.WriteString("\n\n")
	}
	for _, raw := range j.added {
		out.Write(raw)
		out.WriteString("\n\n")
	}
	j.out.Files = append(j.out.Files, File{Path: statusFile, Content: out.Bytes(), Like: statusFile})
	return nil
}

// nameOf is name and architecture of a stanza.
func nameOf(raw []byte) string {
	f := fields(raw)
	return f["package"] + " " + f["architecture"]
}

// asInstalled is a stanza with the field that dpkg wants and status.d leaves
// out.
func asInstalled(stanza []byte) []byte {
	if fields(stanza)["status"] != "" {
		return stanza
	}
	first, rest, _ := bytes.Cut(stanza, []byte("\n"))
	return slices.Concat(first, []byte("\nStatus: install ok installed\n"), rest)
}

// common adds the records about carried files to those files of the base that
// are about all packages.
func (j *join) common(files []File) error {
	if j.base.Format != "dpkg" {
		return nil
	}
	for _, c := range []struct {
		path  string
		lines int // of one record
	}{{adminDir + "/diversions", 3}, {adminDir + "/statoverride", 1}} {
		i := slices.IndexFunc(files, func(f File) bool { return f.Path == c.path })
		if i < 0 {
			continue
		}
		b, err := j.base.read(c.path, maxList)
		if err != nil {
			return err
		}
		old, lines := splitLines(b), splitLines(files[i].Content)
		have := map[string]bool{}
		for r := range slices.Chunk(old, c.lines) {
			have[strings.Join(r, "\n")] = true
		}
		for r := range slices.Chunk(lines, c.lines) {
			if !have[strings.Join(r, "\n")] {
				old = append(old, r...)
			}
		}
		j.out.Files = append(j.out.Files, File{Path: c.path, Content: []byte(strings.Join(old, "\n") + "\n"), Like: c.path})
	}
	return nil
}

// sumName is the path in a line of md5sums.
func sumName(line string) string {
	_, name, _ := strings.Cut(line, "  ")
	return name
}

// joinLines are the old lines, those that a new one has the key of replaced by
// it, and the other new ones.
func joinLines(old, lines []string, key func(string) string) []byte {
	by := map[string]string{}
	for _, l := range lines {
		by[key(l)] = l
	}
	var b strings.Builder
	for _, l := range old {
		if other, ok := by[key(l)]; ok {
			l = other
			delete(by, key(l))
		}
		b.WriteString(l + "\n")
	}
	for _, l := range lines {
		if by[key(l)] == l {
			delete(by, key(l))
			b.WriteString(l + "\n")
		}
	}
	return []byte(b.String())
}
