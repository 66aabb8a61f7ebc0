package langpkg

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// Distribution is one installed Python distribution
// (packaging.python.org/specifications/recording-installed-packages).
type Distribution struct {
	// Name is normalized as PEP 503 has it: "zope-interface".
	Name, Version string
	// Site is the directory that it is installed in, as it is in the tree.
	Site string
	// Info is its metadata: a directory *.dist-info or *.egg-info, or a file
	// *.egg-info.
	Info string
	// Files are the paths of its RECORD, absolute and clean, whether or not
	// the tree has them; nil when it has no RECORD. None is outside of the
	// prefix that the site belongs to (/usr of /usr/lib/python3/dist-packages).
	Files []string
	// TopLevel are the names that it gives to import: those of
	// top_level.txt, else its own.
	TopLevel []string
	// Requires are the distributions that it declares to need at run time.
	Requires []Requirement
}

// PythonFiles are the metadata files that [Reader.Python] reads, by base name.
var PythonFiles = []string{"METADATA", "PKG-INFO", "RECORD", "requires.txt", "top_level.txt"}

// Python reads the distributions of one directory on sys.path, sorted by Info.
func (r *Reader) Python(site string) ([]*Distribution, error) {
	var infos, files []string
	for _, e := range r.tree.Children(site) {
		if _, ok := cutInfo(e.Name()); !ok {
			continue
		}
		infos = append(infos, e.Path)
		for _, name := range PythonFiles {
			files = append(files, path.Join(e.Path, name))
		}
		if e.Type == layers.Regular {
			files = append(files, e.Path)
		}
	}
	if err := r.prefetch(files); err != nil {
		return nil, err
	}
	var out []*Distribution
	for _, info := range infos {
		d, err := r.distribution(site, info)
		if err != nil {
			return nil, err
		}
		if d.Name != "" {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *Distribution) int { return cmp.Compare(a.Info, b.Info) })
	return out, nil
}

func cutInfo(name string) (string, bool) {
	if s, ok := strings.CutSuffix(name, ".dist-info"); ok {
		return s, true
	}
	return strings.CutSuffix(name, ".egg-info")
}

// IsPythonInfo says that p is metadata of a distribution, or a file in it.
func IsPythonInfo(p string) bool {
	return strings.Contains(p+"/", ".dist-info/") || strings.Contains(p+"/", ".egg-info/")
}

func (r *Reader) distribution(site, info string) (*Distribution, error) {
	read := map[string][]byte{}
	for _, name := range PythonFiles {
		b, err := r.file(path.Join(info, name))
		if err != nil {
			return nil, err
		}
		read[name] = b
	}
	meta := read["METADATA"]
	if meta == nil {
		meta = read["PKG-INFO"]
	}
	if e, ok := r.tree.Lookup(info); ok && e.Type == layers.Regular { // distutils before setuptools
		b, err := r.file(info)
		if err != nil {
			return nil, err
		}
		meta = b
	}
	d := &Distribution{Site: site, Info: info}
	d.readMetadata(meta)
	d.Requires = append(d.Requires, parseRequiresTxt(read["requires.txt"])...)
	d.Requires = d.Requires[:min(len(d.Requires), r.needs)]
	r.needs -= len(d.Requires)
	if b := read["RECORD"]; b != nil {
		d.Files = recordFiles(b, site, r.lines)
		r.lines -= len(d.Files)
	}
	d.TopLevel = topLevel(read["top_level.txt"], d.Name)
	return d, nil
}

// readMetadata takes what is needed of core metadata: headers as in mail, up
// to an empty line (packaging.python.org/specifications/core-metadata).
func (d *Distribution) readMetadata(b []byte) {
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, maxFile+1)
	for sc.Scan() && len(sc.Bytes()) > 0 {
		key, value, ok := strings.Cut(sc.Text(), ":")
		if !ok || strings.HasPrefix(key, " ") {
			continue
		}
		switch value = strings.TrimSpace(value); strings.ToLower(key) {
		case "name":
			d.Name = NormalizePython(value)
		case "version":
			d.Version = value
		case "requires-dist":
			if req, ok := ParseRequirement(value); ok && len(d.Requires) < maxRequires {
				d.Requires = append(d.Requires, req)
			}
		}
	}
}

var notName = regexp.MustCompile(`[-_.]+`)

// NormalizePython is a distribution's name as PEP 503 compares it.
func NormalizePython(name string) string {
	return strings.ToLower(notName.ReplaceAllString(name, "-"))
}

// recordFiles are the paths of a RECORD, at most limit: CSV of path, hash, size;
// relative to the site, or absolute.
func recordFiles(b []byte, site string, limit int) []string {
	prefix := sitePrefix(site)
	rd := csv.NewReader(bytes.NewReader(b))
	rd.FieldsPerRecord, rd.LazyQuotes, rd.ReuseRecord = -1, true, true
	files := []string{}
	for len(files) < limit {
		rec, err := rd.Read()
		if err != nil {
			break // the end, or a line that is no CSV: what came before counts
		}
		p := rec[0]
		if !path.IsAbs(p) {
			p = path.Join(site, p)
		}
		if p = path.Clean(p); strings.HasPrefix(p, prefix+"/") {
			files = append(files, p)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// sitePrefix is the prefix that a site is of: what comes before lib/pythonX/;
// the site itself where it does not look so.
func sitePrefix(site string) string {
	dir := path.Dir(site)
	if !strings.HasPrefix(path.Base(dir), "py") {
		return site
	}
	if dir = path.Dir(dir); strings.HasPrefix(path.Base(dir), "lib") && path.Dir(dir) != "/" {
		return path.Dir(dir)
	}
	return site
}

// maxTopLevel bounds the names that one distribution gives to import: of large
// ones there are tens.
const maxTopLevel = 1000

func topLevel(b []byte, name string) []string {
	var out []string
	for w := range strings.FieldsSeq(string(b)) {
		w = strings.ReplaceAll(w, ".", "/") // a namespace: zope/interface
		if c := path.Clean(w); c == w && !path.IsAbs(w) && w != "." && !strings.HasPrefix(w, "..") {
			out = append(out, w)
		}
		if len(out) == maxTopLevel {
			break
		}
	}
	if len(out) == 0 && name != "" {
		out = []string{strings.ReplaceAll(name, "-", "_")}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
