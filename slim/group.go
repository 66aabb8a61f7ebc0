package slim

import (
	"path"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
)

// group is a set of files that come in whole when the profile touched one of
// them, or when they are asked for by name: what a program takes from them
// depends on input, environment or network, so that a recording shows a part.
type group struct {
	name string
	// triggered says whether a touched path is one of the group's.
	triggered func(p string) bool
	// add keeps the group's files for r.
	add func(s *selection, r Reason)
}

// groups in the order of their names.
var groups = []group{
	groupCA, groupFontconfig, groupGconv, groupGdkPixbuf, groupGIO, groupImageMagick, groupJavaCDS, groupKrb5, groupLocale, groupMagic,
	groupNSS, groupOpenSSL, groupPAM, groupPerlEncode, groupPerlUnicore, groupPython, groupRubyEnc, groupSASL, groupTerminfo, groupTimeZones,
}

// GroupNames are the names that Options.Groups takes, sorted.
func GroupNames() []string {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	return names
}

func (g group) rule() rule {
	name := "group:" + g.name
	return rule{name: name, seed: func(s *selection) {
		if from := s.firstTouched(g.triggered); from != "" {
			g.add(s, Reason{Rule: name, From: from})
		} else if slices.Contains(s.options.Groups, g.name) {
			g.add(s, Reason{Rule: name, From: "option:group"})
		}
	}}
}

// under says that a path is in one of dirs.
func under(dirs ...string) func(string) bool {
	return func(p string) bool {
		return slices.ContainsFunc(dirs, func(d string) bool { return below(p, d) })
	}
}

// addTrees keeps what is there of several trees.
func (s *selection) addTrees(r Reason, skip func(*layers.Entry) bool, dirs ...string) {
	for _, d := range dirs {
		if _, err := s.tree.Resolve(d); err == nil {
			s.addTree(d, r, skip)
		}
	}
}

// addFiles keeps what is there of several files.
func (s *selection) addFiles(r Reason, files ...string) {
	for _, f := range files {
		if _, err := s.tree.Resolve(f); err == nil {
			s.add(f, r)
		}
	}
}

// libraryRoots are the directories in which distributions put libraries and
// what belongs to them, multiarch ones included.
func (s *selection) libraryRoots() []string {
	var out []string
	for _, d := range []string{"/usr/lib", "/lib", "/usr/lib64", "/lib64", "/usr/local/lib"} {
		res, err := s.tree.Resolve(d)
		if err != nil || slices.Contains(out, res.Entry.Path) {
			continue
		}
		out = append(out, res.Entry.Path)
		for _, k := range s.tree.Children(res.Entry.Path) {
			if k.Type == layers.Directory && strings.Contains(k.Name(), "-linux-") {
				out = append(out, k.Path)
			}
		}
	}
	return out
}

// inLibraries matches DIR/name/… for any directory of libraries.
func inLibraries(name string) func(string) bool {
	return func(p string) bool {
		i := strings.Index(p, "/"+name)
		if i < 0 || i+1+len(name) < len(p) && p[i+1+len(name)] != '/' {
			return false
		}
		parent := path.Base(p[:i])
		return strings.HasPrefix(parent, "lib") || strings.Contains(parent, "-linux-")
	}
}

// addLibraryTrees keeps a directory by its name in every directory of libraries.
func (s *selection) addLibraryTrees(r Reason, name string) {
	for _, d := range s.libraryRoots() {
		s.addTrees(r, nil, path.Join(d, name))
	}
}

// maxConfig bounds a file of configuration that a group reads.
const maxConfig = 64 << 10

// readConfig returns a configuration file's content, following symlinks; nil
// when there is none or it is over 64 KiB.
func (s *selection) readConfig(p string) []byte {
	res, err := s.tree.Resolve(p)
	if err != nil || res.Entry.Type != layers.Regular {
		return nil
	}
	b, err := s.tree.ReadContent(res.Entry.Inode, maxConfig)
	if err != nil {
		return nil
	}
	return b
}
