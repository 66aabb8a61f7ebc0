package pkgdb

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// writeApk writes apk's database of installed packages, and merges what apk
// keeps beside it: the wishes in world, and the triggers.
func (m *merge) writeApk() {
	file := m.app.apkFile
	if file == "" {
		return
	}
	var b bytes.Buffer
	for i := range m.out.Packages {
		if p := m.out.Packages[i].Owner; p != nil && p.apk != nil {
			b.WriteString(p.apkRaw() + "\n\n")
		}
	}
	content := b.Bytes()
	m.add(MergedFile{Path: file, Content: content, Same: func(have []byte) bool { return sameStanzas(content, have) }})
	m.lines(path.Join(path.Dir(file), "triggers"), 1)
	m.lines("/etc/apk/world", 1)
}

// apkRaw is the record to the letter.
func (p *Package) apkRaw() string {
	lines := slices.Clone(p.apk.about)
	for _, d := range p.apk.dirs {
		lines = append(lines, d.about...)
		for _, f := range d.files {
			lines = append(lines, f.about...)
		}
	}
	return strings.Join(lines, "\n")
}
