package slim

import (
	"path"
	"regexp"
	"strings"

	"github.com/pare-image/pare/layers"
)

// groupPython is what CPython loads of its library by names that data
// chooses: codecs (encodings), and the extension modules of lib-dynload, most
// of which stand behind a module that was loaded. Those for Tk and for
// CPython's own tests come only if they were touched.
var groupPython = group{
	name:      "python",
	triggered: pythonByName.MatchString,
	add: func(s *selection, r Reason) {
		skip := func(e *layers.Entry) bool { return isTestOrTk(e.Name()) && s.touched(e.Path) == nil }
		for _, lib := range s.pythonLibraries() {
			s.addTrees(r, skip, path.Join(lib, "encodings"), path.Join(lib, "lib-dynload"))
		}
	},
}

var pythonByName = regexp.MustCompile(`/lib(64)?/python3\.[0-9]+/(encodings|lib-dynload)(/|$)`)

// isTestOrTk names extension modules that no server needs.
func isTestOrTk(name string) bool {
	name, _, _ = strings.Cut(name, ".")
	return name == "_tkinter" || name == "_ctypes_test" || strings.HasPrefix(name, "_test") || strings.HasPrefix(name, "_xx") || strings.HasPrefix(name, "xx")
}

// pythonLibraries are the standard libraries that were touched, else all that
// distributions install.
func (s *selection) pythonLibraries() []string {
	if libs := s.pythonEnv().stdlibs; len(libs) > 0 {
		return libs
	}
	var out []string
	for _, root := range s.libraryRoots() {
		for _, e := range s.tree.Children(root) {
			if strings.HasPrefix(e.Name(), "python3.") && e.Type == layers.Directory {
				out = append(out, e.Path)
			}
		}
	}
	return out
}
