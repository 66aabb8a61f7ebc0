package slim

import (
	"path"
	"regexp"
	"strings"

	"github.com/pare-image/pare/layers"
)

// groupPython is what CPython loads of its library by names that data
// chooses: codecs (encodings) and what those for texts import, of lib-dynload
// and beside (Lib/encodings: gb2312.py and its like, idna.py). Other extension
// modules are imported by name, and would bring libraries of their own.
var groupPython = group{
	name:      "python",
	triggered: pythonByName.MatchString,
	add: func(s *selection, r Reason) {
		for _, lib := range s.pythonLibraries() {
			s.addTrees(r, nil, path.Join(lib, "encodings"))
			s.addFiles(r, path.Join(lib, "stringprep.py"))
			for _, e := range s.tree.Children(path.Join(lib, "lib-dynload")) {
				if codecModule.MatchString(e.Name()) {
					s.put(e, r)
				}
			}
		}
	},
}

var pythonByName = regexp.MustCompile(`/lib(64)?/python(2\.7|3\.[0-9]+)/encodings(/|$)`)

// codecModule matches the extension modules that encodings imports: those of
// East Asia, and what idna normalizes with.
var codecModule = regexp.MustCompile(`^(_codecs_[a-z0-9]+|_multibytecodec|unicodedata)\.`)

// pythonLibraries are the standard libraries that were touched, else all that
// distributions install.
func (s *selection) pythonLibraries() []string {
	if libs := s.pythonEnv().stdlibs; len(libs) > 0 {
		return libs
	}
	var out []string
	for _, root := range s.libraryRoots() {
		for _, e := range s.tree.Children(root) {
			if (strings.HasPrefix(e.Name(), "python3.") || e.Name() == "python2.7") && e.Type == layers.Directory {
				out = append(out, e.Path)
			}
		}
	}
	return out
}
