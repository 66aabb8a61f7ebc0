package langpkg

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// CPAN is one distribution of CPAN that Perl's own tools installed (ExtUtils::
// Packlist; what App::cpanminus leaves in .meta, and CPAN::Meta::Spec). Those
// of operating systems have no packlist.
type CPAN struct {
	// Name is that of its packlist: "Shop/Core" for Shop::Core.
	Name string
	// Packlist is the file that lists its files.
	Packlist string
	// Files are the paths that it lists, absolute and clean, whether or not
	// the tree has them. None is outside of the prefix that it is installed in.
	Files []string
	// Requires are the modules that it needs at run time, sorted; nil where
	// the tool that installed it has left none.
	Requires []string
}

// Bounds on a tree of packlists: names of modules have few parts.
const (
	maxModuleDepth = 12
	packlist       = ".packlist"
)

// CPAN reads the distributions with packlists in root/auto, sorted by name.
func (r *Reader) CPAN(root string) ([]*CPAN, error) {
	var lists []string
	r.findPacklists(path.Join(root, "auto"), maxModuleDepth, &lists)
	metas := r.metaFiles(root)
	if err := r.prefetch(slices.Concat(lists, metas)); err != nil {
		return nil, err
	}
	var out []*CPAN
	for _, list := range lists {
		b, err := r.file(list)
		if err != nil {
			return nil, err
		}
		d := &CPAN{Name: strings.TrimPrefix(path.Dir(list), path.Join(root, "auto")+"/"), Packlist: list}
		d.Files = r.packlistFiles(string(b), path.Dir(list))
		out = append(out, d)
	}
	return out, r.readMetas(metas, out)
}

func (r *Reader) findPacklists(dir string, depth int, out *[]string) {
	for _, e := range r.tree.Children(dir) {
		switch {
		case e.Type == layers.Directory && depth > 0:
			r.findPacklists(e.Path, depth-1, out)
		case e.Name() == packlist:
			*out = append(*out, e.Path)
		}
	}
}

// packlistFiles are the paths of a packlist: one a line, and behind it, in
// newer ones, attributes (" type=file").
func (r *Reader) packlistFiles(text, dir string) []string {
	prefix := dir
	if i := strings.LastIndex(dir, "/lib/"); i > 0 {
		prefix = dir[:i]
	}
	var out []string
	for line := range strings.Lines(text) {
		if r.lines <= 0 {
			break
		}
		name, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " type=")
		if p := path.Clean(name); strings.HasPrefix(p, prefix+"/") {
			r.lines--
			out = append(out, p)
		}
	}
	return out
}

// metaFiles are those of root/.meta/DISTRIBUTION-VERSION, in pairs.
func (r *Reader) metaFiles(root string) []string {
	var out []string
	for _, e := range r.tree.Children(path.Join(root, ".meta")) {
		out = append(out, path.Join(e.Path, "MYMETA.json"), path.Join(e.Path, "install.json"))
	}
	return out
}

// cpanMeta is what is needed of MYMETA.json and install.json.
type cpanMeta struct {
	Name    string
	Prereqs struct {
		Runtime struct {
			Requires map[string]json.RawMessage
		}
	}
	Provides map[string]json.RawMessage
}

// readMetas gives distributions what their metadata says that they require.
// A distribution may be called otherwise than its main module (libwww-perl):
// then what it provides tells it.
func (r *Reader) readMetas(files []string, all []*CPAN) error {
	byName := map[string]*CPAN{}
	for _, d := range all {
		byName[d.Name] = d
	}
	for i := 0; i < len(files); i += 2 {
		var meta, install cpanMeta
		for j, doc := range []*cpanMeta{&meta, &install} {
			b, err := r.file(files[i+j])
			if err != nil {
				return err
			}
			_ = json.Unmarshal(b, doc) // what is no metadata names nothing
		}
		d := byName[strings.ReplaceAll(meta.Name, "-", "/")]
		for _, module := range sortedNames(install.Provides) {
			if d == nil {
				d = byName[strings.ReplaceAll(module, "::", "/")]
			}
		}
		if d == nil {
			continue
		}
		d.Requires = sortedNames(meta.Prereqs.Runtime.Requires)
		d.Requires = d.Requires[:min(len(d.Requires), r.needs)]
		r.needs -= len(d.Requires)
	}
	return nil
}

func sortedNames(m map[string]json.RawMessage) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
