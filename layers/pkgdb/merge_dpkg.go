package pkgdb

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// writeDpkg writes the status file and what is beside it.
func (m *merge) writeDpkg() {
	if b := m.status(); b != nil {
		m.add(MergedFile{Path: statusFile, Content: b, Same: func(have []byte) bool { return sameStanzas(b, have) }})
	}
	m.placeInfo()
	m.placeStatusD()
	for _, p := range m.names(adminDir + "/triggers") {
		if base := path.Base(p); base != "Lock" {
			m.lines(p, 1)
		}
	}
	m.lines(adminDir+"/diversions", 3)
	m.lines(adminDir+"/statoverride", 1)
	m.lines(adminDir+"/arch", 1)
	m.stanzas("/var/lib/apt/extended_states")
}

// status is the merged status file, by name and architecture as dpkg writes
// it; nil when nobody has one.
func (m *merge) status() []byte {
	var raws [][]byte
	for i := range m.all {
		if raw := m.all[i].stanza(); raw != nil {
			raws = append(raws, raw)
		}
	}
	return joinStanzas(raws)
}

func joinStanzas(raws [][]byte) []byte {
	if raws == nil {
		return nil
	}
	return append(bytes.Join(raws, []byte("\n\n")), "\n\n"...)
}

// stanza is a package's in the merged status file; nil when it has none.
func (p *merging) stanza() []byte {
	switch {
	case p.From == SideApp && p.a.p.inStatus():
		return p.a.raw
	case p.From == SideBase && p.n.p.inStatus():
		return withStatus(p.n, p.a, p.o)
	}
	return nil
}

// inStatus says that the package's stanza is in dpkg's status file.
func (p *Package) inStatus() bool { return p.stanza != nil && p.file == "" }

// withStatus is the new base's stanza with the wish of the image's, where
// that changed it (a hold, a purge that is wanted).
func withStatus(n, a, o *recorded) []byte {
	if a == nil || o == nil {
		return n.raw
	}
	was, is := fields(o.raw)["status"], fields(a.raw)["status"]
	if was == is || fields(n.raw)["status"] == is {
		return n.raw
	}
	lines := strings.Split(string(n.raw), "\n")
	for i, l := range lines {
		if name, _, _ := strings.Cut(l, ":"); strings.EqualFold(name, "status") {
			lines[i] = "Status: " + is
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

// sameStanzas says whether two files have the same stanzas in any order.
func sameStanzas(a, b []byte) bool {
	x, y := stanzas(a), stanzas(b)
	slices.SortFunc(x, bytes.Compare)
	slices.SortFunc(y, bytes.Compare)
	return slices.EqualFunc(x, y, bytes.Equal)
}

// placeInfo says whose files about each package stay.
func (m *merge) placeInfo() {
	side := map[string]Side{} // by what the files' names begin with
	for i := range m.all {
		p := &m.all[i]
		for _, name := range p.infoNames() {
			if was, known := side[name]; !known || was == "" || p.From == SideApp {
				side[name] = p.From
			}
		}
	}
	sides := map[Side]*DB{SideApp: m.app, SideBase: m.base}
	for _, file := range m.names(infoDir) {
		name := path.Base(strings.TrimSuffix(file, path.Ext(file)))
		from, known := side[name]
		switch db := sides[from]; {
		case !known: // about no package: format
		case db == nil || db.file(file) == nil:
			m.add(MergedFile{Path: file, Gone: true})
		default:
			m.add(MergedFile{Path: file, From: from})
		}
	}
}

// infoNames are what the names of a package's files in info begin with: see
// [DB.infoFile].
func (p *merging) infoNames() []string {
	var names []string
	for _, r := range []*recorded{p.o, p.a, p.n} {
		if r == nil {
			continue
		}
		names = append(names, r.p.Name+":"+r.p.Arch)
		if !r.p.multiSame {
			names = append(names, r.p.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// placeStatusD says whose file of each package stays, in the form of
// distroless images.
func (m *merge) placeStatusD() {
	for i := range m.out.Packages {
		p := &m.out.Packages[i]
		for _, q := range []*Package{m.app.byID(p.ID), m.base.byID(p.ID)} {
			if q == nil || q.file == "" {
				continue
			}
			for _, file := range []string{q.file, q.file + ".md5sums"} {
				m.add(MergedFile{Path: file, From: p.From, Gone: p.From == ""})
			}
		}
	}
	slices.SortFunc(m.out.Files, func(a, b MergedFile) int { return strings.Compare(a.Path, b.Path) })
	m.out.Files = slices.CompactFunc(m.out.Files, func(a, b MergedFile) bool { return a.Path == b.Path })
}

// lines merges a file of records of n lines each.
func (m *merge) lines(p string, n int) {
	was, is, comes := m.three(p)
	if is == nil {
		return
	}
	merged := MergeLines(chunks(was, n), chunks(is, n), chunks(comes, n))
	b := []byte(strings.Join(merged, ""))
	m.add(MergedFile{Path: p, Content: b, Part: true, Same: func(have []byte) bool {
		x, y := chunks(have, n), slices.Clone(merged)
		slices.Sort(x)
		slices.Sort(y)
		return slices.Equal(x, y)
	}})
}

// chunks are records of n lines; each ends in a newline.
func chunks(b []byte, n int) []string {
	var out []string
	lines := splitLines(b)
	for len(lines) >= n {
		out = append(out, strings.Join(lines[:n], "\n")+"\n")
		lines = lines[n:]
	}
	return out
}

// MergeLines merges sets of lines: what the new base has, without what app
// took out of the old base's, and then what app added.
func MergeLines(old, app, base []string) []string {
	set := func(list []string) map[string]bool {
		s := map[string]bool{}
		for _, l := range list {
			s[l] = true
		}
		return s
	}
	was, is, comes := set(old), set(app), set(base)
	var out []string
	for _, l := range base {
		if is[l] || !was[l] {
			out = append(out, l)
		}
	}
	for _, l := range app {
		if !was[l] && !comes[l] {
			out = append(out, l)
		}
	}
	return out
}

// stanzas merges a file of stanzas about packages.
func (m *merge) stanzas(p string) {
	was, is, comes := m.three(p)
	if is == nil {
		return
	}
	o, a, n := byPackage(was), byPackage(is), byPackage(comes)
	var raws [][]byte
	for _, key := range sortedRecords(a, n) {
		switch was, is, comes := o[key], a[key], n[key]; {
		case is == nil && was != nil: // taken out
		case is == nil, was != nil && bytes.Equal(was.raw, is.raw):
			if comes != nil {
				raws = append(raws, comes.raw)
			}
		default:
			raws = append(raws, is.raw)
		}
	}
	b := joinStanzas(raws)
	m.add(MergedFile{Path: p, Content: b, Part: true, Same: func(have []byte) bool { return sameStanzas(b, have) }})
}

func byPackage(b []byte) records {
	out := records{}
	for _, raw := range stanzas(b) {
		f := fields(raw)
		out[f["package"]+":"+f["architecture"]] = &recorded{p: &Package{Name: f["package"]}, raw: raw}
	}
	return out
}

func sortedRecords(a, b records) []string {
	var keys []string
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if a[k] == nil {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}
