package langpkg

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// Composer is one package that Composer installed
// (getcomposer.org/doc/04-schema.md; Composer\Repository\FilesystemRepository
// writes vendor/composer/installed.json).
type Composer struct {
	Name, Version string
	// Dir is the directory of its files, as it is in the tree; "" when there
	// is none, as for a metapackage.
	Dir string
	// Requires are the packages that it needs at run time, sorted: names of
	// others, and none of what PHP itself must have (php, ext-*).
	Requires []string
	// Provides are the names besides its own by which others may require it.
	Provides []string
	// Bin are its programs, by path in Dir.
	Bin []string
}

// composerJSON is what is needed of a package. Empty objects may be written as
// lists, so each is read by itself.
type composerJSON struct {
	Name        string
	Version     string
	InstallPath *string `json:"install-path"`
	Require     json.RawMessage
	Replace     json.RawMessage
	Provide     json.RawMessage
	Bin         json.RawMessage
}

// Composer reads the packages of a vendor directory, in the order of
// installed.json; none when it has none that can be read.
func (r *Reader) Composer(vendor string) ([]*Composer, error) {
	b, err := r.file(ComposerList(vendor))
	if err != nil {
		return nil, err
	}
	var out []*Composer
	for _, span := range composerPackages(b) {
		var doc composerJSON
		if json.Unmarshal(b[span[0]:span[1]], &doc) != nil || doc.Name == "" || r.lines <= 0 {
			continue
		}
		r.lines--
		c := &Composer{Name: strings.ToLower(doc.Name), Version: doc.Version, Dir: r.composerDir(vendor, doc)}
		c.Requires = slices.DeleteFunc(keys(doc.Require), func(s string) bool { return !strings.Contains(s, "/") })
		c.Requires = c.Requires[:min(len(c.Requires), r.needs)]
		r.needs -= len(c.Requires)
		c.Provides = slices.Concat(keys(doc.Replace), keys(doc.Provide))
		c.Provides = c.Provides[:min(len(c.Provides), maxRequires)]
		_ = json.Unmarshal(doc.Bin, &c.Bin) // none, where it is no list
		out = append(out, c)
	}
	return out, nil
}

// ComposerList is the file of a vendor directory that lists its packages.
func ComposerList(vendor string) string { return path.Join(vendor, "composer/installed.json") }

// composerDir is where a package lies: install-path, relative to
// vendor/composer, of Composer 2; vendor/NAME before. A directory that holds
// vendor itself is the application's, and no package's.
func (r *Reader) composerDir(vendor string, doc composerJSON) string {
	dir := path.Join(vendor, path.Join("/", doc.Name))
	if doc.InstallPath != nil {
		dir = path.Join(vendor, "composer", *doc.InstallPath)
	}
	res, err := r.tree.Resolve(dir)
	if err != nil || res.Entry.Type != layers.Directory {
		return ""
	}
	dir = res.Entry.Path
	if dir == "/" || dir == vendor || strings.HasPrefix(vendor, dir+"/") {
		return ""
	}
	return dir
}

// composerPackages are the places of packages in an installed.json: a list
// (Composer 1), or an object with it as "packages". None when it is neither.
func composerPackages(b []byte) [][2]int {
	d := json.NewDecoder(bytes.NewReader(b))
	tok, err := d.Token()
	if tok == json.Delim('{') {
		tok, err = memberToken(d, "packages")
	}
	if err != nil || tok != json.Delim('[') {
		return nil
	}
	var out [][2]int
	for d.More() {
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil
		}
		end := int(d.InputOffset())
		out = append(out, [2]int{end - len(raw), end})
	}
	if _, err := d.Token(); err != nil {
		return nil
	}
	return out
}

// memberToken is the first token of a member of the object that was begun;
// nil when it has no such member.
func memberToken(d *json.Decoder, name string) (json.Token, error) {
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		if key == name {
			return d.Token()
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// FilterComposer is an installed.json without the packages that keep does not
// take, by name; all else stays to the byte. It is b where nothing goes.
func FilterComposer(b []byte, keep func(name string) bool) []byte {
	spans := composerPackages(b)
	var stay [][2]int
	for _, span := range spans {
		var doc struct{ Name string }
		if json.Unmarshal(b[span[0]:span[1]], &doc) != nil || keep(strings.ToLower(doc.Name)) {
			stay = append(stay, span)
		}
	}
	if len(stay) == len(spans) {
		return b
	}
	out := slices.Clone(b[:spans[0][0]])
	for i, span := range stay {
		if i > 0 {
			out = append(out, b[spans[0][1]:spans[1][0]]...)
		}
		out = append(out, b[span[0]:span[1]]...)
	}
	return append(out, b[spans[len(spans)-1][1]:]...)
}

// ComposerVendors are the directories that p would be in if they were vendor
// directories of Composer, by its name alone: those called vendor, and, as a
// project may call it otherwise, that of Composer's own files.
func ComposerVendors(p string) []string {
	var out []string
	if dir, name := path.Split(p); strings.HasSuffix(dir, "/composer/") && slices.Contains(composerOwn, name) {
		out = append(out, path.Dir(path.Clean(dir)))
	}
	for i := 0; ; {
		j := strings.Index(p[i:], "/vendor/")
		if j < 0 {
			return out
		}
		i += j + len("/vendor")
		out = append(out, p[:i])
	}
}

// composerOwn are files that every application of Composer reads as it starts.
var composerOwn = []string{"ClassLoader.php", "autoload_real.php", "autoload_static.php", "installed.php", "installed.json"}
